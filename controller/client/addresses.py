"""Where controllers are, and how they are reached."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

LONGEST = 100
"""Octets of a socket's path that fit into an address."""


@dataclass(frozen=True)
class Tls:
    """PEM files of a client; without a certificate and its key it needs a token."""

    ca: Path
    cert: Path | None = None
    key: Path | None = None

    def read(self) -> tuple[bytes, bytes | None, bytes | None]:
        """CA, key, certificate, as gRPC takes them. Raises OSError."""
        key, cert = (None if path is None else path.read_bytes() for path in (self.key, self.cert))
        return self.ca.read_bytes(), key, cert


class Target:
    """One address, as gRPC takes it: ``HOST:PORT``, or ``unix:/PATH`` of any length."""

    def __init__(self, address: str) -> None:
        """Raises OSError for a path whose folder is not there."""
        self._folder: int | None = None
        self.address = self.name = address
        path = address.removeprefix("unix:")
        if path != address and len(path.encode()) > LONGEST:
            folder, _, name = path.rpartition("/")
            self._folder = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self.name = f"unix:/proc/self/fd/{self._folder}/{name}"

    @property
    def local(self) -> bool:
        """Whether it is a socket of this machine."""
        return self.address.startswith("unix:")

    def close(self) -> None:
        """The channel is closed."""
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None
