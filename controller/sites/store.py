"""The embedded store: one SQLite file of named values that outlive the controller."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path


class StoreError(RuntimeError):
    """The store cannot be opened or written."""


class SqliteStore:
    """Named values; a ``put`` is all or nothing."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises StoreError naming the file."""
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("CREATE TABLE IF NOT EXISTS value (name TEXT PRIMARY KEY, data BLOB NOT NULL)")
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"{path}: cannot be used as a store: {error}; give a writable SQLite file"
            ) from error

    def get(self, name: str) -> bytes | None:
        """The value of a name."""
        row = self._db.execute("SELECT data FROM value WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def under(self, prefix: str) -> dict[str, bytes]:
        """All values whose names start with ``prefix``, by name."""
        rows = self._db.execute(
            "SELECT name, data FROM value WHERE substr(name, 1, ?) = ?", (len(prefix), prefix)
        )
        return {name: bytes(data) for name, data in rows}

    def put(self, values: Mapping[str, bytes | None]) -> None:
        """Write values (None: delete) in one transaction. Raises StoreError."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for name, data in values.items():
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
        """Close the file."""
        self._db.close()
