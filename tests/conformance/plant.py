"""The controller's side of a row: intent, verdicts, pools, numbers and pins, moved on by a clock of the suite's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace

from controller.plan.accept import accept
from controller.plan.duty import kept_backends, world_of
from controller.plan.ids import Space
from controller.plan.p4needs import grouped
from controller.plan.pins import PinBook, PinKey
from controller.plan.pool import Health
from controller.plan.progress import advance, deadline
from controller.plan.tables import Tables, shared_key
from controller.spec.spread import PoolSpread, Spread
from controller.spec.types import Backend, Intent, Pool, Protocol, Switch
from tests.conformance.moment import START, Moment
from tests.conformance.scenario import ELSEWHERE, SITE, Setup
from tests.conformance.target import Reason, Report

EMBRYONIC = 60.0
"""Seconds after which no switch remembers a connection of which it has seen only the first packet."""
_WANT_PINS = (Reason.EXCEPTION, Reason.YOUNG, Reason.FOUND, Reason.OVERFLOW)


class Plant:
    """All that the planner needs. Every change takes effect with ``step``."""

    def __init__(
        self, setup: Setup, switch: Switch, down: Iterable[str] = (), spread: Spread = Spread.OWN
    ) -> None:
        """``spread``: of all pools that can have it."""
        self.setup = setup
        self.switch = switch
        self.spread = spread
        self.now = START
        self.tables = Tables()
        self._intent = Intent((), (), (), ())
        self.pins = PinBook()
        self.health: dict[str, dict[str, Health]] = {}
        for name in down:
            self.judge(name, up=False)
        self.step()

    def judge(self, backend: str, *, up: bool) -> None:
        """A verdict on a server, in every pool."""
        for pool in self.setup.pools:
            self.health.setdefault(pool.name, {})[backend] = Health(up, self.now)

    def change(self, setup: Setup, *, abrupt: bool = False) -> None:
        """Another intent. ``abrupt``: planned as if its listeners had always had the pools that they have now."""
        self.setup = setup
        if abrupt:
            self._intent = self._wanted()
            bound = {item.name: shared_key(item) for item in self._intent.listeners()}
            self.tables = replace(self.tables, bound=bound, retained={})

    def change_pool(self, changed: Pool) -> None:
        """Another pool of that name."""
        self.change(self.setup.with_pool(changed))

    def change_backends(self, name: str, backends: tuple[Backend, ...]) -> None:
        """Other backends for a pool."""
        pool = next(each for each in self.setup.pools if each.name == name)
        self.change_pool(replace(pool, backends=backends))

    def hear(self, reports: Iterable[Report]) -> None:
        """What the controller makes of reports: pins come and go."""
        for report in reports:
            if report.reason in _WANT_PINS and report.source is not None:
                key = PinKey(report.listener, report.source, report.port)
                self.pins.report(self.switch.name, key, self.protocol(report.listener), report.backend)
            elif report.reason is Reason.PIN_SEEN:
                self.pins.seen(self.switch.name, report.pin)
            elif report.reason is Reason.PIN_STALE:
                self.pins.stale(report.pin)

    def hand_pins_to(self, other: str) -> None:
        """Another lb switch reports the end of all pins from now on."""
        for pin in list(self.pins.pins.values()):
            self.pins.report(other, pin.key, pin.protocol, pin.backend)

    def step(self, seconds: float = 0.0) -> None:
        """Let time pass, and plan: at every deadline on the way, as a controller does that never sleeps too long."""
        wanted = self._wanted()
        self.tables = accept(self.tables, self._intent, wanted, self.now)
        self._intent, end = wanted, self.now + seconds
        self._advance()
        while (due := deadline(self.tables, wanted, self.health, self.now)) is not None and due <= end:
            self.now = max(due, self.now)
            self._advance()
        self.now = end
        self._advance()
        self._end_pins()

    def _wanted(self) -> Intent:
        made = self.setup.intent(self.switch)
        if self.spread is not Spread.BITS:
            return made
        return replace(made, pools=tuple(replace(each, spread=PoolSpread.BITS) for each in made.pools))

    def _advance(self) -> None:
        stepped = advance(
            self.tables, self._intent, self.health, self.now, answers=lambda _: self.spread is Spread.DATAPATH
        )
        self.tables = grouped(stepped, self._intent, self.now)

    def _end_pins(self) -> None:
        """Pins of backends whose connections move or are reset, and of those that are no more, end."""
        kept = kept_backends(self.world())
        self.pins.drop(
            [key for key, pin in self.pins.pins.items() if pin.backend not in kept.get(key.listener, ())]
        )

    def world(self) -> Moment:
        """For the planner."""
        owner = SITE if self.setup.owned else ELSEWHERE
        owners = {vip.name: owner for vip in self._intent.vips}
        made = world_of(self._intent, self.tables, self.pins, frozenset({self.switch.name}), owners)
        return Moment(**{field.name: getattr(made, field.name) for field in fields(made)}, now=self.now)

    def protocol(self, listener: int) -> Protocol:
        """Protocol of a listener by its number."""
        name = self.tables.ids.name(Space.LISTENER, listener)
        return next(i.protocol for i in self._wanted().listeners() if i.name == name)

    def moving(self) -> int:
        """Slots in transition, of all pools."""
        return sum(state.moving for state in self.tables.pools.values())
