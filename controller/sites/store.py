"""The embedded store: one SQLite file of named values that outlive the controller, and one controller to a file.

    value(name, data)          the store's own values; the row REVISION counts its batches
    changed(name, revision)    the batch that wrote each of them
    register(name, data), register_changed(name, revision): the same of registers
    log(name, data), log_changed(name, revision): the same of the log

Earlier versions knew ``value`` alone, counted batches in the same row and leave the other tables as they are: a file
of theirs is taken over when it is opened, and one of ours can be given back to them.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from controller.sites.base import (
    ABSENT,
    ANY,
    COMMIT,
    Batch,
    Change,
    Guard,
    Loaded,
    OutcomeUnknown,
    Reset,
    Stored,
    StoreError,
    refuse_unguarded,
    require,
)
from controller.sites.feed import Feed
from controller.sites.lock import lock

BUSY = 5.0
"""Seconds for which a write waits for a reader (``evenkeel status``, ``sqlite3``)."""
PATIENCE = 4 * COMMIT
"""Seconds to open or read a file before it counts as unusable; a write that waits for a reader is not."""
REVISION = "revision"
"""The row of ``value`` that counts batches: no value has this name."""


class SqliteSpace:
    """The values of one table."""

    def __init__(self, db: sqlite3.Connection, writer: ThreadPoolExecutor, path: Path, table: str) -> None:
        """``table``: ``value`` or ``register``."""
        self._db, self._writer, self._path = db, writer, path
        self._values, self._marks = table, "changed" if table == "value" else f"{table}_changed"
        self._feed = Feed(self.load)
        self._late: _Late | None = None
        """A commit whose caller did not wait for its end."""

    async def load(self) -> Loaded:
        """All values. Raises StoreError."""
        return await self._in_thread(self.read)

    def read(self) -> Loaded:
        """The same, at once."""
        try:
            rows = self._db.execute(
                f"SELECT v.name, v.data, c.revision FROM {self._values} v LEFT JOIN {self._marks} c USING (name)"
            ).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: cannot be read: {error}; restore it or remove it") from error
        for name, data, _ in rows:
            if not isinstance(name, str) or not isinstance(data, bytes):
                raise StoreError(
                    f"{self._path}: the stored value {name!r} is no value of ours; "
                    "restore the file, or remove it to begin with nothing remembered"
                )
        head = next((_number(self._path, data) for name, data, _ in rows if name == REVISION), ABSENT)
        values = {name: Stored(data, revision or head) for name, data, revision in rows if name != REVISION}
        return Loaded(values, head)

    async def commit(self, batch: Batch, guard: Guard = ANY, within: float = COMMIT + BUSY) -> int:
        """Write a batch as a whole, in a thread of its own. Raises GuardFailed, StoreError and OutcomeUnknown."""
        if self._late is not None:
            guard = await self._settle(self._late, guard, within)
        batch = dict(batch)
        writing = self._writer.submit(self._put, batch, guard)
        written = asyncio.wrap_future(writing)
        written.add_done_callback(lambda done: self._tell(done, batch))
        try:
            done, _ = await asyncio.wait([written], timeout=within)
        except asyncio.CancelledError:
            self._late = _Late(written, guard.head)
            raise
        if done:
            return written.result()
        if not writing.cancel():
            self._late = _Late(written, guard.head)
            raise OutcomeUnknown(
                f"{self._path}: could not be written within {within:g} s; the disk may be stuck"
            )
        raise StoreError(f"{self._path}: could not be written within {within:g} s; another write is not over")

    def watch(self, since: int | None = None) -> AsyncIterator[Change | Reset]:
        """Batches after a revision, in this process."""
        return self._feed.watch(since)

    async def _settle(self, late: _Late, guard: Guard, within: float) -> Guard:
        """The guard, given that the commit which took so long was this controller's own."""
        done, _ = await asyncio.wait([late.written], timeout=within)
        if not done:
            raise OutcomeUnknown(f"{self._path}: an earlier write is not over after {within:g} s more")
        self._late = None
        if late.written.cancelled():
            return guard
        if late.written.exception() is None and guard.head is not None and guard.head == late.base:
            return replace(guard, head=late.written.result())
        return guard

    def _tell(self, written: asyncio.Future[int], batch: Batch) -> None:
        if not written.cancelled() and written.exception() is None:
            self._feed.tell(Change(written.result(), batch))

    async def _in_thread(self, work: Callable[[], Loaded]) -> Loaded:
        """Behind all batches that were handed in before."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.get_running_loop().run_in_executor(self._writer, work)
        except TimeoutError as error:
            raise StoreError(f"{self._path}: cannot be read within {PATIENCE:g} s") from error

    def _put(self, batch: Batch, guard: Guard) -> int:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            head = self._head()
            require(str(self._path), guard, head, self._look)
            self._write(batch, head + 1)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: cannot be written: {error}") from error
        finally:
            if self._db.in_transaction:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
        return head + 1

    def _write(self, batch: Batch, revision: int) -> None:
        for name, data in batch.items():
            if name == REVISION or "\0" in name:
                raise StoreError(f"{self._path}: a value cannot be called {name!r}")
            self._db.execute(f"DELETE FROM {self._values} WHERE name = ?", (name,))
            self._db.execute(f"DELETE FROM {self._marks} WHERE name = ?", (name,))
            if data is not None:
                self._db.execute(f"INSERT INTO {self._values} VALUES (?, ?)", (name, data))
                self._db.execute(f"INSERT INTO {self._marks} VALUES (?, ?)", (name, revision))
        self._db.execute(
            f"INSERT OR REPLACE INTO {self._values} VALUES (?, ?)", (REVISION, str(revision).encode())
        )

    def _head(self) -> int:
        row = self._db.execute(f"SELECT data FROM {self._values} WHERE name = ?", (REVISION,)).fetchone()
        return _number(self._path, row[0]) if row else ABSENT

    def _look(self, name: str) -> Stored | None:
        row = self._db.execute(
            f"SELECT v.data, c.revision FROM {self._values} v LEFT JOIN {self._marks} c USING (name)"
            " WHERE v.name = ?",
            (name,),
        ).fetchone()
        return Stored(row[0], row[1] or self._head()) if row else None

    def prepare(self) -> None:
        """Make what is missing; values of an earlier version get the revision that it had counted to."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute(
            f"CREATE TABLE IF NOT EXISTS {self._values} (name TEXT PRIMARY KEY, data BLOB NOT NULL)"
        )
        self._db.execute(
            f"CREATE TABLE IF NOT EXISTS {self._marks} (name TEXT PRIMARY KEY, revision INTEGER NOT NULL)"
        )
        found = self._db.execute(f"SELECT count(*) FROM {self._values}").fetchone()[0]
        if found and not self._head():
            self._write({}, 1)
        self._db.execute(
            f"INSERT OR IGNORE INTO {self._marks} SELECT name, ? FROM {self._values} WHERE name != ?",
            (self._head(), REVISION),
        )
        self._db.execute("COMMIT")


class _Late:
    def __init__(self, written: asyncio.Future[int], base: int | None) -> None:
        self.written, self.base = written, base


class _Registers(SqliteSpace):
    async def commit(self, batch: Batch, guard: Guard = ANY, within: float = COMMIT + BUSY) -> int:
        """As the other, and each name by its revision. Raises ValueError for others."""
        refuse_unguarded(str(self._path), batch, guard)
        return await super().commit(batch, guard, within)


class SqliteStore(SqliteSpace):
    """Named values; ``synchronous=FULL``: a batch that was acknowledged survives a loss of power.

    The log has a connection and a thread of its own, and waits for no flush: a batch of values waits for none of its
    own, but for the moment in which it is written.
    """

    def __init__(self, path: Path) -> None:
        """Open or create. Raises StoreError naming the file: unusable, damaged, empty, or another controller's."""
        self.name = str(path)
        writer = ThreadPoolExecutor(1, thread_name_prefix="store")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = lock(path)
            try:
                db = _open(path)
                super().__init__(db, writer, path, "value")
                self.registers = _Registers(db, writer, path, "register")
                self._logger = ThreadPoolExecutor(1, thread_name_prefix="log")
                self._log_db = _connected(path, "NORMAL")
                self.log = _Registers(self._log_db, self._logger, path, "log")
                self._prepare_all(db)
            except BaseException:
                os.close(self._lock)  # this process may try again, with a file that was repaired
                raise
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"{path}: cannot be used as a store: {error}; give a writable SQLite file"
            ) from error

    def _prepare_all(self, db: sqlite3.Connection) -> None:
        try:
            self.prepare()
            self.registers.prepare()
            self.log.prepare()
        except BaseException:
            db.close()
            self._log_db.close()
            raise

    def close(self) -> None:
        """Close the file and let another controller have it."""
        self._writer.shutdown()
        self._logger.shutdown()
        self._log_db.close()
        self._db.close()
        os.close(self._lock)


def _open(path: Path) -> sqlite3.Connection:
    if path.exists() and not path.stat().st_size:
        raise StoreError(f"{path}: is empty, so what it held is lost; remove the file to begin with nothing")
    db = _connected(path, "FULL")
    try:
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise StoreError(f"{path}: is damaged: {verdict}; restore it, or remove it to begin with nothing")
    except BaseException:
        db.close()
        raise
    return db


def _connected(path: Path, synchronous: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={synchronous}")
    except BaseException:
        db.close()
        raise
    return db


def read_log(path: Path) -> Loaded:
    """The log of a file, whether a controller uses it or not. Raises StoreError."""
    return _read_beside(path, "log")


def read_values(path: Path) -> Loaded:
    """The values of a file, whether a controller uses it or not. Raises StoreError."""
    return _read_beside(path, "value")


def _read_beside(path: Path, table: str) -> Loaded:
    try:
        if not path.stat().st_size:
            raise StoreError(f"{path}: is empty, so what it held is lost")
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", timeout=BUSY, uri=True)
    except (OSError, sqlite3.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise StoreError(f"{path}: {why}; give the --state of a controller, or its --store") from error
    with closing(db), ThreadPoolExecutor(1) as writer:
        try:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                return Loaded({}, ABSENT)
        except sqlite3.Error as error:
            raise StoreError(f"{path}: cannot be read: {error}; give the --state of a controller") from error
        return SqliteSpace(db, writer, path, table).read()


def _number(path: Path, data: object) -> int:
    try:
        assert isinstance(data, bytes)
        return int(data)
    except (AssertionError, ValueError) as error:
        raise StoreError(
            f"{path}: the stored value {REVISION!r} is damaged ({data!r}); restore the file, or remove it to begin "
            "with nothing remembered"
        ) from error
