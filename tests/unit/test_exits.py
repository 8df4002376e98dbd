"""Exits: one that fails is said and started again, and the others go on."""

from __future__ import annotations

import asyncio
import io
import json
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from rich.console import Console

from controller.cli import exits as shown_by
from controller.clock import SystemClock
from controller.core.journal import Journal
from controller.core.servers import Heard
from controller.core.shown import ExitStatus
from controller.exits import base, registry
from controller.exits.base import Around, Exits, Seen
from controller.plan.sessions import Live
from controller.plan.tables import Tables
from controller.sites.fitness import Condition, Fitness, Name
from controller.sites.placement import SiteState
from controller.spec.types import Intent

GOOD = ExitStatus(True, "", 1, 0, {"10.0.0.1": {"announced": True, "cost": 10, "share": 0.5, "why": None}})


class Part:
    """An exit that fails so many times before it stays."""

    def __init__(self, name: str, failures: int, status: ExitStatus | None = GOOD) -> None:
        self.name = name
        self.status = status
        self.failures = failures
        self.runs = 0
        self.stays = asyncio.Event()

    async def run(self) -> None:
        self.runs += 1
        if self.runs <= self.failures:
            raise OSError("engine gone")
        self.stays.set()
        await asyncio.Event().wait()

    def shown(self) -> ExitStatus | None:
        return self.status


def _around(sink: io.StringIO) -> Around:
    def see() -> Seen:
        raise AssertionError("no part asked")

    return Around(see, lambda _: None, Journal(sink), SystemClock())


def _events(sink: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def test_one_that_fails_is_said_and_started_again_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "FIRST_PAUSE", 0.001)
    sink = io.StringIO()

    async def scene() -> ExitStatus:
        bad, good, unused = Part("bad", 2), Part("good", 0), Part("unused", 0, None)
        exits = Exits((lambda _: bad, lambda _: good, lambda _: unused), _around(sink))
        task = asyncio.create_task(exits.run())
        async with asyncio.timeout(30):
            await good.stays.wait()
            failed = exits.shown()["bad"]
            await bad.stays.wait()
        task.cancel()
        assert (good.runs, bad.runs) == (1, 3)
        assert exits.shown() == {"bad": GOOD, "good": GOOD}
        return failed

    failed = asyncio.run(scene())
    assert not failed.synced
    assert failed.problem == "OSError: engine gone"
    assert [(each["event"], each["part"]) for each in _events(sink)] == [("failure", "bad")] * 2


@pytest.mark.parametrize(
    ("drained", "fit", "serves"),
    [((), True, True), ((), False, False), (("east",), True, False), ((), None, True)],
)
def test_a_site_may_serve_while_it_is_fit_and_in_service(
    drained: tuple[str, ...], fit: bool | None, serves: bool
) -> None:
    conditions = (Condition(Name.LBS, bool(fit), "2 of 2"),)
    states = None if fit is None else {"east": SiteState(Fitness(conditions))}
    nothing: frozenset[str] = frozenset()
    seen = Seen(1, Intent((), (), (), ()), Tables(), {}, {}, nothing, nothing, frozenset(drained), states)
    assert seen.is_fit("east") is serves
    assert seen.is_fit("west"), "it was not looked at yet"


def test_status_shows_each_exit_with_what_it_drives() -> None:
    out = io.StringIO()
    row = {"synced": False, "problem": "no [engine]", "writes": 2, "repairs": 3, "items": dict(GOOD.items)}
    shown_by.show(Console(file=out, width=120), {"routes": row})
    text = out.getvalue()
    assert "routes: not synced, 2 writes, 3 repairs" in text
    assert "routes: no [engine]" in text
    (line,) = (each for each in text.splitlines() if "10.0.0.1" in each)
    assert [cell.strip() for cell in line.strip("│").split("│")] == ["10.0.0.1", "yes", "10", "0.5", ""]


@pytest.mark.parametrize(
    ("gauge", "silent", "counted", "known"),
    [
        (7, False, Live(20, 10, 10.0, 1.0, 0.0), 7),
        (7, True, Live(20, 10, 10.0, 1.0, 0.0), 10),
        (None, False, Live(20, 10, 10.4, 1.0, 0.0), 10),
        (None, False, Live(2000, 1000, 10.0, 500.0, 0.0), None),
        (None, False, None, None),
    ],
)
def test_connections_are_those_of_the_server_or_else_of_the_switches_if_these_are_good_enough(
    gauge: int | None, silent: bool, counted: Live | None, known: int | None
) -> None:
    servers: Any = SimpleNamespace(heard=lambda ref: Heard(1.0, "", gauge, silent))
    sessions: Any = SimpleNamespace(of_backend=lambda ref: counted)
    made = registry.around(Mock(), lambda: None, Journal(io.StringIO()), SystemClock(), servers, sessions)
    assert made.connections("web", "s1") == known
