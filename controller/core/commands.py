"""Commands that a running controller takes, as data: whatever asks (the control socket) finds and checks them here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from controller.core.pools import Pools
from controller.plan.spreads import RehashRefused
from controller.plan.writer import HandoverRefused
from controller.sites.base import GuardFailed, StoreError

Arguments = Mapping[str, str]
"""By parameter name; optional ones may be missing."""
Result = Mapping[str, object]
"""What JSON can hold."""


REHASH_ACTIONS = ("begin", "plan", "cancel")
"""What ``rehash`` may be asked."""


class CommandRefused(Exception):
    """A command that is not carried out; nothing has changed."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class NotStored(Exception):
    """A command that was accepted, and takes effect once the store can be written again."""


@dataclass(frozen=True)
class Parameter:
    """One argument of a command, a string."""

    name: str
    meaning: str
    """In words."""
    optional: bool = False


@dataclass(frozen=True)
class Command:
    """One command."""

    name: str
    meaning: str
    """In words."""
    parameters: tuple[Parameter, ...]
    run: Callable[[Arguments], Awaitable[Result]]
    """Returns once what it changed is committed. Raises CommandRefused or NotStored."""

    def arguments(self, given: Mapping[str, object]) -> Arguments:
        """The arguments among ``given``. Raises CommandRefused for what is missing, too much, or no string."""
        wanted = {each.name: each for each in self.parameters}
        why = [f'"{name}" is no argument of {self.name}' for name in given if name not in wanted]
        for name, parameter in wanted.items():
            value = given.get(name)
            if value is None and not parameter.optional:
                why.append(f'{self.name} needs "{name}": {parameter.meaning}')
            elif value is not None and not isinstance(value, str):
                why.append(f'"{name}" of {self.name} is no string')
        if why:
            raise CommandRefused(*why)
        return {name: value for name, value in given.items() if isinstance(value, str)}


def commands(pools: Pools, commit: Callable[[], Awaitable[int]]) -> tuple[Command, ...]:
    """All commands. ``commit``: stores what has changed and returns the revision; raises StoreError, GuardFailed."""

    async def stored() -> int:
        try:
            return await commit()
        except (StoreError, GuardFailed) as error:
            raise NotStored(str(error)) from error

    async def failback(given: Arguments) -> Result:
        try:
            writer = pools.hand_over(given["pool"], given.get("backend"))
        except HandoverRefused as error:
            raise CommandRefused(str(error)) from error
        return {"writer": writer, "revision": await stored()}

    async def rehash(given: Arguments) -> Result:
        action = given.get("action", "begin")
        if action not in REHASH_ACTIONS:
            raise CommandRefused(f'"action" of rehash is "{action}", write {", ".join(REHASH_ACTIONS)}')
        try:
            if action == "cancel":
                pools.cancel_rehash(given["pool"])
                return {"revision": await stored()}
            plan = [each._asdict() for each in pools.rehash(given["pool"], carry_out=action == "begin")]
        except RehashRefused as error:
            raise CommandRefused(str(error)) from error
        return {"plan": plan, "revision": await stored()}

    return (
        Command(
            "failback",
            "Make a backend the one writer of its pool; connections of the former one are reset.",
            (
                Parameter("pool", "a pool with failover"),
                Parameter(
                    "backend", "who takes over; without it the most preferred one that is up", optional=True
                ),
            ),
            failback,
        ),
        Command(
            "rehash",
            "Take the slots of a pool's TCP connections as it would if it were new, once all of them are pinned.",
            (
                Parameter("pool", "a pool with TCP listeners"),
                Parameter("action", "begin (without it), plan or cancel", optional=True),
            ),
            rehash,
        ),
    )
