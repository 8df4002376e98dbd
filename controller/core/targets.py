"""What each switch should hold: plans of the last commit, made once for each revision of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from controller.clock import Clock
from controller.core.cells import Readable
from controller.plan.duty import PlanInput
from controller.plan.pins import PinBook
from controller.southbound.driver import AnyDriver, HoldsPins

LONG = 0.005
"""Seconds of planning after which the loop's other work has its turn."""
BREATH = 0.002
"""Seconds that it has then before the next switch is planned for."""
T = TypeVar("T")


class _Made(NamedTuple):
    driver: AnyDriver
    world: PlanInput
    switch: object
    target: object
    pins: int


class Planned(NamedTuple):
    """What a switch should hold."""

    target: object
    pins: int
    """Version of the pins in it."""
    world: PlanInput
    """What it was planned from."""


class Holding:
    """What a switch is known to hold, and to have reported, since its stream came up."""

    def __init__(self, driver: AnyDriver, clock: Clock) -> None:
        self._driver = driver
        self._clock = clock
        self._unreported: int | None = None
        self.world: PlanInput | None = None
        """What its target was planned from; None: it took none yet."""
        self.lost = self.heard = clock.now()
        """When a report may have been lost for the last time, and until when that is known; seconds of the clock."""

    async def read(self) -> object:
        """Read it. Raises SwitchError."""
        began = self._clock.now()
        found: object = await self._driver.read()
        count = self._driver.unreported
        if self._unreported is not None and count != self._unreported:
            self.lost = self._clock.now()
        self._unreported, self.heard = count, began
        return found


class Targets:
    """Plans by committed revision. A new pin alone costs what the driver's ``with_pins`` does."""

    def __init__(self, committed: Readable[PlanInput | None], pins: PinBook) -> None:
        self._committed = committed
        self._pins = pins
        self._made: dict[object, _Made] = {}
        self._turn = asyncio.Lock()

    @property
    def world(self) -> PlanInput:
        """What plans are made from now."""
        world = self._committed.value
        assert world is not None, "nothing is planned before the first commit"
        return world

    async def in_turn(self, work: Callable[[], T]) -> T:
        """Plan or compare for one switch: many that do so at once alternate with everything else in the loop."""
        async with self._turn:
            began = time.perf_counter()
            result = work()
            if time.perf_counter() - began > LONG:
                await asyncio.sleep(BREATH)
            return result

    def of(self, driver: AnyDriver) -> Planned:
        """What a switch should hold now."""
        world, pins, key = self.world, self._pins.version, driver.session
        made = self._made.get(key)
        if (
            made is None
            or made.driver is not driver
            or made.world is not world
            or made.switch != driver.switch
        ):
            made = _Made(driver, world, driver.switch, driver.plan(world), pins)
        elif made.pins != pins:
            target = driver.with_pins(world) if isinstance(driver, HoldsPins) else driver.plan(world)
            made = made._replace(target=target, pins=pins)
        self._made[key] = made
        return Planned(made.target, made.pins, world)

    def forget(self, driver: AnyDriver) -> None:
        """A switch's stream ended."""
        self._made.pop(driver.session, None)
