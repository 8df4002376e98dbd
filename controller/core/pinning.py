"""Pins: what switches report of connections becomes entries on all lb switches. Owns the book of pins.

Pins are kept by switches, not by the store: a controller that restarts takes them over from the switches that it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from controller.core.cells import Readable
from controller.plan.credible import Credible, credible, may_be
from controller.plan.duty import PlanInput, kept_backends, memory_times
from controller.plan.ids import Space
from controller.plan.pins import LIMIT, PinBook, PinKey
from controller.plan.young import Young
from controller.southbound.driver import FoundPin
from controller.spec.types import Protocol


class Pinning:
    """Every change of a pin wakes the switches' tasks, at once or ``soon``."""

    def __init__(
        self, book: PinBook, committed: Readable[PlanInput | None], wake: Callable[[], None]
    ) -> None:
        self._book = book
        self._committed = committed
        self._wake = wake
        self._young = Young()
        self._adopted: set[str] = set()
        """Switches whose pins were taken over since we started."""
        self._kept: Mapping[int, frozenset[int]] = {}
        self._credible: tuple[PlanInput | None, Mapping[int, Credible]] = None, {}
        """Of which world, and what may be said there."""
        self.incredible = 0
        """Reports of connections that cannot be."""
        self._idle: Mapping[int, float] = {}
        """Seconds without a packet after which a pin ends, by listener."""
        self.heard_since: Callable[[], Mapping[str, float]] = dict
        """Since when each lb switch is heard without a gap, seconds of the clock; set by the one who assembles."""
        self.soon: Callable[[], None] = wake
        """Wakes them for pins that can wait a moment for others; set by the one who assembles."""
        committed.subscribe(self._follow)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._book.pins)

    @property
    def version(self) -> int:
        """Of the book; grows with each change."""
        return self._book.version

    @property
    def refused(self) -> int:
        """Connections that found the book full: at risk."""
        return self._book.refused

    def backend(self, key: PinKey) -> int | None:
        """Whom a connection is pinned to."""
        pin = self._book.pins.get(key)
        return None if pin is None else pin.backend

    def unsynced(self, version: int | None) -> int:
        """Pins newer than a version of the book; None: no switch holds any."""
        return len(self._book.pins) if version is None else self._book.newer_than(version)

    # -- what switches report ---------------------------------------------------------------------------------

    def exception(self, switch: str, key: PinKey, protocol: Protocol, backend: int) -> None:
        """A switch saw a connection whose slot names another backend, or that it has no room to remember."""
        if not self._believes(key, backend):
            self.incredible += 1
            return
        self._changed(self._book.report(switch, key, protocol, backend))

    def found(self, switch: str, key: PinKey, protocol: Protocol, backend: int) -> None:
        """A switch saw a connection that it did not see open, on a tracked slot, and gave it to the slot's base.

        Where it was opened another switch may know better: a pin that is there stays as it is.
        """
        pin = self._book.pins.get(key)
        if pin is None or pin.backend == backend:
            self.exception(switch, key, protocol, backend)

    def young(self, switch: str, key: PinKey, protocol: Protocol, backend: int, now: float) -> None:
        """A switch saw a connection that is where its moving slot will be, and not where it was."""
        if not self._believes(key, backend):
            self.incredible += 1
            return
        if len(self._book.pins) >= LIMIT // 2 or not self._young.wants_pin(key, now):
            return
        if self._book.report(switch, key, protocol, backend):
            self.soon()

    def seen(self, switch: str, number: int) -> None:
        """A switch that is not the reporter sees the connection."""
        self._changed(self._book.seen(switch, number))

    def seen_by_key(self, switch: str, key: PinKey) -> None:
        """The same, from a switch that keeps no numbers."""
        pin = self._book.pins.get(key)
        if pin is not None:
            self.seen(switch, pin.id)

    def replaced(self, number: int) -> None:
        """A new connection uses the tuple: the pin ends everywhere."""
        self._changed(self._book.stale(number))

    def replaced_by_key(self, key: PinKey, backend: int) -> None:
        """The same, from a switch that keeps no numbers, and says so until the pin is gone: the connection is at
        ``backend``, and a pin that says the same is the new one's."""
        pin = self._book.pins.get(key)
        if pin is not None and pin.backend != backend:
            self.replaced(pin.id)

    def idle(self, switch: str, number: int, now: float) -> None:
        """The reporter saw no packet for the pin's idle time."""
        pin = self._book.numbered(number)
        if pin is not None:
            self._changed(self._book.idle(switch, number, self._unheard(switch, pin.key.listener, now)))

    def idle_by_key(self, switch: str, key: PinKey, now: float) -> None:
        """The same, from a switch that keeps no numbers."""
        pin = self._book.pins.get(key)
        if pin is not None:
            self.idle(switch, pin.id, now)

    def _unheard(self, reporter: str, listener: int, now: float) -> str | None:
        """Another lb switch that may have seen a connection while it could not be heard; the one heard for least long.

        While no controller ran, or a stream was down, a switch that saw the connection could not become the reporter.
        """
        others = {name: since for name, since in self.heard_since().items() if name != reporter}
        last = max(others, key=lambda name: (others[name], name), default=None)
        return last if last is not None and others[last] > now - self._idle.get(listener, 0.0) else None

    # -- switches come and go ---------------------------------------------------------------------------------

    def adopt(self, switch: str, pins: Iterable[FoundPin]) -> None:
        """Take over the pins that a switch held before we started; what it holds later came from us."""
        world = self._committed.value
        if switch in self._adopted or world is None:
            return
        self._adopted.add(switch)
        names = {number: name for name, number in world.ids.ids(Space.LISTENER).items()}
        listeners = {item.name: item for item in world.intent.listeners()}
        changed = False
        for pin in pins:
            item = listeners.get(names.get(pin.listener, ""))
            key = PinKey(pin.listener, pin.source, pin.port)
            if item is not None and self._believes(key, pin.backend):
                reporter = switch if pin.timed else None
                changed |= self._book.adopt(pin.id, key, item.protocol, pin.backend, reporter)
        self._changed(changed)

    def switch_lost(self, switch: str, successors: Iterable[str]) -> None:
        """Another switch reports the end of its pins from now on."""
        self._changed(self._book.switch_lost(switch, successors))

    def assign_orphans(self, switch: str) -> None:
        """A switch reports the end of all pins whose reporter never came back."""
        self._changed(self._book.assign_orphans(switch))

    def rename(self, names: Mapping[str, str]) -> None:
        """Switches are called otherwise now."""
        self._adopted = {names.get(name, name) for name in self._adopted}
        self._changed(self._book.rename(names))

    # -- another plan -----------------------------------------------------------------------------------------

    def _believes(self, key: PinKey, backend: int) -> bool:
        """Whether a switch may speak of such a connection."""
        world = self._committed.value
        if world is None:
            return False
        if self._credible[0] is not world:
            self._credible = world, credible(world)
        return may_be(self._credible[1], key, backend)

    def _follow(self) -> None:
        """Pins end of listeners that are no more, and of backends that give that listener's connections away."""
        world = self._committed.value
        assert world is not None
        self._idle = memory_times(world)
        kept = kept_backends(world)
        if kept == self._kept:
            return
        self._kept = kept
        self._changed(self._book.drop(self._book.strays(kept)))

    def _changed(self, changed: bool) -> None:
        if changed:
            self._wake()
