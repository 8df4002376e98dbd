"""The exit to names: follows what the controller knows, and puts what answers follow from. Owns ``inputs``.

    seen, connections, reports ─► gathered ─► inputs ─► name servers: compiled, served
                                                 └────► explanations, events, status

It drives no engine by itself: name servers, in this process or elsewhere, follow ``inputs``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from controller.core.cells import Cell
from controller.core.shown import ExitStatus, Scalar
from controller.exits.base import LOOK, Around, Seen
from controller.exits.names.answered import Answered, Answers, news
from controller.exits.names.explaining import Explained, explained
from controller.exits.names.gathering import counted, gathered
from controller.exits.names.inputs import Inputs
from controller.exits.names.reports import Reports
from controller.exits.names.rtt import Report
from controller.sites.causes import Cause
from controller.spec.addresses import Address

TOGETHER = 0.02
"""Seconds that changes wait for others."""
REPORTS = 5.0
"""Seconds between two looks at what name servers have measured."""


class NamesExit:
    """Made once. ``inputs`` is None while the intent has no zones."""

    name = "names"

    def __init__(self, around: Around) -> None:
        self.inputs: Cell[Inputs | None] = Cell("names", None)
        self._around = around
        self._reports = Reports(around.clock.now)
        self._reported_at = around.clock.now()
        self._news = asyncio.Event()
        self._answers = Answers()
        self._looked: tuple[object, ...] = ()
        """What was looked at last."""
        self._counted: tuple[object, tuple[tuple[str, str], ...]] = (None, ())
        """An intent, and servers of it whose connections count."""
        self._answered: dict[str, Answered] = {}
        self._writes = 0
        around.subscribe(self._news.set)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK if self.inputs.value is not None else None):
                    await self._news.wait()
            await asyncio.sleep(TOGETHER)

    def look(self) -> None:
        """Take what there is, and put it if it is something else."""
        seen = self._around.see()
        if not seen.intent.zones:
            self._answered, self._looked = {}, ()
            self.inputs.put(None)
            return
        basis, due = self._basis(seen), self._around.clock.now() >= self._reported_at + REPORTS
        if not due and _unchanged(basis, self._looked):
            return
        self._looked = basis
        made = self._made(seen)
        before = self.inputs.value
        if before is not None and _same(before, made):
            return
        self._say(made, seen)
        self._writes += 1
        self.inputs.put(made)

    def reported(self, report: Report) -> None:
        """What a name server has measured. Raises ValueError for what is no report, and for one of an unknown site."""
        intent = self._around.see().intent
        known = {site.name for site in intent.sites}
        known |= {c.site or "" for zone in intent.zones for each in zone.services for c in each.candidates}
        if report.site not in known | {""}:
            raise ValueError(
                f'no site is called "{report.site[:100]}"; known: {", ".join(sorted(known - {""}))}'
            )
        self._reports.take(report)

    def explain(self, name: str, kind: str, client: Address | None, resolver: Address | None) -> Explained:
        """How questions for a name are answered now. Raises UnknownName."""
        self.look()
        return explained(self.inputs.value, name, kind, client, resolver)

    def shown(self) -> ExitStatus | None:
        """How it is."""
        if self.inputs.value is None:
            return None
        dead = [each.name for each in self._answered.values() if not each.live]
        problem = (
            f"no candidate lives of {', '.join(dead[:3])}{' and more' * (len(dead) > 3)}" if dead else ""
        )
        items = {name: _item(each) for name, each in self._answered.items()}
        return ExitStatus(True, problem, self._writes, 0, items)

    # -- how --------------------------------------------------------------------------------------------------

    def _basis(self, seen: Seen) -> tuple[object, ...]:
        """All that inputs are made of but reports: first what is compared by identity, then what is by value."""
        if self._counted[0] is not seen.intent:
            self._counted = seen.intent, counted(seen.intent)
        fit = tuple(seen.is_fit(site.name) for site in seen.intent.sites)
        counts = tuple(self._around.connections(*ref) for ref in self._counted[1])
        parts = seen.intent, seen.tables.tuned, seen.tables.writers, seen.verdicts, seen.owners
        return (*parts, (seen.drained, fit, counts))

    def _made(self, seen: Seen) -> Inputs:
        before, now = self.inputs.value, self._around.clock.now()
        rtts, resolvers = (before.rtts, before.resolvers) if before is not None else ({}, ())
        if now >= self._reported_at + REPORTS:
            self._reported_at = now
            rtts, resolvers = self._reports.rtts(), self._reports.resolvers()
        states = gathered(seen, self._around.connections)
        return Inputs(seen.revision, seen.intent.zones, states, rtts, resolvers)

    def _say(self, made: Inputs, seen: Seen) -> None:
        before, now = self._answered, self._answers.of(made)
        self._answered = now
        if self.inputs.value is None:
            return
        for name, each in now.items():
            old = before.get(name, Answered(name, {}, ()))
            if each.answers != old.answers:
                self._around.journal.event(
                    "name_answers",
                    self._cause(made, seen, name),
                    name=name,
                    answers=list(each.answers),
                    before=list(old.answers),
                    why=news(old, each),
                )

    def _cause(self, made: Inputs, seen: Seen, name: str) -> Cause:
        """Why other addresses are answered: the zones, who owns VIPs, or who lives."""
        before = self.inputs.value
        if before is None or before.zones != seen.intent.zones:
            return Cause.INTENT
        prefix = f"{name}./"
        moved = (
            key.startswith(prefix) and key in before.states and before.states[key].site != state.site
            for key, state in made.states.items()
        )
        return Cause.MOVED if any(moved) else Cause.VERDICT


def _unchanged(now: tuple[object, ...], before: tuple[object, ...]) -> bool:
    if len(now) != len(before):
        return False
    return (
        all(one is other for one, other in zip(now[:-1], before[:-1], strict=True)) and now[-1] == before[-1]
    )


def _same(before: Inputs, now: Inputs) -> bool:
    """Whether nothing but the revision differs."""
    return (before.zones, before.states, before.resolvers, before.rtts) == (
        now.zones,
        now.states,
        now.resolvers,
        now.rtts,
    )


def _item(of: Answered) -> Mapping[str, Scalar]:
    dead = "; ".join(f"{name}: {why}" for name, why in of.candidates.items() if why)
    return {
        "answers": ", ".join(of.answers),
        "candidates": len(of.candidates),
        "live": of.live,
        "not live": dead or None,
    }
