"""The last content that a name server was sent, in a file: it answers from it at once when it begins again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from controller.security.files import SECRET, replace

_MARK = b"evenkeel names 1\n"


class Last(NamedTuple):
    """What was kept."""

    octets: bytes
    heard: float
    """Unix seconds at which a controller was heard last."""


class Kept:
    """The file. Blocking."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def read(self) -> Last | None:
        """What is there; None: nothing that can be read. Raises OSError."""
        try:
            octets, heard = self.file.read_bytes(), self.file.stat().st_mtime
        except FileNotFoundError:
            return None
        return Last(octets[len(_MARK) :], heard) if octets.startswith(_MARK) else None

    def write(self, octets: bytes, heard: float) -> None:
        """Keep it. Raises OSError."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        replace(self.file, _MARK + octets, SECRET)
        os.utime(self.file, (heard, heard))

    def touch(self, heard: float) -> None:
        """A controller was heard. Raises OSError."""
        os.utime(self.file, (heard, heard))
