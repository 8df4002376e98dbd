"""See to it that lb switches' conntrack remembers long enough; say so where it cannot be had."""

from __future__ import annotations

from controller.core.journal import Journal
from controller.core.switchtask import SwitchTask
from controller.core.targets import Targets
from controller.plan.zones import zone_timeouts
from controller.southbound.driver import Remembers
from controller.southbound.ovsdb.client import OvsdbError
from controller.spec.types import Role


class Conntrack:
    """Tells switches through their OVSDB; those without one are their operator's."""

    def __init__(self, targets: Targets, journal: Journal) -> None:
        self._targets = targets
        self._journal = journal

    async def follow(self, task: SwitchTask) -> None:
        """Tell a switch what it should remember, unless it was told just that; a failure is said, and ends nothing."""
        try:
            await self._tell(task)
        except Exception as error:
            self._journal.failure(error, switch=task.switch.name)

    async def _tell(self, task: SwitchTask) -> None:
        switch, driver = task.switch, task.driver
        if switch.ovsdb is None or Role.LB not in switch.roles or not isinstance(driver, Remembers):
            return
        async with task.telling:
            wanted = zone_timeouts(self._targets.world, switch)
            if wanted == task.timeouts:
                return
            try:
                changed = await driver.remember(wanted)
            except OvsdbError as error:
                task.memory_short = str(error)
                why = "one-way connections are remembered for 30 s only"
                self._journal.event("memory_short", switch=switch.name, error=str(error), why=why)
                return
            task.timeouts = wanted
            task.memory_short = ""
            if changed:
                self._journal.event("timeouts_set", switch=switch.name, zones=changed)
