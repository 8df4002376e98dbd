"""Commands that a running controller takes, as data: whatever asks (the control socket) finds and checks them here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from controller.core.pools import Pools
from controller.plan.writer import HandoverRefused
from controller.sites.base import GuardFailed, StoreError

Arguments = Mapping[str, str]
"""By parameter name; optional ones may be missing."""
Result = Mapping[str, object]
"""What JSON can hold."""


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

    async def failback(given: Arguments) -> Result:
        try:
            writer = pools.hand_over(given["pool"], given.get("backend"))
        except HandoverRefused as error:
            raise CommandRefused(str(error)) from error
        try:
            revision = await commit()
        except (StoreError, GuardFailed) as error:
            raise NotStored(str(error)) from error
        return {"writer": writer, "revision": revision}

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
    )
