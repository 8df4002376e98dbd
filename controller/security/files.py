"""Files that are there whole or not at all, and that their owner alone reads where they hold a secret."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

SECRET, PUBLIC = 0o600, 0o644
"""Modes of files."""


def create(path: Path, data: bytes, mode: int) -> None:
    """A new file, durable when this returns. Raises FileExistsError, and leaves what is there alone; OSError."""
    fresh = _written(path, data, mode)
    try:
        os.link(fresh, path)
    finally:
        fresh.unlink()
    _sync(path.parent)


def replace(path: Path, data: bytes, mode: int) -> None:
    """A file in place of another one, durable when this returns; readers see the old or the new one. Raises OSError."""
    fresh = _written(path, data, mode)
    try:
        os.replace(fresh, path)
    except OSError:
        fresh.unlink()
        raise
    _sync(path.parent)


def too_open(path: Path) -> str | None:
    """What is wrong with the mode of a file that holds a secret, and what to do; None: nothing. Raises OSError."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"{path}: others can read or write it (mode {mode:04o}); chmod 600 {path}"
    return None


def _written(path: Path, data: bytes, mode: int) -> Path:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise
    return fresh


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
