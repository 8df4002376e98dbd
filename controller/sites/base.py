"""What outlives a controller is kept in a store: named values, written in batches that are all or nothing.

A store has three spaces. Its own values are one whole: each batch is one revision of it, and may be guarded by that of
the last one (``Guard.head``), so that of two controllers that write one store the second is refused. ``registers`` is
for small values that several controllers compare and put on their own, such as leases; ``log`` for what happened, which
several controllers append to. No batch of one space touches the revision of another one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

Batch = Mapping[str, bytes | None]
"""Values to write by name; None deletes one. No name holds a NUL."""

LOG_SIZE = 1 << 16
"""Octets of a value of the log, at most."""
ABSENT = 0
"""In place of a revision: there is no such value, or nothing was ever written."""
COMMIT = 5.0
"""Seconds for which a commit may try, unless its caller says otherwise."""
QUEUE = 256
"""Changes that wait for a slow reader of ``watch``; with more of them it starts again from all values."""


class StoreError(RuntimeError):
    """The store cannot be opened, read or written; the message names it and says what would help."""


class OutcomeUnknown(StoreError):
    """A commit was sent and its answer was lost, and so were those to the questions after it.

    It may have been carried out, now or later. A store knows its own batch again when the next commit meets it: one
    with the same ``head`` in its guard is not refused because of it; what it wrote has to be written again. Compares of
    keys, and so registers, are exact: there GuardFailed shows what is there, which may be one's own.
    """


class Stored(NamedTuple):
    """A value, and the revision of the batch that wrote it."""

    data: bytes
    revision: int


@dataclass(frozen=True)
class Loaded:
    """All values of a space at one moment."""

    values: Mapping[str, Stored]
    revision: int
    """Of the last batch; ABSENT: there was none."""

    def data(self) -> dict[str, bytes]:
        """The values alone."""
        return {name: stored.data for name, stored in self.values.items()}


class Reset(Loaded):
    """A watch starts from here: what was known before is void."""


@dataclass(frozen=True)
class Change:
    """One batch."""

    revision: int
    values: Batch
    """What it wrote. Deleting what was not there may be left out."""


@dataclass(frozen=True)
class Guard:
    """What has to hold for a batch to be written: all of it, at that very moment."""

    head: int | None = None
    """The revision of the last batch; ABSENT: nothing was ever written. None: whatever it is."""
    keys: Mapping[str, int] = field(default_factory=dict)
    """Name -> revision of its value; ABSENT: there is none."""


ANY = Guard()


class GuardFailed(RuntimeError):
    """A batch was not written, since its guard does not hold: others were first. No StoreError: trying again is vain.

    What is there instead is in ``head``, ``found`` and ``writer``.
    """

    def __init__(
        self, store: str, guard: Guard, head: int, found: Mapping[str, Stored | None], writer: str = ""
    ) -> None:
        """``found``: what is there of the names that fail; ``writer``: who wrote the last batch, if that is known."""
        self.guard, self.head, self.found, self.writer = guard, head, dict(found), writer
        by = f", written by {writer}" if writer else ""
        why = []
        if guard.head is not None and guard.head != head:
            why.append(f"it is at revision {head}{by}, not at {guard.head}")
        for name, stored in found.items():
            there = f"is at revision {stored.revision}" if stored else "is absent"
            wanted = guard.keys[name]
            why.append(f"{name!r} {there}, {f'not at {wanted}' if wanted else 'and should be absent'}")
        super().__init__(f"{store}: another writer was first: {'; '.join(why)}")


def require(
    store: str, guard: Guard, head: int, look: Callable[[str], Stored | None], writer: str = ""
) -> None:
    """Raise GuardFailed unless a guard holds for a revision and for what ``look`` finds by name."""
    found = {}
    for name, revision in guard.keys.items():
        stored = look(name)
        if (stored.revision if stored else ABSENT) != revision:
            found[name] = stored
    if found or guard.head not in (None, head):
        raise GuardFailed(store, guard, head, found, writer)


def refuse_unguarded(store: str, batch: Batch, guard: Guard) -> None:
    """Raise ValueError for registers that would be put whatever is there, and for a guard by the last batch."""
    loose = sorted(batch.keys() - guard.keys.keys())
    if loose or guard.head is not None:
        what = f"{loose[0]!r} is put without its revision" if loose else "guarded by the revision of all"
        raise ValueError(f"{store}: registers: {what}; give the revision of each name, ABSENT for a new one")


def applied(values: Mapping[str, Stored], batch: Batch, revision: int) -> dict[str, Stored]:
    """Values after a batch."""
    after = dict(values)
    for name, data in batch.items():
        if data is None:
            after.pop(name, None)
        else:
            after[name] = Stored(data, revision)
    return after


class Space(Protocol):
    """Named values with revisions. A batch that was acknowledged survives a loss of power."""

    async def load(self) -> Loaded:
        """All values. Raises StoreError."""
        ...

    async def commit(self, batch: Batch, guard: Guard = ANY, within: float = COMMIT) -> int:
        """Write a batch as a whole; its revision, greater than all before.

        Raises GuardFailed and StoreError: then nothing of it was written; OutcomeUnknown: then perhaps all. ``within``:
        seconds after which it raises StoreError or OutcomeUnknown.
        """
        ...

    def watch(self, since: int | None = None) -> AsyncIterator[Change | Reset]:
        """Batches after revision ``since`` in order, each once; until cancelled.

        A ``Reset`` comes first without ``since``, and wherever the batches in between are no longer known. Raises
        StoreError when the store was out of reach for too long: begin again from the last revision seen.
        """
        ...


class Store(Space, Protocol):
    """One controller's view of what is stored. It is closed by the part that opened it."""

    @property
    def name(self) -> str:
        """What to call the store in messages: a file, or addresses."""
        ...

    @property
    def registers(self) -> Space:
        """Small values of their own, which are put by name and revision: every name of a batch is in its guard."""
        ...

    @property
    def log(self) -> Space:
        """What happened, put by name and revision like registers, and not more than ``LOG_SIZE`` octets a value.

        It may lose what was acknowledged last when the power fails, and never holds up a batch of the other spaces.
        """
        ...
