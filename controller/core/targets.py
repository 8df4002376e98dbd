"""What each switch should hold: plans of the last commit, made once for each revision of it; and previews."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from controller.core.cells import Readable
from controller.plan.duty import PlanInput
from controller.plan.pins import PinBook
from controller.southbound.driver import AnyDriver, Delta, HoldsPins

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

    def of(self, driver: AnyDriver) -> tuple[object, int]:
        """What a switch should hold now, and the version of the pins in it."""
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
        return made.target, made.pins

    def forget(self, driver: AnyDriver) -> None:
        """A switch's stream ended."""
        self._made.pop(driver.session, None)

    def preview(self, driver: AnyDriver, world: PlanInput) -> Delta:
        """What a world that may never come would change on a switch."""
        have, _ = self.of(driver)
        delta: Delta = driver.diff(have, driver.preview(world))
        return delta
