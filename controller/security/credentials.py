"""Credentials for mutual TLS from files, which are read again when they change: no restart, no connection ended.

    server   grpc_server()      new handshakes use what the files hold then
             server_context()   the same as an ssl.SSLContext: OpenFlow, aiohttp
    client   grpc_channel(), client_context()   what the files hold now: make them again for every connection

Both sides always show a certificate. A changed set of files is used once it is whole (a key with its certificate, an
authority); until then the former set is, and that is reported once.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakSet

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from controller.security.certificates import Named, Role, named
from controller.security.errors import CredentialsError
from controller.security.files import too_open

_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Paths:
    """Files in PEM."""

    cert: Path
    """Our certificate, with those between it and the authority behind it if there are any."""
    key: Path
    """Its private key, not encrypted, for its owner's eyes alone."""
    ca: Path
    """The authorities whose certificates we take; several while one follows another."""


@dataclass(frozen=True)
class Pems:
    """What the files held at one moment; the key is left out where this is shown."""

    cert: bytes
    key: bytes = field(repr=False)
    ca: bytes


@dataclass(frozen=True)
class Options:
    """How messages call the three files, such as ``--switch-cert``."""

    cert: str = "--cert"
    key: str = "--key"
    ca: str = "--ca"


class Credentials:
    """The certificate of one party. May be used by several threads."""

    def __init__(
        self,
        paths: Paths,
        options: Options | None = None,
        on_problem: Callable[[str], None] = lambda _why: None,
    ) -> None:
        """``on_problem`` is told once why changed files are not used (any thread). Raises CredentialsError."""
        self.paths = paths
        self._options = options or Options()
        self._on_problem = on_problem
        self._changing = threading.Lock()
        self._problem = ""
        self._stamp = self._look()
        self.ends: Mapping[tuple[str, str], float] = {}
        """Unix time at which what is used ends, by option and file: our certificate, and the authority that lasts
        longest."""
        self._pems = self._read()
        _IN_USE.add(self)
        self._contexts: dict[bool, tuple[Pems, ssl.SSLContext]] = {}

    def current(self) -> Pems:
        """What is used for a connection that begins now."""
        with self._changing:
            try:
                stamp = self._look()
                if stamp != self._stamp:
                    self._stamp = stamp  # not tried, and not reported, again until they change once more
                    self._pems = self._read()
                    self._problem = ""
            except CredentialsError as error:
                if str(error) != self._problem:
                    self._problem = str(error)
                    self._on_problem(f"{error}; the former certificate stays in use")
            return self._pems

    def grpc_server(self, clients: bool = True) -> grpc.ServerCredentials:
        """For ``add_secure_port`` of a server, of grpc or grpc.aio.

        ``clients``: those without a certificate are refused; otherwise none is asked for one.
        """
        given = self._pems

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            nonlocal given
            now = self.current()
            if now is given:
                return None
            given = now
            return _grpc_configuration(now)

        return grpc.dynamic_ssl_server_credentials(
            _grpc_configuration(given), fetch, require_client_authentication=clients
        )

    def grpc_channel(self) -> grpc.ChannelCredentials:
        """For a channel that is made now. The server's certificate has to name the address that is dialled."""
        now = self.current()
        return grpc.ssl_channel_credentials(now.ca, now.key, now.cert)

    def server_context(self) -> ssl.SSLContext:
        """For a listener; clients without a certificate are refused. It follows the files as long as it is used."""
        front = _made(self.current(), server=True)

        def choose(
            stream: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext
        ) -> None:
            stream.context = self._context(server=True)

        front.sni_callback = choose  # called for every handshake, also when no name is asked for
        return front

    def fresh_server_context(self) -> ssl.SSLContext:
        """The same for one connection that begins now."""
        return self._context(server=True)

    def client_context(self) -> ssl.SSLContext:
        """For a connection that is made now; its server has to show a certificate for the name that is dialled."""
        return self._context(server=False)

    def _context(self, server: bool) -> ssl.SSLContext:
        now = self.current()
        with self._changing:
            pems, known = self._contexts.get(server, (None, None))
            if known is None or pems is not now:
                known = _made(now, server)
                self._contexts[server] = now, known
            return known

    def _look(self) -> _Stamp:
        return tuple(self._stat(*each) for each in self._files())

    def _files(self) -> tuple[tuple[str, Path], ...]:
        options, paths = self._options, self.paths
        return ((options.cert, paths.cert), (options.key, paths.key), (options.ca, paths.ca))

    @staticmethod
    def _stat(option: str, path: Path) -> tuple[int, int, int]:
        try:
            found = path.stat()
        except OSError as error:
            raise CredentialsError(f"{option} {path}: {error.strerror}; give a readable PEM file") from error
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> Pems:
        """All three, checked. Raises CredentialsError naming the file."""
        contents = []
        for option, path in self._files():
            try:
                contents.append(path.read_bytes())
            except OSError as error:
                raise CredentialsError(
                    f"{option} {path}: {error.strerror}; give a readable PEM file"
                ) from error
        cert, key, ca = contents
        self._check(Pems(cert, key, ca))
        return Pems(cert, key, ca)

    def _check(self, pems: Pems) -> None:
        options, paths = self._options, self.paths
        wrong = too_open(paths.key)
        if wrong is not None:
            raise CredentialsError(f"{options.key} {wrong}")
        chain = _certificates(options.cert, paths.cert, pems.cert)
        authorities = _certificates(options.ca, paths.ca, pems.ca)
        try:
            key = load_pem_private_key(pems.key, None)
        except (ValueError, TypeError):
            raise CredentialsError(
                f"{options.key} {paths.key}: is no private key in PEM that is not encrypted"
            ) from None
        if _public(key.public_key()) != _public(chain[0].public_key()):
            raise CredentialsError(
                f"{options.key} {paths.key}: is not the key of {options.cert} {paths.cert}"
            )
        try:
            _made(pems, server=True)
        except ssl.SSLError as error:
            raise CredentialsError(
                f"{options.cert} {paths.cert}: cannot be used: {error.reason or error}"
            ) from None
        self.ends = {
            (options.cert, str(paths.cert)): _end(chain[0]),
            (options.ca, str(paths.ca)): max(map(_end, authorities)),
        }


_IN_USE: WeakSet[Credentials] = WeakSet()


def certificate_ends() -> dict[tuple[str, str], float]:
    """Unix time at which each certificate ends that this process uses, by option and file."""
    return {key: end for each in list(_IN_USE) for key, end in each.ends.items()}


def _end(certificate: x509.Certificate) -> float:
    return certificate.not_valid_after_utc.timestamp()


def credentials(
    cert: Path | None,
    key: Path | None,
    ca: Path | None,
    options: Options,
    on_problem: Callable[[str], None] = lambda _why: None,
) -> Credentials | None:
    """From the files of three options; None: none of them is given. Raises CredentialsError."""
    given = {options.cert: cert, options.key: key, options.ca: ca}
    missing = [name for name, path in given.items() if path is None]
    if cert is None or key is None or ca is None:
        if len(missing) == len(given):
            return None
        raise CredentialsError(f"{', '.join(missing)}: missing; TLS needs all of {', '.join(given)}")
    return Credentials(Paths(cert, key, ca), options, on_problem)


def peer_of(auth_context: Mapping[str, object]) -> Named | None:
    """Who a gRPC call comes from, by ``ServicerContext.auth_context()``; None: the connection has no certificate."""
    found = auth_context.get("x509_pem_cert")
    if not isinstance(found, list | tuple) or len(found) != 1:
        return None
    try:
        return named(x509.load_pem_x509_certificate(found[0]))
    except ValueError:
        return None


def not_a(role: Role, shown: Named) -> str | None:
    """Why one that shows this certificate may not act as ``role``; None: it may.

    A certificate of another authority that is trusted says nothing of roles, and is good for any.
    """
    if shown.ours and shown.role is not role:
        return f"its certificate is of {shown.role or 'no role'} {shown.name!r}, and none of a {role}"
    return None


def _certificates(option: str, path: Path, data: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        raise CredentialsError(f"{option} {path}: holds no certificate in PEM") from None


def _public(key: object) -> bytes:
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    assert isinstance(encoded, bytes)
    return encoded


def _grpc_configuration(pems: Pems) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pems.key, pems.cert)], pems.ca)


def _made(pems: Pems, server: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    # A session that is resumed would not be checked against authorities of now.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    if server:
        context.num_tickets = 0
    context.load_verify_locations(cadata=pems.ca.decode("ascii", errors="ignore"))
    # It reads a key from files alone: from one in memory, so that it is the very key that was checked.
    with os.fdopen(os.memfd_create("key"), "wb") as file:
        file.write(pems.key + b"\n" + pems.cert)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    return context
