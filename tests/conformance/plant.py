"""The controller's side of a row: intent, verdicts, pools, numbers and pins, moved on by a clock of the suite's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from controller.model.types import Backend, Pool, Protocol, Switch
from controller.plan.duty import World, pool_key
from controller.plan.numbers import Numbers, Space
from controller.plan.pins import PinBook, PinKey
from controller.plan.pool import Health, PoolState, fates, step
from controller.plan.spec import Fate
from tests.conformance.scenario import ELSEWHERE, SITE, Setup
from tests.conformance.target import Reason, Report

EMBRYONIC = 60.0
"""Seconds after which no switch remembers a connection of which it has seen only the first packet."""
_WANT_PINS = (Reason.EXCEPTION, Reason.YOUNG, Reason.OVERFLOW)
START = 1_000_000 * 900.0
"""Begins a generation of memory of the default length, and of each that divides it."""


class Plant:
    """All that the planner needs. Every change takes effect with ``step``."""

    def __init__(self, setup: Setup, switch: Switch, down: Iterable[str] = ()) -> None:
        self.setup = setup
        self.switch = switch
        self.now = START
        self.numbers = Numbers()
        self.pools: dict[str, PoolState] = {}
        self.pins = PinBook()
        self.health: dict[str, dict[str, Health]] = {}
        for name in down:
            self.judge(name, up=False)
        self.step()

    def judge(self, backend: str, *, up: bool) -> None:
        """A verdict on a server, in every pool."""
        for pool in self.setup.pools:
            self.health.setdefault(pool.name, {})[backend] = Health(up, self.now)

    def change(self, setup: Setup) -> None:
        """Another intent."""
        self.setup = setup

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
        """Let time pass, and plan."""
        self.now += seconds
        intent = self.setup.intent(self.switch)
        for item in intent.listeners():
            pool, key = intent.pool(item.pool), pool_key(item)
            old = self.pools.get(key) or PoolState.new(pool.name, item.protocol, pool.slots)
            self.pools[key] = step(old, pool, self.health.get(pool.name, {}), self.numbers, self.now)
        self._end_pins()

    def _end_pins(self) -> None:
        """Pins of backends whose connections move or are reset, and of those that are no more, end."""
        kept: set[int] = set()
        for state in self.pools.values():
            pool = next(p for p in self.setup.pools if p.name == state.name)
            found = fates(state, pool, self.health.get(state.name, {}), self.now)
            kept |= {number for number, fate in found.items() if fate in (Fate.NORMAL, Fate.DRAIN)}
        self.pins.forget_backends({pin.backend for pin in self.pins.pins.values()} - kept)

    def world(self) -> World:
        """For the planner."""
        owner = SITE if self.setup.owned else ELSEWHERE
        intent = self.setup.intent(self.switch)
        return World(
            intent,
            self.numbers,
            dict(self.pools),
            self.health,
            self.pins,
            frozenset({self.switch.name}),
            {vip.name: owner for vip in intent.vips},
            self.now,
        )

    def protocol(self, listener: int) -> Protocol:
        """Protocol of a listener by its number."""
        name = self.numbers.name(Space.LISTENER, listener)
        return next(i.protocol for i in self.setup.intent(self.switch).listeners() if i.name == name)

    def moving(self) -> int:
        """Slots in transition, of all pools."""
        return sum(state.moving for state in self.pools.values())
