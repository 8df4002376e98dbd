"""The file that an audit log is in, where its chain stands, and the room that is set aside for it."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from controller.clock import Clock
from controller.security.auditrecord import LONGEST, LONGEST_END, NO_HASH, Broken, Record, Step, line, read
from controller.security.errors import AuditError
from controller.security.files import SECRET

Records = list[tuple[Step, Mapping[str, object]]]
_DIGITS = 12
_AHEAD = 64 * 1024
"""Octets that are set aside beyond what is needed, so that few records have to ask for more."""
_KEEP_SIZE = 1
"""FALLOC_FL_KEEP_SIZE."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class AuditFile:
    """The file, and where its chain stands. Used by one thread at a time."""

    def __init__(self, path: Path, clock: Clock, limit: int, keep: int) -> None:
        self.path = path
        self._clock, self._limit, self._keep = clock, limit, keep
        self._descriptor = -1
        self._size = self._room = 0
        self._first = self._seq = 0
        """Number of the first record of this file, and of the next one."""
        self._prev = NO_HASH
        self._open_changes = 0
        """Changes whose end is not recorded yet."""

    def open(self) -> None:
        """Take the file up where it ends. Raises AuditError."""
        try:
            self._open()
        except OSError as error:
            self.close()
            raise self._failed(error, "cannot be opened") from error

    def close(self) -> None:
        """Let another process have it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def append(self, records: Records, ends: bool) -> list[int]:
        """Write records and wait for the disk; their numbers. Raises AuditError, and none of them is there.

        ``ends``: they end changes, for which there is room.
        """
        if self._descriptor < 0:
            self.open()
        try:
            if not ends and self._size >= self._limit:
                self._rotate()
            return self._append(records, reserve=not ends)
        except OSError as error:
            raise self._failed(error, "cannot be written") from error

    def _open(self) -> None:
        self._take(self.path, 0)
        self._size = os.fstat(self._descriptor).st_size
        whole = self._whole()
        dropped = self._size - whole
        if dropped:
            os.ftruncate(self._descriptor, whole)
            self._size = whole
        if self._size == 0:
            self._begin()
            return
        self._first = self._read_line(0).seq
        last = self._last()
        self._seq, self._prev = last.seq + 1, last.hash
        if dropped:
            self._append([(Step.RECOVERED, {"dropped": dropped})])

    def _take(self, path: Path, more: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | more
        self._descriptor = os.open(path, flags, SECRET)
        self._size = self._room = 0
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise AuditError(f"audit log {path}: another process writes it; give each its own") from None

    def _begin(self) -> None:
        """The first record of all, or of a file after those that were renamed."""
        fields: dict[str, object] = {}
        former = renamed(self.path)
        if former:
            record = _last_of(former[-1])
            self._seq, self._prev = record.seq + 1, record.hash
            fields = {"after": former[-1].name}
        self._first = self._seq
        self._append([(Step.BEGUN, fields)])
        self._sync_folder()

    def _rotate(self) -> None:
        """Go on in a new file. It is whole before it takes the place of the old one, which stays if it cannot be."""
        former = self.path.with_name(f"{self.path.name}.{self._first:0{_DIGITS}}")
        fresh = AuditFile(self.path.with_name(f"{self.path.name}.new"), self._clock, self._limit, self._keep)
        fresh._seq = fresh._first = self._seq
        fresh._prev, fresh._open_changes = self._prev, self._open_changes
        try:
            fresh._take(fresh.path, os.O_TRUNC)
            fresh._append([(Step.BEGUN, {"after": former.name})])
        except OSError:
            fresh.close()
            raise
        os.rename(self.path, former)
        os.rename(fresh.path, self.path)
        self._sync_folder()
        self.close()
        self._descriptor, self._size, self._room = fresh._descriptor, fresh._size, fresh._room
        self._seq, self._prev, self._first = fresh._seq, fresh._prev, fresh._first
        for old in renamed(self.path)[: -self._keep]:
            old.unlink()

    def _append(self, records: Records, reserve: bool = True) -> list[int]:
        seq, prev, lines, at = self._seq, self._prev, bytearray(), self._clock.wall()
        changes = self._open_changes
        for step, fields in records:
            text, prev = line(seq, at, step, prev, fields)
            lines += text
            seq += 1
            changes = max(changes + (step is Step.ASKED) - (step is Step.DONE), 0)
        if reserve:
            self._reserve(len(lines) + changes * LONGEST_END)
        self._put(bytes(lines))
        numbers = list(range(self._seq, seq))
        self._seq, self._prev, self._size = seq, prev, self._size + len(lines)
        self._open_changes = changes
        return numbers

    def _put(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]
        os.fdatasync(self._descriptor)

    def _reserve(self, octets: int) -> None:
        """Have so much room behind what is written. Where the filesystem cannot promise that, nothing is promised."""
        if self._size + octets <= self._room:
            return
        for more in (_AHEAD, 0):
            problem = allocate(self._descriptor, self._size, octets + more)
            if problem == 0:
                self._room = self._size + octets + more
                return
        if problem not in (errno.EOPNOTSUPP, errno.ENOSYS):
            raise OSError(problem, os.strerror(problem))

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _failed(self, error: OSError, what: str) -> AuditError:
        """What was written is taken back. The room that was set aside stays where nothing was written."""
        with suppress(OSError):
            if os.fstat(self._descriptor).st_size != self._size:
                self._room = 0
                os.ftruncate(self._descriptor, self._size)
        if error.errno not in _NO_ROOM:
            self.close()
        right = "free some space" if error.errno in _NO_ROOM else "make it writable, or name another file"
        return AuditError(
            f"audit log {self.path}: {what}: {error.strerror}; {right}. Changes are refused until it can be"
        )

    def _whole(self) -> int:
        """Octets up to the end of the last whole line."""
        start = max(self._size - LONGEST, 0)
        found = os.pread(self._descriptor, self._size - start, start).rfind(b"\n")
        if found < 0 and start:
            raise AuditError(f"audit log {self.path}: its end is no record; {_VERIFY} {self.path}")
        return start + found + 1

    def _last(self) -> Record:
        return _last_in(self._descriptor, self._size, self.path)

    def _read_line(self, start: int) -> Record:
        return _checked(os.pread(self._descriptor, LONGEST, start).partition(b"\n")[0], self.path, "first")


def _last_of(path: Path) -> Record:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _last_in(descriptor, os.fstat(descriptor).st_size, path)
    finally:
        os.close(descriptor)


def _last_in(descriptor: int, size: int, path: Path) -> Record:
    start = max(size - LONGEST - 1, 0)
    tail = os.pread(descriptor, size - start, start)[:-1]
    return _checked(tail[tail.rfind(b"\n") + 1 :], path, "last")


def _checked(text: bytes, path: Path, which: str) -> Record:
    try:
        return read(text)
    except Broken as broken:
        raise AuditError(f"audit log {path}: its {which} line {broken}; {_VERIFY} {path}") from None


_VERIFY = "move it away for somebody to look at, or see evenkeel audit verify"


def renamed(path: Path) -> list[Path]:
    """Files that the log was in before, the oldest first."""
    found = (each for each in path.parent.glob(f"{path.name}.*") if each.name[len(path.name) + 1 :].isdigit())
    return sorted(found, key=lambda each: int(each.name[len(path.name) + 1 :]))


def _libc() -> Callable[[int, int, int, int], int]:
    libc = ctypes.CDLL(None, use_errno=True)
    call = libc.fallocate
    call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]

    def fallocate(descriptor: int, mode: int, start: int, octets: int) -> int:
        return 0 if call(descriptor, mode, start, octets) == 0 else ctypes.get_errno()

    return fallocate


_fallocate = _libc()


def allocate(descriptor: int, start: int, octets: int) -> int:
    """Set room aside without making the file longer; 0 or an error number. Python's own makes it longer."""
    return _fallocate(descriptor, _KEEP_SIZE, start, octets)
