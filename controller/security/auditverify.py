"""Whether an audit log is as it was written, over all files that it is in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from controller.security.auditfile import renamed
from controller.security.auditrecord import LONGEST, NO_HASH, Broken, Record, follows, read
from controller.security.errors import AuditError


@dataclass(frozen=True)
class Verified:
    """A chain without a break."""

    files: int
    first: int
    """Number of the first record; above 0 if earlier files are gone."""
    last: Record


class Break(AuditError):
    """The first line that is not as it was written; the text names file and line."""


def verify(path: Path, holds: str | None = None) -> Verified:
    """Check every record of the log that is in ``path`` now, and in the files that it was in before.

    ``holds``: a hash that was noted earlier, which the chain has to go through: this tells a log that was made again as
    a whole, or cut off at its end. Raises Break, and AuditError when a file cannot be read.
    """
    files = [*renamed(path), path]
    before: Record | None = None
    first, found = 0, holds is None
    for file in files:
        for number, text in _lines(file):
            try:
                record = read(text)
                if before is not None:
                    follows(before, record)
                elif (record.seq == 0) != (record.prev == NO_HASH):
                    raise Broken("does not begin the log as the first record does")
            except Broken as broken:
                raise Break(f"{file}:{number}: this line {broken}") from None
            first = record.seq if before is None else first
            before = record
            found = found or record.hash == holds
    if before is None:
        raise Break(f"{path}:1: holds no record")
    if not found:
        raise Break(
            f"{path}: no record has the hash {holds}: the log was cut off, or made again after that was noted"
        )
    return Verified(len(files), first, before)


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with file.open("rb") as stream:
            number = 0
            while text := stream.readline(LONGEST + 1):
                number += 1
                if not text.endswith(b"\n"):
                    longer = len(text) > LONGEST
                    why = f"is longer than {LONGEST} octets" if longer else "is cut off: it has no end"
                    raise Break(f"{file}:{number}: this line {why}")
                yield number, text[:-1]
    except OSError as error:
        raise AuditError(f"{file}: {error.strerror}; name the file that the controller writes") from error
