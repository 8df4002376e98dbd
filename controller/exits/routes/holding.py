"""From what should be announced to what is: asks routers to send elsewhere before it withdraws on purpose, keeps back
what comes and goes. Pure: takes ``now``.

    not met, on purpose ─► leaving (graceful) ─► withdrawn
    not met, a loss     ─► withdrawn at once; too often ─► kept back (dampening)
    met                 ─► announced, unless kept back
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from controller.exits.routes.rules import Attributes, Name, Slot, Wish
from controller.sites.causes import Cause
from controller.spec.routes import Dampening, Routes

_CAUSES = {
    Name.OWNER: Cause.MOVED,
    Name.SITE: Cause.UNFIT,
    Name.LB: Cause.SWITCHES,
    Name.SERVICE: Cause.DRAINED,
}


class Phase(StrEnum):
    """How a VIP stands at a speaker."""

    OUT = "withdrawn"
    IN = "announced"
    LEAVING = "leaving"
    """Announced as a last resort, to be withdrawn soon."""
    HELD = "kept back"
    """It could be announced, and has come and gone too often."""


@dataclass(frozen=True)
class Held:
    """One VIP at one speaker."""

    wish: Wish
    phase: Phase = Phase.OUT
    until: float = 0.0
    """End of ``LEAVING`` and ``HELD``."""
    losses: tuple[float, ...] = ()
    """When it was withdrawn on loss, of late."""

    @property
    def announced(self) -> bool:
        """Routers are told of it."""
        return self.phase in (Phase.IN, Phase.LEAVING)


@dataclass(frozen=True)
class Announcement:
    """What a speaker is to announce."""

    prefix: str
    attributes: Attributes
    leaving: bool
    """Routers are to prefer any other way."""


@dataclass(frozen=True)
class Said:
    """What is to be said of a step."""

    event: str
    """Its name in the journal."""
    cause: Cause
    slot: Slot
    prefix: str
    attributes: Attributes
    why: str
    seconds: float = 0.0
    """Until it is withdrawn, or announced again."""
    flaps: int = 0


class Holding:
    """Remembers how each VIP stands at each speaker."""

    def __init__(self) -> None:
        self._held: dict[Slot, Held] = {}

    @property
    def held(self) -> Mapping[Slot, Held]:
        """As of the last step."""
        return self._held

    def announcements(self, speaker: str) -> dict[str, Announcement]:
        """What a speaker is to announce, by VIP."""
        return {
            slot.vip: Announcement(one.wish.prefix, one.wish.attributes, one.phase is Phase.LEAVING)
            for slot, one in self._held.items()
            if slot.speaker == speaker and one.announced
        }

    def deadline(self) -> float | None:
        """When time alone changes something."""
        waiting = (one.until for one in self._held.values() if one.phase in (Phase.LEAVING, Phase.HELD))
        return min(waiting, default=None)

    def step(self, wanted: Mapping[Slot, Wish], routes: Routes, now: float) -> list[Said]:
        """Follow what should be announced; what has changed by that."""
        before, said = self._held, list[Said]()
        self._held = {}
        for slot, wish in wanted.items():
            old = before.get(slot, Held(wish))
            new = _followed(old, wish, routes, now)
            self._held[slot] = new
            said += _told(slot, old, new, routes.dampening, now)
        for slot in before.keys() - wanted.keys():
            if before[slot].announced:
                why = "the intent does not name it here"
                said.append(_said("route_withdrawn", Cause.INTENT, slot, before[slot].wish, why))
        return said


def _followed(old: Held, wish: Wish, routes: Routes, now: float) -> Held:
    """One VIP at one speaker a moment later."""
    one = replace(old, wish=wish)
    if wish.met:
        if old.phase is Phase.HELD or (old.phase is Phase.OUT and now < old.until):
            return replace(one, phase=Phase.HELD) if now < old.until else replace(one, phase=Phase.IN)
        return replace(one, phase=Phase.IN, until=0.0)
    if not old.announced:
        return replace(one, phase=Phase.OUT)
    if wish.on_purpose and routes.graceful:
        until = old.until if old.phase is Phase.LEAVING else now + routes.graceful
        return replace(
            one, phase=Phase.LEAVING if now < until else Phase.OUT, until=until if now < until else 0.0
        )
    if wish.on_purpose:
        return replace(one, phase=Phase.OUT)
    of = routes.dampening
    losses = (*(at for at in old.losses if now - at < of.window), now)
    held = len(losses) >= of.flaps
    return replace(one, phase=Phase.OUT, losses=losses, until=now + of.hold if held else 0.0)


def _told(slot: Slot, old: Held, new: Held, of: Dampening, now: float) -> Iterator[Said]:
    wish, why = new.wish, new.wish.why
    changed = old.announced and old.wish.attributes != wish.attributes
    if new.phase is Phase.IN and (old.phase is not Phase.IN or changed):
        cause = Cause.INTENT if changed else Cause.TIME if old.phase is Phase.HELD else _cause(old.wish)
        yield _said("route_announced", cause, slot, wish, why)
    elif new.phase is Phase.LEAVING and old.phase is not Phase.LEAVING:
        said = _said("route_leaves", _cause(wish), slot, wish, why)
        yield replace(said, seconds=round(new.until - now, 3))
    elif new.phase is Phase.OUT and old.announced:
        yield _said("route_withdrawn", _cause(wish), slot, wish, why)
        if new.until > now:
            said = _said("route_dampened", Cause.SWITCHES, slot, wish, why)
            yield replace(said, seconds=of.hold, flaps=len(new.losses))


def _said(event: str, cause: Cause, slot: Slot, wish: Wish, why: str) -> Said:
    return Said(event, cause, slot, wish.prefix, wish.attributes, why)


def _cause(of: Wish) -> Cause:
    lacks = [each.name for each in of.conditions if not each.met]
    order = (Name.LB, Name.SITE, Name.SERVICE, Name.OWNER)
    return next((_CAUSES[name] for name in order if name in lacks), Cause.PLAN)


class Spacing:
    """Changes of one thing are apart by so many seconds at least; the last one counts.

    OSPF routers take no two instances of an LSA within a second (RFC 2328, MinLSArrival): the second one is lost, and
    comes again only after the sender's retransmission interval of 5 s.
    """

    def __init__(self, apart: float) -> None:
        self._apart = apart
        self._now: dict[str, int] = {}
        self._changed: dict[str, float] = {}

    def step(self, wanted: Mapping[str, int], now: float) -> tuple[dict[str, int], float | None]:
        """What may be said now, and when to ask again; None: all is said."""
        waits: list[float] = []
        for key in sorted(self._now.keys() | wanted.keys()):
            if self._now.get(key) == wanted.get(key):
                continue
            free = self._changed.get(key, float("-inf")) + self._apart
            if now < free:
                waits.append(free)
                continue
            self._changed[key] = now
            if key in wanted:
                self._now[key] = wanted[key]
            else:
                del self._now[key]
        self._changed = {k: at for k, at in self._changed.items() if k in self._now or now < at + self._apart}
        return dict(self._now), min(waits, default=None)
