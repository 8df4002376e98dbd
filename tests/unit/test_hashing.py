"""Switches are asked how their datapaths hash, and what comes of it: the real controller process, fake switches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from controller.core import hashing
from controller.core.hashing import DECISION, Hashing
from controller.spec.spread import Spread
from controller.spec.types import Role
from tests.fakes.openflow import FakeSwitch
from tests.fakes.process import Running, quiet_intent

NUMBERS = {"edge1": 0x11, "lb1": 0x21, "lb2": 0x22, "leaf1": 0x31}
POOL = "web/tcp"
NOW = 1000.0


def otherwise(right: int) -> int:
    """As a compiler's build does that mixes with other instructions."""
    return right ^ 0x1234


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with Running(tmp_path, quiet_intent("pair")) as process:
        process.wait_event("started")
        yield process


@contextmanager
def connected(running: Running, **mixes: Callable[[int], int] | None) -> Iterator[dict[str, FakeSwitch]]:
    """Switches of these names, in this order; each waits until the one before is synced."""
    made = {name: FakeSwitch(NUMBERS[name], running.port) for name in mixes}
    try:
        for name, each in made.items():
            each.mixes = mixes[name]
            each.connect()
            running.wait(partial(_is, running, name, "synced"), f"{name} is synced")
        yield made
    finally:
        for each in made.values():
            each.hang_up()


def shown(running: Running, switch: str) -> dict[str, Any]:
    with suppress(KeyError):
        found: dict[str, Any] = running.status()["switches"][switch]
        return found
    return {}


def _is(running: Running, switch: str, what: str) -> bool:
    return bool(shown(running, switch).get(what))


def spread(running: Running) -> str:
    found: str = running.status()["pools"][POOL]["spread"]
    return found


def becomes(running: Running, wanted: str) -> None:
    running.wait(lambda: spread(running) == wanted, f"{POOL} goes by {wanted}")


@pytest.mark.parametrize(
    ("tasks", "verdict"),
    [
        ({}, None),
        ({"lb1": (None, 0.0)}, None),
        ({"lb1": (True, 0.0), "lb2": (True, 0.0)}, True),
        ({"lb1": (True, 0.0), "lb2": (False, 0.0)}, False),
        ({"lb1": (True, 0.0), "lb2": (None, NOW)}, None),
        ({"lb1": (True, 0.0), "lb2": (None, NOW - DECISION)}, True),
        ({"lb1": (True, 0.0), "other": (False, 0.0)}, True),
    ],
    ids=[
        "none",
        "not asked",
        "alike",
        "one differs",
        "one to be asked",
        "one read for long",
        "one elsewhere",
    ],
)
def test_the_verdict_on_lb_switches(
    tasks: dict[str, tuple[bool | None, float]], verdict: bool | None
) -> None:
    fleet: Any = [
        SimpleNamespace(switch=SimpleNamespace(name=name), hashes=hashes, since=since)
        for name, (hashes, since) in tasks.items()
    ]
    nothing: Any = None
    clock: Any = SimpleNamespace(now=lambda: NOW)
    asked = Hashing(nothing, nothing, fleet, nothing, nothing, clock, nothing, nothing)
    assert asked.verdict(frozenset({"lb1", "lb2"})) is verdict


def test_a_pool_is_not_decided_before_an_lb_switch_was_asked(running: Running) -> None:
    with connected(running, edge1=int, leaf1=int):
        assert spread(running) == ""
        with connected(running, lb1=int):
            becomes(running, "datapath")


def test_where_the_first_datapath_mixes_otherwise_new_pools_go_by_the_kinds_hash(running: Running) -> None:
    with connected(running, lb1=otherwise, lb2=int):
        becomes(running, "own")
        said = running.wait_event("hash_differs", switch="lb1")
        assert "datapath hashes 192.0.2.1:40001 to 198.51.100.9:80 to" in said["why"]
        assert shown(running, "lb1")["problem"].startswith("hash_differs: its datapath hashes")
        for name in ("lb1", "lb2"):  # nothing goes by it
            running.wait(partial(_is, running, name, "admitted"), f"{name} is admitted")


def test_a_switch_that_mixes_otherwise_than_its_pools_are_spread_is_not_used(running: Running) -> None:
    with connected(running, lb1=int, lb2=otherwise) as switches:
        becomes(running, "datapath")
        running.wait_event("hash_differs", switch="lb2")
        held = running.wait_event("held", switch="lb2")
        assert "hashes" in held["why"]
        assert not shown(running, "lb2")["admitted"]
        switches["lb2"].hang_up()
        with connected(running, lb2=int):  # another build of it
            running.wait(lambda: shown(running, "lb2").get("admitted"), "it is admitted")
        assert spread(running) == "datapath"


def test_one_that_was_used_and_mixes_otherwise_since_is_used_no_more(running: Running) -> None:
    with connected(running, lb1=int, lb2=int) as switches:
        for name in switches:
            running.wait(partial(_is, running, name, "admitted"), f"{name} is admitted")
        switches["lb2"].mixes = otherwise
        switches["lb2"].connect()
        running.wait_event("hash_differs", switch="lb2")
        running.wait(lambda: not shown(running, "lb2")["admitted"], "it is withdrawn")
        assert spread(running) == "datapath"


def test_no_answer_is_as_good_as_another_one_until_there_is_one(running: Running) -> None:
    with connected(running, lb1=None) as switches:
        becomes(running, "own")
        assert "did not tell its hash within" in shown(running, "lb1")["problem"]
        switches["lb1"].mixes = int
        running.wait(lambda: "hash_differs" not in shown(running, "lb1")["problem"], "it answered")
        assert spread(running) == "own", "for the pool's life"


def test_one_in_use_that_is_only_silent_stays_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A takeover on a busy machine: it was in order for the controller before, and is asked on."""
    monkeypatch.setattr(hashing, "WAIT", 0.0)
    monkeypatch.setattr(hashing, "AGAIN", 0.01)
    withdrawn: list[str] = []
    task: Any = SimpleNamespace(
        switch=SimpleNamespace(id=1, name="lb1", roles={Role.LB}),
        driver=SimpleNamespace(hash_question=lambda _frame: b""),
        hashes=None,
        unlike="",
        send=lambda _message: None,
        spawn=lambda work: work.close(),
    )
    pools: Any = {"web/tcp": SimpleNamespace(name="web", spread=Spread.DATAPATH)}
    cell: Any = SimpleNamespace(value=SimpleNamespace(pools=pools))
    presence: Any = SimpleNamespace(withdraw=lambda _id, why, _cause: withdrawn.append(why))
    nothing: Any = SimpleNamespace(value=None, event=lambda *_args, **_fields: None)
    fleet: Any = {1: task}
    clock: Any = SimpleNamespace(now=lambda: NOW)
    asked = Hashing(nothing, cell, fleet, presence, nothing, clock, nothing, nothing)
    asyncio.run(asked._ask(task, task.driver))
    assert "did not tell its hash" in task.unlike
    assert asked.bars(1), "if it were not in use, it would not be admitted"
    assert withdrawn == []
    asked._take(asked._asked[1], "its datapath hashes otherwise")
    assert len(withdrawn) == 1
