"""One HAProxy: its file is kept, checked before it is used; what runs is read, compared and changed, look by look."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from controller.clock import Clock
from controller.core.journal import Journal
from controller.exits.tier import parse
from controller.exits.tier.diff import Commands, Reload, diff
from controller.exits.tier.drains import Drains
from controller.exits.tier.filecheck import CannotCheck, check
from controller.exits.tier.master import MasterError, MasterSocket
from controller.exits.tier.parse import BadAnswer, Counted, Has, Processes, ServerHas
from controller.exits.tier.render import HEAD, STATE, render
from controller.exits.tier.wanted import Marks, ServerRef, Wanted
from controller.security.files import PUBLIC, replace
from controller.spec.tier import Instance, Tier
from controller.spec.types import Address

RELOAD = 20.0
"""Seconds for a reload: until the new process says that it was made of the new file."""
RELOAD_LOOK = 0.05
MOST_OLD = 16
"""Former processes that are asked about their sessions."""
ROUNDS = 3
"""Times in one look that what was changed is read back and compared again."""
NO_STATE = "1\n"
"""A state of no server."""
NAMED = 8
"""Servers that an event names."""
RECHECK = 10.0
"""Seconds after which a file that was refused is checked again: a certificate may be there by then."""
_DELETED = "Server deleted."
_DONE = ("", "New server registered.")
_CHANGED = ("by 'stats socket command'", "no need to change")


class Refused(Exception):
    """What is wanted cannot be; the text says why."""


class _Refusal(NamedTuple):
    digest: str
    why: str
    at: float


class Plan(NamedTuple):
    """What the intent says of one HAProxy."""

    tier: Tier
    instance: Instance
    addresses: tuple[Address, ...]
    leaving: bool
    """Its backend drains at layer 4."""


@dataclass
class Shown:
    """How it is."""

    problem: str = "not reached yet"
    writes: int = 0
    repairs: int = 0
    processes: Processes | None = None
    """None: it cannot be reached."""
    counted: Mapping[ServerRef, Counted] = field(default_factory=dict)
    """Of the present process."""
    servers: Mapping[ServerRef, ServerHas] = field(default_factory=dict)
    """As the present process has them."""
    idle: int = 0
    """Looks in a row in which it drained at layer 4 and had no client."""
    former: Mapping[ServerRef, int] = field(default_factory=dict)
    """Sessions of former processes."""
    waits: tuple[ServerRef, ...] = ()
    """Servers that are no longer wanted and have sessions."""


class HaproxyDriver:
    """Follows a plan. Each ``look`` does what there is to do, and raises Refused or OSError if it cannot."""

    def __init__(self, journal: Journal, clock: Clock, tier: str, name: str) -> None:
        self._journal, self._clock = journal, clock
        self._tier, self._name = tier, name
        self._drains = Drains()
        self._checked = ""
        """Digest of the configuration that passed the check last."""
        self._good: Plan | None = None
        """The last plan that passed it."""
        self._refused: _Refusal | None = None
        self._rendered: tuple[Plan, Marks, Wanted] | None = None
        self._settled: Wanted | None = None
        """What the process was found to hold, or made to hold, last."""
        self._known = False
        self._ours = False
        """The file was written, or found, as one of ours."""
        self.shown = Shown()

    async def look(self, plan: Plan) -> None:
        """Bring the file and the process to what the plan says, or to the last plan that HAProxy does not refuse."""
        has, unreached = None, None
        try:
            has = await self._see(plan.instance.master)
        except (MasterError, BadAnswer) as error:
            self.shown.processes, unreached = None, error
        if has is not None and not self._known:
            self._known = True
            self._drains.found(plan.tier, has.servers)
        wanted, refused = await self._accepted(plan)
        if unreached is not None:
            raise Refused("; ".join(filter(None, (refused, str(unreached)))))
        if wanted is not None and has is not None:
            await self._bring(plan.instance.master, wanted, has)
        self.shown.former = await self._former(plan.instance.master)
        if refused:
            raise Refused(refused)

    def deadline(self, plan: Plan) -> float | None:
        """When something is to be done without a change of the plan."""
        return self._drains.deadline(plan.tier)

    async def _see(self, master: str) -> Has:
        self.shown.processes, has = await _read(master)
        if has is None:
            raise MasterError(f"{master}: the master has no worker")
        self.shown.counted, self.shown.servers = has.counted, has.servers
        return has

    def _wanted(self, plan: Plan) -> Wanted:
        """The same object as before if it is the same."""
        marks = Marks(plan.leaving, self._drains.follow(plan.tier, self._clock.now()))
        if self._rendered is None or self._rendered[:2] != (plan, marks):
            self._rendered = plan, marks, render(plan.tier, plan.instance, plan.addresses, marks)
        return self._rendered[2]

    async def _accepted(self, plan: Plan) -> tuple[Wanted | None, str]:
        """What is to be, its file written; and why that is not what the plan says. None: nothing was accepted yet."""
        path = Path(plan.instance.config)
        if not self._ours and not await asyncio.to_thread(_may_write, path):
            return None, f"{path} is there, and no file of ours: move it away, or name another"
        refused = ""
        wanted = self._wanted(plan)
        if wanted.digest != self._checked:
            refused = await self._refusal(plan, wanted)
        if refused and self._good is None:
            return None, refused
        if refused and self._good is not None:
            wanted = self._wanted(self._good._replace(leaving=plan.leaving))
        else:
            self._good, self._checked = plan, wanted.digest
        await self._keep_file(path, wanted)
        return wanted, refused

    async def _keep_file(self, path: Path, wanted: Wanted) -> None:
        data = wanted.text.encode()
        self._ours = True
        if await asyncio.to_thread(_read_file, path) == data:
            return
        if not await asyncio.to_thread(Path(f"{path}{STATE}").exists):
            await self._write_state("")
        await asyncio.to_thread(replace, path, data, PUBLIC)
        self.shown.writes += 1
        if self._settled is wanted:
            self._repaired("its file was another")

    async def _refusal(self, plan: Plan, wanted: Wanted) -> str:
        """Why HAProxy refuses a configuration; empty: it does not. One that it refused is tried again now and then."""
        known = self._refused
        if known is not None and known.digest == wanted.digest and self._clock.now() < known.at + RECHECK:
            return known.why
        path = Path(plan.instance.config)
        trial = path.with_name(f"{path.name}.new")
        try:
            await asyncio.to_thread(replace, trial, wanted.text.encode(), PUBLIC)
        except OSError as error:
            return f"{path} cannot be written: {error.strerror}"
        try:
            found = await check(trial, wanted.lines)
            why = f"HAProxy refuses the configuration: {'; '.join(found)}" if found else ""
        except CannotCheck as error:
            why = str(error)
        finally:
            await asyncio.to_thread(trial.unlink, True)
        self._refused = _Refusal(wanted.digest, why, self._clock.now()) if why else None
        return why

    async def _bring(self, master: str, wanted: Wanted, has: Has) -> None:
        """Commands or a reload, until what is read back is what is wanted."""
        failed = ""
        for round_number in range(ROUNDS):
            found = diff(wanted, has)
            differs = isinstance(found, Reload) or bool(found.lines)
            if differs and round_number == 0 and self._settled is wanted:
                self._repaired(found.why if isinstance(found, Reload) else _some(found.about))
            if isinstance(found, Reload) or failed:
                why = found.why if isinstance(found, Reload) else failed
                has, failed = await self._reload(master, wanted, why), ""
            elif found.lines or (found.last and round_number == 0):
                has, failed = await self._command(master, found)
            else:
                self._settled = wanted
                self.shown.waits, self.shown.counted, self.shown.servers = (
                    found.waits,
                    has.counted,
                    has.servers,
                )
                return
        raise Refused("what was changed is not so when it is read back")

    async def _command(self, master: str, found: Commands) -> tuple[Has, str]:
        """What the process has then, and what went wrong."""
        socket = await MasterSocket.open(master)
        try:
            await socket.ask("@1")
            answers = await socket.all([*found.lines, *found.last])
        finally:
            await socket.close()
        has = await self._see(master)
        answered = list(zip((*found.lines, *found.last), answers, strict=True))
        gone = [line.split()[2] for line, answer in answered if answer.strip() == _DELETED]
        about = (*found.about, *(f"{each} is gone" for each in gone))
        if about:
            self.shown.writes += 1
            self._journal.event(
                "tier_changed",
                tier=self._tier,
                instance=self._name,
                commands=len(answered),
                what=_some(about),
            )
        # A server that still has a connection is not deleted now; that is no failure.
        failed = [f"{line}: {answer}" for line, answer in answered[: len(found.lines)] if not _worked(answer)]
        return has, failed[0] if failed else ""

    async def _reload(self, master: str, wanted: Wanted, why: str) -> Has:
        """Have the file read by a new process, and what that has. Raises Refused if the old one goes on."""
        if self._good is not None:
            await self._keep_file(Path(self._good.instance.config), wanted)
        socket = await MasterSocket.open(master)
        try:
            before = parse.processes(await socket.ask("show proc"))
            await self._tell_down(socket, wanted)
            await socket.ask("@master")
            await socket.tell("reload")
        finally:
            await socket.close()
        began = self._clock.now()
        while self._clock.now() < began + RELOAD:
            await asyncio.sleep(RELOAD_LOOK)
            try:
                now, has = await _read(master)
            except (MasterError, BadAnswer):
                continue  # the master starts itself again
            if now.failed > before.failed or (now.reloads > before.reloads and now.failed):
                raise Refused("HAProxy took the file in a check and not at a reload; its log says why")
            if now.reloads > before.reloads and has is not None:
                self.shown.processes = now
                await self._write_state("")
                if has.digest == wanted.digest:  # else the file was written over meanwhile
                    self._say_reloaded(why, self._clock.now() - began)
                return has
        raise Refused(
            f"no new process within {RELOAD:g} s of a reload; is it started with -W, and with -f its config?"
        )

    def _say_reloaded(self, why: str, seconds: float) -> None:
        self.shown.writes += 1
        self._journal.event(
            "tier_reloaded", tier=self._tier, instance=self._name, why=why, seconds=round(seconds, 3)
        )

    async def _tell_down(self, socket: MasterSocket, wanted: Wanted) -> None:
        """Have the next process know which servers are down. Else it would send them requests until it finds out."""
        still = {
            (pool, name): (each.address, each.port)
            for pool, of in wanted.pools.items()
            for name, each in of.servers.items()
        }
        await socket.ask("@1")
        await self._write_state(parse.known_down(await socket.ask("show servers state"), still))

    async def _write_state(self, text: str) -> None:
        """What the next process reads. Emptied after a reload: what was down then need not be at a later start."""
        if self._good is not None:
            path = Path(f"{self._good.instance.config}{STATE}")
            await asyncio.to_thread(replace, path, (text or NO_STATE).encode(), PUBLIC)

    async def _former(self, master: str) -> dict[ServerRef, int]:
        """Sessions that former processes still have."""
        processes = self.shown.processes
        found: dict[ServerRef, int] = {}
        for pid in () if processes is None else processes.old[:MOST_OLD]:
            try:
                socket = await MasterSocket.open(master)
                try:
                    await socket.ask(f"@!{pid}")
                    rows = parse.counted(await socket.ask("show stat"))
                finally:
                    await socket.close()
            except (MasterError, BadAnswer):
                continue  # it has just ended
            for ref, each in rows.items():
                found[ref] = found.get(ref, 0) + each.sessions
        return found

    def _repaired(self, what: str) -> None:
        self.shown.repairs += 1
        self._journal.event("tier_repaired", tier=self._tier, instance=self._name, what=what)


async def _read(master: str) -> tuple[Processes, Has | None]:
    """The processes, and what the present one has; None: there is none, or the file did not let it be made."""
    socket = await MasterSocket.open(master)
    try:
        processes = parse.processes(await socket.ask("show proc"))
        if processes.worker is None:
            return processes, None
        await socket.ask("@1")
        answers = []
        for question in ("show info", "show servers state", "show stat"):
            if socket.spent:
                await socket.close()
                socket = await MasterSocket.open(master)
                await socket.ask("@1")
            answers.append(await socket.ask(question))
    finally:
        await socket.close()
    info, state, stat = answers
    return processes, Has(parse.digest(info), parse.servers(state), parse.counted(stat))


def _worked(answer: str) -> bool:
    return answer.strip() in _DONE or any(each in answer for each in _CHANGED)


def _some(about: Sequence[str]) -> str:
    shown = ", ".join(about[:NAMED])
    return shown if len(about) <= NAMED else f"{shown} and {len(about) - NAMED} more"


def _may_write(path: Path) -> bool:
    """Whether a file is not there, or a controller wrote it."""
    there = _read_file(path)
    return there is None or there.startswith(HEAD.encode())


def _read_file(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
