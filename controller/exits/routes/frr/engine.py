"""FRR beside an lb switch: reads what its daemons have configured, writes what is other than it should be.

Plan ─► lines for each daemon ─► read ─► diff ─► write ─► read again
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.exits.routes.frr import lines, state
from controller.exits.routes.frr.config import Edit, Tree, diff
from controller.exits.routes.frr.state import Met
from controller.exits.routes.frr.vty import EngineError, Refused, Vty
from controller.exits.routes.holding import Announcement
from controller.spec.routes import Bfd, Neighbor, Speaker

LONGEST_PASSWORD = 80
"""Octets of a key of TCP MD5 signatures in Linux."""


@dataclass(frozen=True)
class Plan:
    """What an engine is to have configured."""

    speaker: Speaker
    prefixes: tuple[str, ...]
    """All that may ever be announced here."""
    costs: tuple[int, ...]
    """All metrics that OSPF may say here."""
    said: tuple[Announcement, ...]
    """What BGP announces."""
    by_ospf: Mapping[str, int]
    """What OSPF announces, and with which metric."""
    most: int
    bfd: Bfd
    in_use: bool = True
    """Whether the speaker's lb switch is."""


@dataclass
class Outcome:
    """What a turn found and did."""

    edits: dict[str, list[Edit]] = field(default_factory=dict)
    """What was other than it should be, by daemon; written."""
    problems: list[str] = field(default_factory=list)
    """Why something is still other than it should be."""


class Frr:
    """One speaker's daemons. Calls follow each other; those for several daemons go on at once."""

    def __init__(self, sockets: Path) -> None:
        self._sockets = sockets
        self._open: dict[str, Vty] = {}

    def close(self) -> None:
        """End all connections."""
        for vty in self._open.values():
            vty.close()
        self._open.clear()

    @property
    def lost(self) -> list[str]:
        """Daemons that have ended the connection since."""
        return sorted(name for name, vty in self._open.items() if vty.ended.is_set())

    async def gone(self) -> None:
        """Until one has."""
        ends = [vty.ended for vty in self._open.values()] or [asyncio.Event()]
        waits = [asyncio.create_task(each.wait()) for each in ends]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def apply(self, plan: Plan) -> Outcome:
        """Make it so. What is wrong with one daemon keeps none of the others back, and stands in the outcome."""
        passwords, problems = read_passwords(plan.speaker.bgp.neighbors if plan.speaker.bgp else ())
        outcome = Outcome(problems=problems)
        wanted = trees(plan, passwords)
        held = {n for n in _neighbors(plan) if n.password_file is not None and n not in passwords}
        results = await asyncio.gather(*(self._one(name, tree, held) for name, tree in wanted.items()))
        for name, (edits, wrong) in zip(wanted, results, strict=True):
            if edits:
                outcome.edits[name] = edits
            outcome.problems += wrong
        return outcome

    async def _one(self, daemon: str, wanted: Tree, held: set[Neighbor]) -> tuple[list[Edit], list[str]]:
        if not wanted and not (self._sockets / f"{daemon}.vty").exists():
            return [], []
        try:
            vty = await self._vty(daemon)
            found = await vty.running()
            if lines.is_foreign(found):
                if not wanted:
                    return [], []
                router = next(line for line in found if line.startswith("router "))
                return [], [
                    f"{daemon} has {router!r}, which is not ours: give the speaker daemons of its own"
                ]
            edits = _without(diff(wanted, found, lines.owns).edits, held)
            if not edits:
                return [], []
            refused = await vty.configure(edits)
            left = _without(diff(wanted, await vty.running(), lines.owns).edits, held)
            if left and not refused:
                refused = [f"{daemon} has taken {left[0]} and does not show it"]
            return edits, refused
        except EngineError as error:
            self._forget(daemon)
            return [], [str(error)]

    async def met(self, speaker: Speaker) -> list[Met]:
        """All neighbours. Raises EngineError."""
        found: list[Met] = []
        asked: list[tuple[str, str, Any]] = []
        if speaker.bgp is not None:
            asked.append(("bgpd", state.BGP, state.bgp))
        if speaker.ospf is not None:
            asked += [("ospfd", state.OSPF, state.ospf), ("ospf6d", state.OSPF6, state.ospf6)]
        asked.append(("bfdd", state.BFD, state.bfd))
        for daemon, command, read in asked:
            try:
                found += read(await (await self._vty(daemon)).json(command))
            except Refused:
                continue  # its instance is not configured
            except EngineError:
                self._forget(daemon)
                raise
        return sorted(found)

    async def _vty(self, daemon: str) -> Vty:
        vty = self._open.get(daemon)
        if vty is None or vty.ended.is_set():
            if vty is not None:
                self._forget(daemon)
            vty = self._open[daemon] = await Vty.connect(self._sockets / f"{daemon}.vty")
        return vty

    def _forget(self, daemon: str) -> None:
        vty = self._open.pop(daemon, None)
        if vty is not None:
            vty.close()


def trees(plan: Plan, passwords: Mapping[Neighbor, str]) -> dict[str, Tree]:
    """What each daemon should have configured: nothing, those of protocols that are not spoken, which need not run."""
    speaker = plan.speaker
    return {
        "staticd": lines.static(plan.by_ospf if speaker.ospf else {}),
        "bgpd": lines.bgp(speaker, plan.prefixes, plan.said, plan.most, passwords),
        "ospfd": lines.ospf(speaker, 4, plan.costs, plan.in_use),
        "ospf6d": lines.ospf(speaker, 6, plan.costs, plan.in_use),
        "bfdd": lines.bfd(plan.bfd) if speaker.bgp or speaker.ospf else {},
    }


def _neighbors(plan: Plan) -> Iterator[Neighbor]:
    yield from plan.speaker.bgp.neighbors if plan.speaker.bgp else ()


def _without(edits: list[Edit], held: set[Neighbor]) -> list[Edit]:
    """Without those of neighbours whose password is not known: they stay as they are."""
    names = {str(each.address) for each in held}
    return [each for each in edits if not names & set(each.command.split())]


def read_passwords(neighbors: Iterable[Neighbor]) -> tuple[dict[Neighbor, str], list[str]]:
    """Passwords from their files, and what is wrong with files."""
    found: dict[Neighbor, str] = {}
    problems: list[str] = []
    for neighbor in neighbors:
        if neighbor.password_file is None:
            continue
        try:
            found[neighbor] = _password(Path(neighbor.password_file))
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            problems.append(f"password of {neighbor.address}: {neighbor.password_file}: {why}")
    return found, problems


def _password(path: Path) -> str:
    """Raises OSError, ValueError."""
    with path.open(encoding="ascii", errors="strict") as file:
        text = file.read(LONGEST_PASSWORD + 2)
    line = text.removesuffix("\n")
    if not line or len(line) > LONGEST_PASSWORD or not line.isprintable() or " " in line:
        raise ValueError(f"is not one line of 1 to {LONGEST_PASSWORD} printable characters without blanks")
    return line
