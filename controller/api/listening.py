"""Where the API listens: a Unix socket of its owner alone, and an address; beyond this machine with mutual TLS only."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol

import grpc

from controller.core.control import reachable


class ListenError(ValueError):
    """The API cannot listen there: the message names the option and says what would be right."""


class Credentials(Protocol):
    """How peers on an address prove who they are."""

    def server(self) -> grpc.ServerCredentials:
        """For gRPC. Raises ListenError."""
        ...


@dataclass(frozen=True)
class Files:
    """PEM files; they are read again when they change, so that certificates are renewed without a restart."""

    cert: Path
    key: Path
    ca: Path
    """Who signs the certificates of clients, each of which must have one."""

    def server(self) -> grpc.ServerCredentials:
        """Mutual TLS. Raises ListenError."""
        first = grpc.ssl_server_certificate_configuration(*self._read())
        seen = [self._signature()]

        def renewed() -> Any:
            now = self._signature()
            if now == seen[0]:
                return None
            try:
                made = grpc.ssl_server_certificate_configuration(*self._read())
            except (ListenError, ValueError):  # half written: the former ones stay
                return None
            seen[0] = now
            return made

        return grpc.dynamic_ssl_server_credentials(first, renewed, require_client_authentication=True)

    def _read(self) -> tuple[list[tuple[bytes, bytes]], bytes]:
        found = []
        for option, path in (("--api-key", self.key), ("--api-cert", self.cert), ("--api-ca", self.ca)):
            try:
                found.append(path.read_bytes())
            except OSError as error:
                raise ListenError(f"{option} {path}: {error.strerror}; name a readable PEM file") from None
        return [(found[0], found[1])], found[2]

    def _signature(self) -> list[tuple[int, int, int] | None]:
        return [_seen(path) for path in (self.cert, self.key, self.ca)]


def _seen(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


@dataclass(frozen=True)
class Where:
    """Where the API listens."""

    socket: Path
    address: str = ""
    """ADDRESS:PORT; empty: on the socket alone."""
    credentials: Credentials | None = None

    def check(self) -> None:
        """Raises ListenError."""
        if not self.address:
            if self.credentials is not None:
                raise ListenError(
                    "--api-cert, --api-key and --api-ca are for --api ADDRESS:PORT: give it too"
                )
            return
        host, _, port = self.address.rpartition(":")
        try:
            address = ip_address(host.strip("[]"))
        except ValueError:
            raise ListenError(f"--api {self.address}: write ADDRESS:PORT, such as 127.0.0.1:7450") from None
        if (
            not port.isdecimal()
            or not 0 <= int(port) <= 65535
            or (address.version == 6) != host.startswith("[")
        ):
            raise ListenError(
                f"--api {self.address}: write ADDRESS:PORT, such as 127.0.0.1:7450 or [::1]:7450"
            )
        if not address.is_loopback and self.credentials is None:
            raise ListenError(
                f"--api {self.address}: others than this machine reach it, so give --api-cert, --api-key and --api-ca"
            )


def files(cert: Path | None, key: Path | None, ca: Path | None) -> Files | None:
    """The files of all three options; None: none is given. Raises ListenError naming an option that lacks."""
    given = {"--api-cert": cert, "--api-key": key, "--api-ca": ca}
    missing = [option for option, path in given.items() if path is None]
    if len(missing) == len(given):
        return None
    if cert is None or key is None or ca is None:
        raise ListenError(
            f"{' and '.join(missing)}: missing; give all of --api-cert, --api-key and --api-ca, or none"
        )
    return Files(cert, key, ca)


def api_beside(state: Path) -> Path:
    """The API's socket of the controller with this state file."""
    return state.with_name(state.name + ".api.sock")


def bind(server: Any, where: Where) -> int:
    """Have a server listen; the port of the address, 0 without one. Raises ListenError."""
    where.check()
    with _socket(where.socket) as name:
        try:
            server.add_insecure_port(f"unix:{name}")
        except RuntimeError as error:
            raise ListenError(f"{where.socket}: {error}") from None
    if not where.address:
        return 0
    try:
        if where.credentials is None:
            return int(server.add_insecure_port(where.address))
        return int(server.add_secure_port(where.address, where.credentials.server()))
    except RuntimeError as error:
        raise ListenError(f"--api {where.address}: {error}") from None


@contextmanager
def _socket(path: Path) -> Iterator[str]:
    """A name for the socket that fits into an address. It is for its owner alone from the moment it is there.

    One that is there was left by a controller that was killed: the lock of the state file says that none runs.
    """
    if path.exists() and not stat.S_ISSOCK(path.lstat().st_mode):
        raise ListenError(f"{path} is no socket; remove it")
    try:
        path.unlink(missing_ok=True)
        with reachable(path) as name:
            mask = os.umask(0o177)
            try:
                yield name
            finally:
                os.umask(mask)
    except OSError as error:
        raise ListenError(f"{path}: {error.strerror}") from None
