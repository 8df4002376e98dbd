"""Which switches are absent, and which lb switches edges may use. Owns both cells.

    connected ─► synced ─► (admission) admitted ─► stream lost, came back empty, gets another program ─► withdrawn

A controller that has just started believes what was stored, for as long as a switch that lives needs to be heard of: a
P4 switch is dialled, and one that refuses twice is gone; an Open vSwitch dials us, and does so within its backoff.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping

from controller.clock import Clock
from controller.core.cells import Cell, Readable
from controller.core.journal import Journal
from controller.sites.causes import Cause
from controller.spec.types import Intent, Mode, Role, Switch

DISCOVERY_WAIT = 9.0
"""Seconds after the start for which an absent switch may yet be heard of: an Open vSwitch tries every 8 s at least."""
REFUSALS = 2
"""Connections in a row that a P4 switch refuses until it counts as gone."""

Names = frozenset[str]


class Presence:
    """Who is here, who serves. ``withdrawn`` and ``admitted`` are the only ways in and out of use.

    Switches are told by their ids, for their names may change at any time; the cells hold the names of the accepted
    intent. What is said of a switch that the intent no longer names changes nothing.
    """

    def __init__(
        self,
        absent: Cell[Names],
        admitted: Cell[Names],
        intent: Readable[Intent],
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._absent = absent
        self._admitted = admitted
        self._intent = intent
        self._journal = journal
        self._clock = clock
        self._started = clock.now()
        self._discovered = False
        self._synced: set[int] = set()
        self._refused: Counter[int] = Counter()
        self._owed: dict[int, tuple[str, Cause]] = {}
        """Why a switch is to be withdrawn that was the last one: it is, once another serves."""
        self.waits: Callable[[int], bool] = lambda _: False
        """Whether a switch waits for its push, and serves with what it holds; set by the rollout."""
        self.connected: Callable[[int], bool] = lambda _: False
        """Whether a switch's stream is up; set by the fleet's owner."""

    def listening(self) -> None:
        """From now on switches can connect: only now does the wait for them begin."""
        self._started = self._clock.now()

    # -- what is asked ----------------------------------------------------------------------------------------

    def is_synced(self, number: int) -> bool:
        """Whether a switch is here and holds its target."""
        return number in self._synced

    def is_admitted(self, number: int) -> bool:
        """Whether edges may use an lb switch."""
        return self._name(number) in self._admitted.value

    def is_absent(self, number: int) -> bool:
        """Whether nothing is sent to a switch."""
        return self._name(number) in self._absent.value

    @property
    def admitted(self) -> Names:
        """lb switches that edges may use."""
        return self._admitted.value

    @property
    def absent(self) -> Names:
        """Switches that nothing is sent to."""
        return self._absent.value

    def awaited(self, number: int) -> bool:
        """Whether a switch that is not synced may yet turn out to be well."""
        if number in self._synced:
            return False
        return self.waits(number) or (not self._discovered and self._refused[number] < REFUSALS)

    def others(self, number: int) -> list[str]:
        """Those at its site that serve, or are not known to be gone, when this one does not.

        Edges use lb switches of their own site: those of another site serve nothing in its place.
        """
        return [s.name for s in self._peers(number) if s.id in self._synced or self.awaited(s.id)]

    def _peers(self, number: int) -> list[Switch]:
        """Others at its site that edges may use."""
        this = self._intent.value.switch(number)
        rest = (s for s in self._intent.value.switches if s.name in self._admitted.value and s.id != number)
        return [s for s in rest if this is None or s.site == this.site]

    def unread(self, number: int) -> list[str]:
        """Others that serve, as far as is known, and whose pins we have not read since we started.

        One that waits for its push was read.
        """
        rest = (s for s in self._intent.value.switches if s.name in self._admitted.value and s.id != number)
        return [s.name for s in rest if self.awaited(s.id) and not self.waits(s.id)]

    def _name(self, number: int) -> str | None:
        switch = self._intent.value.switch(number)
        return None if switch is None else switch.name

    # -- what happens -----------------------------------------------------------------------------------------

    def synced(self, number: int) -> None:
        """A switch holds its target."""
        if self._name(number) is None:
            return
        self._synced.add(number)
        self._refused.pop(number, None)
        self.set_present(number)
        self._withdraw_owed()

    def connecting(self, number: int) -> None:
        """A switch's stream is up."""
        self._refused.pop(number, None)

    def stale(self, number: int) -> None:
        """A switch came back without its entries."""
        self.set_absent(number)
        self.withdraw(number, "came back empty", Cause.EMPTY)

    def gone(self, number: int, why: str = "control stream lost") -> None:
        """A switch's stream ended: nothing is sent there."""
        self._synced.discard(number)
        self.set_absent(number)
        self.withdraw(number, why)

    def refused(self, number: int) -> None:
        """A P4 switch refused a connection."""
        self._refused[number] += 1
        if self._refused[number] == REFUSALS and number not in self._synced and not self.waits(number):
            self.set_absent(number)
            self.withdraw(number, "refuses connections", Cause.STREAM)

    def set_absent(self, number: int) -> None:
        """Nothing is sent to a switch from now on."""
        name = self._name(number)
        if name is not None:
            self._absent.put(self._absent.value | {name})

    def set_present(self, number: int) -> None:
        """A switch is back with all that it held."""
        self._owed.pop(number, None)
        self._absent.put(frozenset(n for n in self._absent.value if n != self._name(number)))

    def admit(self, number: int) -> None:
        """Edges may use an lb switch from now on."""
        name = self._name(number)
        if name is not None and self._admitted.put(self._admitted.value | {name}):
            self._journal.event("admitted", switch=name, **self._moved(number))
        self._withdraw_owed()

    def withdraw(self, number: int, why: str, cause: Cause = Cause.GONE) -> None:
        """Edges leave a switch out until it is admitted again; the last one only once another serves."""
        name = self._name(number)
        if name not in self._admitted.value:
            return
        if not self.others(number):
            self._owed[number] = why, cause
            return
        self._owed.pop(number, None)
        self._admitted.put(self._admitted.value - {name})
        self._journal.event("withdrawn", cause, switch=name, why=why, **self._moved(number))

    def _withdraw_owed(self) -> None:
        for number, (why, cause) in list(self._owed.items()):
            self.withdraw(number, why, cause)

    def _moved(self, number: int) -> dict[str, list[str]]:
        """Listeners whose connections do not outlive that others serve some of them: their ports are a switch's own."""
        items = self._intent.value.listeners() if self._peers(number) else ()
        names = [item.name for item in items if item.mode is Mode.FULLNAT]
        return {"fullnat": names} if names else {}

    # -- another intent, and time ------------------------------------------------------------------------------

    def follow(self, renamed: Mapping[str, str], removed: Collection[str]) -> None:
        """Another intent was accepted: the cells hold its names. ``removed``: by their former names."""
        for cell in (self._absent, self._admitted):
            cell.put(frozenset(renamed.get(name, name) for name in cell.value.difference(removed)))
        left = {switch.id for switch in self._intent.value.switches}
        self._synced &= left
        self._refused = Counter({number: n for number, n in self._refused.items() if number in left})
        self._owed = {number: why for number, why in self._owed.items() if number in left}

    def deadline(self) -> float | None:
        """When those of whom nothing was heard since the start count as gone."""
        return None if self._discovered else self._started + DISCOVERY_WAIT

    def step(self) -> bool:
        """End the wait for switches once its time is over; whether it ended now."""
        if self._discovered or self._clock.now() < self._started + DISCOVERY_WAIT:
            return False
        self._discovered = True
        named = list(self._intent.value.switches)
        lost = [s for s in named if not self.connected(s.id) and not self.waits(s.id)]
        kept = {s.name for s in named if s.name in self._absent.value and s.id not in self._synced}
        known = self._absent.value
        self._absent.put(frozenset(s.name for s in lost) | kept)
        for switch in lost:
            if switch.name not in known:
                self._journal.event("switch_absent", switch=switch.name)
            if Role.LB in switch.roles:
                self.withdraw(switch.id, "absent", Cause.TIME)
        return True
