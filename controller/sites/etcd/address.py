"""Where etcd is and how it is spoken to: what the command line says, read and checked. Pure but for reading files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from controller.sites.base import StoreError

SCHEME = "etcd://"
_RIGHT = f"write {SCHEME}HOST:PORT,HOST:PORT/PREFIX, such as {SCHEME}10.0.0.1:2379,10.0.0.2:2379/evenkeel"


@dataclass(frozen=True)
class Tls:
    """PEM files' contents. The certificate's common name is the user that etcd knows us by."""

    ca: bytes
    cert: bytes
    key: bytes


@dataclass(frozen=True)
class Address:
    """All members of one etcd that we may ask, and the prefix below which all our keys lie."""

    endpoints: tuple[str, ...]
    """HOST:PORT, the one to be asked first at the head."""
    prefix: str
    tls: Tls | None = None
    """None: neither encrypted nor authenticated."""

    def __str__(self) -> str:
        return f"{SCHEME}{','.join(self.endpoints)}{self.prefix}"


def parse(text: str, tls: Tls | None = None) -> Address:
    """Read ``etcd://HOST:PORT,HOST:PORT/PREFIX``. Raises StoreError."""
    hosts, slash, path = text.removeprefix(SCHEME).partition("/")
    prefix = path.strip("/")
    if not text.startswith(SCHEME) or not slash or not prefix:
        raise StoreError(f"{text}: is no address of etcd with a prefix; {_RIGHT}")
    if "\0" in prefix or "//" in prefix:
        raise StoreError(f"{text}: the prefix {prefix!r} has an empty part or a NUL; {_RIGHT}")
    endpoints = tuple(hosts.split(","))
    for each in endpoints:
        host, _, port = each.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise StoreError(f"{text}: {each!r} is no HOST:PORT; {_RIGHT}")
        if ":" in host and not (host.startswith("[") and host.endswith("]")):
            raise StoreError(
                f"{text}: {each!r}: write an IPv6 address in brackets, such as [2001:db8::1]:2379"
            )
    if len(set(endpoints)) < len(endpoints):
        raise StoreError(f"{text}: names a member twice; {_RIGHT}")
    return Address(endpoints, f"/{prefix}", tls)


def read_tls(ca: Path | None, cert: Path | None, key: Path | None) -> Tls | None:
    """The files of all three options; None: none is given. Raises StoreError naming the file or the option."""
    given = {"--store-ca": ca, "--store-cert": cert, "--store-key": key}
    missing = [name for name, path in given.items() if path is None]
    if len(missing) == len(given):
        return None
    if missing:
        raise StoreError(f"{', '.join(missing)}: missing; TLS needs all of {', '.join(given)}")
    return Tls(*(_pem(name, path) for name, path in given.items() if path is not None))


def _pem(option: str, path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{option} {path}: {error.strerror}; give a readable PEM file") from error
    if b"-----BEGIN " not in data:
        raise StoreError(f"{option} {path}: is no PEM file: it has no line '-----BEGIN ...'")
    return data
