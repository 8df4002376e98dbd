"""Where the API listens: a Unix socket of its owner alone, and an address; beyond this machine with TLS only."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from controller.core.control import reachable
from controller.security.credentials import Credentials, Options


class ListenError(ValueError):
    """The API cannot listen there: the message names the option and says what would be right."""


OPTIONS = Options("--api-cert", "--api-key", "--api-ca")


@dataclass(frozen=True)
class Where:
    """Where the API listens."""

    socket: Path
    address: str = ""
    """ADDRESS:PORT; empty: on the socket alone."""
    credentials: Credentials | None = None
    certificates: bool = True
    """With TLS: each client has to show one. Without them it has to show a token."""

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
        return int(server.add_secure_port(where.address, where.credentials.grpc_server(where.certificates)))
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
