"""One controller to a file: the lock beside it, which says who holds it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from controller.sites.base import StoreError


def lock(path: Path) -> int:
    """Hold the file beside ``path`` that says who uses it; a descriptor, to be closed in the end.

    Beside the file itself, as SQLite's own: one that opens it by another name meets the same lock. Raises StoreError
    naming the process that holds it, and OSError.
    """
    real = path.resolve()
    beside = real.with_name(real.name + ".lock")
    held = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(held, 32).decode(errors="replace").strip() or "unknown"
        os.close(held)
        raise StoreError(
            f"{path}: is in use by another controller (process {holder}); stop it, or give this one a file of its own"
        ) from None
    os.ftruncate(held, 0)
    os.pwrite(held, f"{os.getpid()}\n".encode(), 0)
    return held
