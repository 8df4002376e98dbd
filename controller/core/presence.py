"""Which switches are absent, and which lb switches edges may use. Owns both cells.

    connected ─► synced ─► (admission) admitted ─► stream lost, came back empty, gets another program ─► withdrawn

A controller that has just started believes what was stored, for as long as a switch that lives needs to be heard of: a
P4 switch is dialled, and one that refuses twice is gone; an Open vSwitch dials us, and does so within its backoff.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from controller.clock import Clock
from controller.core.cells import Cell, Readable
from controller.core.journal import Journal
from controller.spec.types import Intent, Mode, Role

DISCOVERY_WAIT = 9.0
"""Seconds after the start for which an absent switch may yet be heard of: an Open vSwitch tries every 8 s at least."""
REFUSALS = 2
"""Connections in a row that a P4 switch refuses until it counts as gone."""

Names = frozenset[str]


class Presence:
    """Who is here, who serves. ``withdrawn`` and ``admitted`` are the only ways in and out of use."""

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
        self._synced: set[str] = set()
        self._refused: Counter[str] = Counter()
        self._owed: dict[str, str] = {}
        """Why a switch is to be withdrawn that was the last one: it is, once another serves."""
        self.waits: Callable[[str], bool] = lambda _: False
        """Whether a switch waits for its push, and serves with what it holds; set by the rollout."""
        self.connected: Callable[[str], bool] = lambda _: False
        """Whether a switch's stream is up; set by the fleet's owner."""

    # -- what is asked ----------------------------------------------------------------------------------------

    def is_synced(self, name: str) -> bool:
        """Whether a switch is here and holds its target."""
        return name in self._synced

    def is_admitted(self, name: str) -> bool:
        """Whether edges may use an lb switch."""
        return name in self._admitted.value

    @property
    def admitted(self) -> Names:
        """lb switches that edges may use."""
        return self._admitted.value

    @property
    def absent(self) -> Names:
        """Switches that nothing is sent to."""
        return self._absent.value

    def awaited(self, name: str) -> bool:
        """Whether a switch that is not synced may yet turn out to be well."""
        if name in self._synced:
            return False
        return self.waits(name) or (not self._discovered and self._refused[name] < REFUSALS)

    def others(self, name: str) -> list[str]:
        """Those that serve, or are not known to be gone, when this one does not."""
        rest = (n for n in self._admitted.value if n != name)
        return [n for n in rest if n in self._synced or self.awaited(n)]

    # -- what happens -----------------------------------------------------------------------------------------

    def synced(self, name: str) -> None:
        """A switch holds its target."""
        self._synced.add(name)
        self._refused.pop(name, None)
        self.set_present(name)
        self._withdraw_owed()

    def connecting(self, name: str) -> None:
        """A switch's stream is up."""
        self._refused.pop(name, None)

    def stale(self, name: str) -> None:
        """A switch came back without its entries."""
        self.set_absent(name)
        self.withdraw(name, "came back empty")

    def gone(self, name: str, why: str = "control stream lost") -> None:
        """A switch's stream ended: nothing is sent there."""
        self._synced.discard(name)
        self.set_absent(name)
        self.withdraw(name, why)

    def refused(self, name: str) -> None:
        """A P4 switch refused a connection."""
        self._refused[name] += 1
        if self._refused[name] == REFUSALS and name not in self._synced and not self.waits(name):
            self.set_absent(name)
            self.withdraw(name, "refuses connections")

    def set_absent(self, name: str) -> None:
        """Nothing is sent to a switch from now on."""
        self._absent.put(self._absent.value | {name})

    def set_present(self, name: str) -> None:
        """A switch is back with all that it held."""
        self._owed.pop(name, None)
        self._absent.put(self._absent.value - {name})

    def admit(self, name: str) -> None:
        """Edges may use an lb switch from now on."""
        if self._admitted.put(self._admitted.value | {name}):
            self._journal.event("admitted", switch=name, **self._moved(name))
        self._withdraw_owed()

    def withdraw(self, name: str, why: str) -> None:
        """Edges leave a switch out until it is admitted again; the last one only once another serves."""
        if name not in self._admitted.value:
            return
        if not self.others(name):
            self._owed[name] = why
            return
        self._owed.pop(name, None)
        self._admitted.put(self._admitted.value - {name})
        self._journal.event("withdrawn", switch=name, why=why, **self._moved(name))

    def _withdraw_owed(self) -> None:
        for name, why in list(self._owed.items()):
            self.withdraw(name, why)

    def _moved(self, name: str) -> dict[str, list[str]]:
        """Listeners whose connections do not outlive that others serve some of them: their ports are a switch's own."""
        items = self._intent.value.listeners() if self._admitted.value - {name} else ()
        names = [item.name for item in items if item.mode is Mode.FULLNAT]
        return {"fullnat": names} if names else {}

    # -- another intent, and time ------------------------------------------------------------------------------

    def rename(self, names: Mapping[str, str]) -> None:
        """Switches are called otherwise now."""
        for cell in (self._absent, self._admitted):
            cell.put(frozenset(names.get(name, name) for name in cell.value))
        self._synced = {names.get(name, name) for name in self._synced}
        self._owed = {names.get(name, name): why for name, why in self._owed.items()}

    def remove(self, name: str) -> None:
        """The intent names a switch no longer."""
        self._synced.discard(name)
        self._admitted.put(self._admitted.value - {name})
        self._absent.put(self._absent.value - {name})
        self._refused.pop(name, None)
        self._owed.pop(name, None)

    def deadline(self) -> float | None:
        """When those of whom nothing was heard since the start count as gone."""
        return None if self._discovered else self._started + DISCOVERY_WAIT

    def step(self) -> bool:
        """End the wait for switches once its time is over; whether it ended now."""
        if self._discovered or self._clock.now() < self._started + DISCOVERY_WAIT:
            return False
        self._discovered = True
        named = list(self._intent.value.switches)
        lost = {s.name for s in named if not self.connected(s.name) and not self.waits(s.name)}
        kept = {name for name in self._absent.value if name not in self._synced}
        self._absent.put(frozenset(lost | kept) & {s.name for s in named})
        for switch in named:
            if Role.LB in switch.roles and switch.name in lost:
                self.withdraw(switch.name, "absent")
        return True
