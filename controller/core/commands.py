"""Commands that a running controller takes, as data: whatever asks (the control socket) finds and checks them here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.core.explaining import WITHIN, Explaining, UnknownSwitch
from controller.core.leadership import ClaimRefused
from controller.core.ordering import Ordering
from controller.core.pools import Pools
from controller.core.previews import Previews
from controller.model.errors import ConfigErrors
from controller.model.load import load_intent
from controller.plan.spreads import RehashRefused
from controller.plan.writer import HandoverRefused
from controller.sites.base import StoreError
from controller.sites.orders import OrderRefused
from controller.spec.codec import encode
from controller.tuples import BadPacket, packet_of

Override = Callable[[str], Awaitable[list[str]]]
"""Proposes the intent file with a reason to set budgets aside; why it is refused. Raises ConfigErrors."""
LONGEST_REASON = 500
"""Characters of a reason."""
PLANNED = 300.0
"""Seconds for which a plan is waited for: a large intent is read, and planned for all switches."""
MOST_ENTRIES = 100_000
"""Of one switch, listed in a plan."""

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
    within: float = 20.0
    """Seconds for which its answer is waited for: longer than a store waits for a reader of its file."""
    shows: bool = False
    """It changes nothing: its answer is for the one who asks, and not for the journal."""

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


class _Operator:
    """What carries commands out."""

    def __init__(
        self,
        pools: Pools,
        ordering: Ordering,
        commit: Callable[[], Awaitable[int]],
        claim: Callable[[], None] | None,
        previews: Previews,
        override: Override,
        explaining: Explaining,
    ) -> None:
        self._explaining = explaining
        self._previews = previews
        self._override = override
        self._pools = pools
        self._ordering = ordering
        self._commit = commit
        self._claim = claim

    async def failback(self, given: Arguments) -> Result:
        with _refusing():
            writer = self._pools.hand_over(given["pool"], given.get("backend"))
        return {"writer": writer, "revision": await self._stored()}

    async def rehash(self, given: Arguments) -> Result:
        action = _one_of(given.get("action", "begin"), ("begin", "plan", "cancel"), "rehash")
        if action == "cancel":
            with _refusing():
                self._pools.cancel_rehash(given["pool"])
            return {"revision": await self._stored()}
        with _refusing():
            plan = [each._asdict() for each in self._pools.rehash(given["pool"], carry_out=action == "begin")]
        return {"plan": plan, "revision": await self._stored()}

    async def move(self, given: Arguments) -> Result:
        with _refusing():
            vips = self._ordering.move(given["vip"], given.get("site"))
        return {"vips": list(vips), "revision": await self._stored()}

    async def site(self, given: Arguments) -> Result:
        drains = _one_of(given["action"], ("drain", "undrain"), "site") == "drain"
        with _refusing():
            (self._ordering.drain if drains else self._ordering.undrain)(given["site"])
        return {"revision": await self._stored()}

    async def claim(self, given: Arguments) -> Result:
        _one_of(given["confirmed"], ("yes",), "claim", "confirmed")
        if self._claim is None:
            raise CommandRefused("the store is of one machine: nothing has to be claimed")
        with _refusing():
            self._claim()
        return {}

    async def override(self, given: Arguments) -> Result:
        reason = given["reason"].strip()
        if not reason or len(reason) > LONGEST_REASON or not reason.isprintable():
            raise CommandRefused(f'"reason" of override: write 1 to {LONGEST_REASON} printable characters')
        try:
            why = await self._override(reason)
        except ConfigErrors as errors:
            raise CommandRefused(*(str(each) for each in errors)) from errors
        if why:
            raise CommandRefused(*why)
        return {"revision": await self._stored()}

    async def explain(self, given: Arguments) -> Result:
        udp = _one_of(given.get("protocol", "tcp"), ("tcp", "udp"), "explain", "protocol") == "udp"
        flags = given.get("flags")
        try:
            packet = packet_of(given["from"], given["to"], udp, flags)
            made = await self._explaining.explain(packet, flags is not None, given.get("switch"))
        except (BadPacket, UnknownSwitch) as error:
            raise CommandRefused(str(error)) from error
        return {"explanation": encode(made)}

    async def plan(self, given: Arguments) -> Result:
        path, text = Path(given["file"]), given.get("entries", "0")
        if not path.is_absolute():
            raise CommandRefused(f'"file" of plan is "{path}", write an absolute path')
        if not text.isascii() or not text.isdigit() or int(text) > MOST_ENTRIES:
            raise CommandRefused(f'"entries" of plan is "{text}", write a number from 0 to {MOST_ENTRIES}')
        try:
            intent = await asyncio.to_thread(load_intent, path)
        except ConfigErrors as errors:
            raise CommandRefused(*(str(each) for each in errors)) from errors
        return {"plan": encode(await self._previews.preview(intent, int(text)))}

    async def _stored(self) -> int:
        try:
            return await self._commit()
        except StoreError as error:
            raise NotStored(str(error)) from error


@contextmanager
def _refusing() -> Iterator[None]:
    """What parts refuse is what the command is refused for."""
    try:
        yield
    except (HandoverRefused, RehashRefused, OrderRefused, ClaimRefused) as error:
        raise CommandRefused(str(error)) from error


def _one_of(action: str, known: tuple[str, ...], command: str, argument: str = "action") -> str:
    if action not in known:
        raise CommandRefused(f'"{argument}" of {command} is "{action}", write {" or ".join(known)}')
    return action


def commands(
    pools: Pools,
    ordering: Ordering,
    commit: Callable[[], Awaitable[int]],
    previews: Previews,
    override: Override,
    explaining: Explaining,
    claim: Callable[[], None] | None = None,
) -> tuple[Command, ...]:
    """All commands. ``commit``: stores what has changed and returns the revision; raises StoreError, GuardFailed.

    ``override``: proposes the intent file. ``claim``: goes on without the store; raises ClaimRefused.
    """
    operator = _Operator(pools, ordering, commit, claim, previews, override, explaining)
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
            operator.failback,
        ),
        Command(
            "rehash",
            "Take the slots of a pool's TCP connections as it would if it were new, once all of them are pinned.",
            (
                Parameter("pool", "a pool with TCP listeners"),
                Parameter("action", "begin (without it), plan or cancel", optional=True),
            ),
            operator.rehash,
        ),
        Command(
            "move",
            "Own a VIP, and all others of its MAC, at a site until this is withdrawn.",
            (
                Parameter("vip", "a VIP, or a virtual MAC"),
                Parameter("site", "one of its owners; without it: where the intent has it", optional=True),
            ),
            operator.move,
        ),
        Command(
            "site",
            "Drain a site: it owns nothing; or undrain it.",
            (Parameter("site", "a site"), Parameter("action", "drain or undrain")),
            operator.site,
        ),
        Command(
            "claim",
            "Answer for VIPs although the store is out of reach.",
            (Parameter("confirmed", "yes: no other controller of this store leads, or can"),),
            operator.claim,
        ),
        Command(
            "explain",
            "Say where packets of a connection go on each lb switch, and why; asks the switches. Nothing changes.",
            (
                Parameter("from", "ADDRESS:PORT of the client"),
                Parameter("to", "ADDRESS:PORT of the VIP"),
                Parameter("protocol", "tcp (without it) or udp", optional=True),
                Parameter(
                    "flags", "TCP flags of one packet; without them: of SYNs, and of others", optional=True
                ),
                Parameter("switch", "one lb switch; without it: all that serve the VIP", optional=True),
            ),
            operator.explain,
            WITHIN,
            shows=True,
        ),
        Command(
            "override",
            "Propose the intent file as it is now, and set disruption budgets aside for this edit.",
            (Parameter("reason", "why, for the journal"),),
            operator.override,
        ),
        Command(
            "plan",
            "Say what an intent file would do if it were proposed now; nothing changes.",
            (
                Parameter("file", "absolute path of the file, as the controller reads it"),
                Parameter(
                    "entries",
                    f"how many of each switch's to list, 0 (without it) to {MOST_ENTRIES}",
                    optional=True,
                ),
            ),
            operator.plan,
            PLANNED,
            shows=True,
        ),
    )


def standby_commands(lead: Callable[[], None]) -> tuple[Command, ...]:
    """Commands of a controller that stands by. ``lead``: without the store; raises ClaimRefused."""

    async def claim(given: Arguments) -> Result:
        _one_of(given["confirmed"], ("yes",), "claim", "confirmed")
        try:
            lead()
        except ClaimRefused as error:
            raise CommandRefused(str(error)) from error
        return {}

    return (
        Command(
            "claim",
            "Lead although the store is out of reach.",
            (Parameter("confirmed", "yes: no other controller of this store leads, or can"),),
            claim,
        ),
    )


def agent_commands(force: Callable[[], None]) -> tuple[Command, ...]:
    """Commands of an agent. ``force``: own what its site may own, although the store cannot say who does."""

    async def claim(given: Arguments) -> Result:
        _one_of(given["confirmed"], ("yes",), "claim", "confirmed")
        force()
        return {}

    return (
        Command(
            "claim",
            "Own VIPs although the store is out of reach.",
            (Parameter("confirmed", "yes: every other site is dead, and stays so until the store answers"),),
            claim,
        ),
    )
