"""The embedded store: one SQLite file of named values that outlive the controller, and one controller to a file."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from controller.sites.base import Batch, StoreError

BUSY = 5.0
"""Seconds for which a write waits for a reader (``evenkeel status``, ``sqlite3``)."""


class SqliteStore:
    """Named values; ``synchronous=FULL``: a batch that was acknowledged survives a loss of power."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises StoreError naming the file: unusable, damaged, empty, or another controller's."""
        self._path = path
        self.name = str(path)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(path)
            try:
                self._db = _open(path)
            except BaseException:
                os.close(self._lock)  # this process may try again, with a file that was repaired
                raise
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"{path}: cannot be used as a store: {error}; give a writable SQLite file"
            ) from error

    def load(self) -> Mapping[str, bytes]:
        """All values, by name. Raises StoreError."""
        try:
            rows = self._db.execute("SELECT name, data FROM value").fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: cannot be read: {error}; restore it or remove it") from error
        for name, data in rows:
            if not isinstance(name, str) or not isinstance(data, bytes):
                raise StoreError(
                    f"{self._path}: the stored value {name!r} is no value of ours; "
                    "restore the file, or remove it to begin with nothing remembered"
                )
        return dict(rows)

    async def commit(self, batch: Batch) -> None:
        """Write a batch as a whole, in a thread of its own. Raises StoreError."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self.put, dict(batch))

    def put(self, batch: Batch) -> None:
        """The same, at once. Raises StoreError."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for name, data in batch.items():
                if data is None:
                    self._db.execute("DELETE FROM value WHERE name = ?", (name,))
                else:
                    self._db.execute("INSERT OR REPLACE INTO value VALUES (?, ?)", (name, data))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise StoreError(f"{self._path}: cannot be written: {error}") from error

    def close(self) -> None:
        """Close the file and let another controller have it."""
        self._writer.shutdown()
        self._db.close()
        os.close(self._lock)


def _open(path: Path) -> sqlite3.Connection:
    if path.exists() and not path.stat().st_size:
        raise StoreError(f"{path}: is empty, so what it held is lost; remove the file to begin with nothing")
    db = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise StoreError(f"{path}: is damaged: {verdict}; restore it, or remove it to begin with nothing")
        db.execute("CREATE TABLE IF NOT EXISTS value (name TEXT PRIMARY KEY, data BLOB NOT NULL)")
    except BaseException:
        db.close()
        raise
    return db


def _lock(path: Path) -> int:
    """Hold the file beside the store that says who uses it. Raises StoreError naming the process that does.

    Beside the file itself, as SQLite's own: one that opens it by another name meets the same lock.
    """
    real = path.resolve()
    beside = real.with_name(real.name + ".lock")
    lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise StoreError(
            f"{path}: is in use by another controller (process {holder}); stop it, or give this one a file of its own"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock
