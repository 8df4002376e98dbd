"""What a controller knows of one MAC group's lease, what is stored of it, and what its rules ask to have done.

    watch, answers ─► observed ─┐                 ┌─► Put      compare-and-put in the store
    peers ─► asked, promised ───┼─► View, rules ──┼─► Speak    the switches may answer until a deadline
    switches ─► silenced ───────┤                 ├─► Silence  ... must not answer, and confirm it
    timer ─► poll(now, wish) ───┘                 ├─► Announce from the new owner's switches
                                                  ├─► Ask, Reply   to and from other controllers
                                                  └─► Note     why, for the timeline

A rule is a function of a view, the times, ``now`` on the controller's own clock, and what was observed; it returns
the next view and actions in the order in which to take them. It does no I/O and has no clock.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from controller.sites.causes import Note

NEVER = float("-inf")


class Record(NamedTuple):
    """What the key of a group holds: one value, replaced by compare-and-put on its revision."""

    site: str
    """The owner; of a released group the last one; empty: the key was missing, and its owner is not known."""
    holder: str
    """Name of the controller that wrote it."""
    life: str
    """Of that controller's process: another one after each start."""
    epoch: int
    """Grows with each change of owner."""
    seq: int
    """Number of the put within that life: no two puts of one life are alike."""
    authority: float
    """Seconds that its writer counts from when it sent it; who waits for its end waits by this."""
    heirs: tuple[str, ...]
    """Names of the other controllers that may put the next record. Each must promise to wait before the holder may go
    on without the store."""
    released: bool = False
    """No site answers: an heir may claim at once."""
    to: str = ""
    """Of a released group: the site that should claim it first."""

    def encode(self) -> bytes:
        """As it is stored."""
        made = {**self._asdict(), "authority": float(self.authority)}
        return json.dumps(made, separators=(",", ":")).encode()

    @staticmethod
    def decode(key: str, data: bytes) -> Record:
        """The record that is stored under ``key``. Raises ValueError naming it: then nothing is known of the owner."""
        try:
            found = json.loads(data)
            record = Record(**{**found, "heirs": tuple(found["heirs"])})
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ValueError(f"{key}: is no lease of ours: {error}; {_REMEDY}") from error
        for name, kind in _KINDS.items():
            value = getattr(record, name)
            if type(value) is not kind:
                raise ValueError(f"{key}: is no lease of ours: {name} is {value!r}; {_REMEDY}")
        if not all(isinstance(heir, str) for heir in record.heirs):
            raise ValueError(f"{key}: is no lease of ours: heirs are {record.heirs!r}; {_REMEDY}")
        if not 0 < record.authority < float("inf"):
            raise ValueError(f"{key}: is no lease of ours: authority is {record.authority!r}; {_REMEDY}")
        return record


_KINDS: dict[str, type] = {
    **dict.fromkeys(("site", "holder", "life", "to"), str),
    **dict.fromkeys(("epoch", "seq"), int),
    "authority": float,
    "released": bool,
}
_REMEDY = "delete the key, and the group is claimed again once its owner's authority has surely ended"


class Me(NamedTuple):
    """One life of one controller. Two processes of one name must never run side by side."""

    site: str
    name: str
    life: str


class Seen(NamedTuple):
    """The newest state of the key that is known."""

    revision: int
    """Its ``mod_revision``; of a missing key the store's revision at the time."""
    record: Record | None
    """None: there is no such key."""
    stamp: float
    """When it arrived, by the own clock."""


class Attempt(NamedTuple):
    """A put that may be applied, or may have been."""

    sent: float
    """Read from the own clock before it was sent."""
    record: Record
    why: Note | None = None
    """Of a claim: what to say when it stands."""


class Asked(NamedTuple):
    """A question to other controllers that is open."""

    number: int
    sent: float
    missing: frozenset[str]
    """Those that have not promised yet."""


class Leaving(NamedTuple):
    """A release that has begun."""

    to: str
    number: int
    """Of the silence that has to be confirmed."""
    silent: bool = False


class View(NamedTuple):
    """What one controller knows of one group. Nothing of it is stored: a life begins by reading the key."""

    me: Me
    seen: Seen | None = None
    attempts: tuple[Attempt, ...] = ()
    """Puts that compare with what is seen, and have no answer yet."""
    old_heirs: frozenset[str] = frozenset()
    """Heirs that such puts named whose own time is over; they may still be applied."""
    open: bool = False
    """There are such puts, of any age."""
    until: float = NEVER
    """When authority ends."""
    spoken: float = NEVER
    """The latest deadline that the switches were given."""
    speaking: bool = False
    """They were given one, no Silence followed, and it has not passed."""
    tried: float = NEVER
    """When a put was sent last."""
    promised: float = NEVER
    """Until when this controller may not claim."""
    others: float = NEVER
    """Until when another controller of this site may have authority."""
    asked: Asked | None = None
    by_promise: bool = False
    """Authority goes on by promises: said once."""
    refused: bool = False
    """One was refused: said once."""
    leaving: Leaving | None = None
    forced: float | None = None
    """From when on an operator's confirmation is taken for authority."""
    epoch: int = 0
    """The highest that was seen."""
    seq: int = 0
    """Of the last put."""
    number: int = 0
    """Of the last question or silence."""

    @property
    def record(self) -> Record | None:
        """The newest that is known."""
        return None if self.seen is None else self.seen.record

    @property
    def holds(self) -> bool:
        """The newest record is of this life, and not released."""
        record = self.record
        return record is not None and record.life == self.me.life and not record.released


class Put(NamedTuple):
    """Write the record if the key's ``mod_revision`` is ``compare``; 0: if there is no such key.

    The answer, or what a later read finds, goes to ``observed``. An error or no answer means that the outcome is not
    known, which needs no call at all.
    """

    compare: int
    record: Record


class Speak(NamedTuple):
    """All responders of the site may answer until ``deadline``, and not for longer than ``fence`` after it.

    The deadline is one moment of the controller's clock: a switch that hears of it late gets less, not the same.
    """

    deadline: float
    epoch: int


class Silence(NamedTuple):
    """No responder of the site that listens to this controller may answer. ``silenced`` takes the number when that is
    so, and nothing that was sent before can change it."""

    number: int


class Announce(NamedTuple):
    """Gratuitous ARP and unsolicited NA, at once and repeated."""

    epoch: int


class Ask(NamedTuple):
    """To all of ``to``: promise not to claim. The answer goes to ``promised``."""

    number: int
    to: tuple[str, ...]
    seen: Seen
    """What the one that asks knows; the stamp is its own clock's and means nothing elsewhere."""


class Reply(NamedTuple):
    """The answer of one controller to an Ask."""

    life: str
    """Of the one that asked."""
    number: int
    name: str
    promised: bool
    seen: Seen | None
    """What that controller knows."""


Action = Put | Speak | Silence | Announce | Ask | Reply | Note
Step = tuple[View, tuple[Action, ...]]
