"""A pool with one writer, on both kinds of switch: it dies, another takes over, and it returns by command only."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from controller.cli import codes
from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab, eventually
from tests.lab.long_connections import MODES, Connection, LongConnections
from tests.lab.tuned import tune
from topo import model

pytestmark = pytest.mark.lab
COUNT = 4
"""Connections for each mode."""


def _with_writer(document: Any) -> None:
    """Echo listeners lead to s1 and s2, of which one serves; all others stay with the pool of all servers."""
    web = document["pools"][0]
    web["health"].update({"interval": "500ms", "timeout": "500ms", "rise": 2, "fall": 4})
    pair = deepcopy([one for one in web["backends"] if one["name"] in ("s1", "s2")])
    health = deepcopy(web["health"])
    document["pools"].append(
        {"name": "db", "health": health, "failover": {"writer": "one"}, "backends": pair}
    )
    for vip in document["vips"]:
        for listener in vip["listeners"]:
            if (listener["protocol"], listener["port"]) == ("tcp", 7000):
                listener["pool"] = "db"


@pytest.fixture(scope="module", params=["ovs", pytest.param("embedded", marks=pytest.mark.long)])
def served(make_lab: MakeLab, request: pytest.FixtureRequest) -> Iterator[Balanced]:
    lab = make_lab(model.load("pair").of_kind(request.param))
    tune(lab, _with_writer)
    with Balanced(lab) as balanced:
        yield balanced


@pytest.fixture
def long(served: Balanced) -> Iterator[LongConnections]:
    with LongConnections(served.lab) as opened:
        yield opened


def _writer(served: Balanced) -> tuple[str, str | None]:
    shown = served.status()["pools"]["db/tcp"]
    return shown["writer"], shown["waits_for_command"]


def _opened(long: LongConnections, server: str) -> list[Connection]:
    """New connections, which all reach one server and live."""
    found: list[Connection] = []

    def reach() -> bool:
        found[:] = long.open(COUNT, MODES)
        return {(one.server, one.problem) for one in found} == {(server, "")}

    eventually(reach, f"new connections of every mode reach {server}", 20.0)
    return list(found)


def _reset(long: LongConnections, old: list[Connection]) -> None:
    """All of them are reset, and never answered by another server."""

    def ended() -> bool:
        long.speak(old)
        return all(one.problem for one in old)

    eventually(ended, "connections of the former writer end", 20.0)
    assert {one.problem for one in old} == {"reset"}


def test_a_dead_writers_connections_are_reset_and_it_returns_by_command_only(
    served: Balanced, long: LongConnections
) -> None:
    first = _opened(long, "s1")
    served.mark()
    served.lab.fail("s1", link=True)
    served.wait_event("writer", pool="db", backend="s2", former="s1")
    served.wait_status(lambda status: status["pools"]["db/tcp"]["writer"] == "s2", "the second is shown")
    served.settle()
    _reset(long, first)
    second = _opened(long, "s2")

    served.mark()
    served.lab.heal("s1")
    served.wait_event("verdict", pool="db", backend="s1", up=True)
    served.wait_status(lambda status: _writer(served) == ("s2", "s1"), "the first waits for a command")
    served.settle()
    second += _opened(long, "s2")
    long.speak(second)
    assert {one.problem for one in second} == {""}, "nothing moves until it is told to"
    assert not [event for event in served.since_mark() if event["event"] == "writer"]

    assert served.command("failback", "db", "s3") == codes.Asked.REFUSED
    assert served.command("failback", "db") == codes.Asked.DONE
    served.wait_event("writer", pool="db", backend="s1", former="s2")
    served.wait_status(lambda status: _writer(served) == ("s1", None), "the first is shown")
    served.settle()
    _reset(long, second)
    third = _opened(long, "s1")

    served.kill_controller()
    served.start_controller()
    served.wait_ready()
    assert served.command("failback", "db", "s2") == codes.Asked.DONE
    served.wait_status(lambda status: _writer(served) == ("s2", "s1"), "the second, by command")
    served.kill_controller()
    served.start_controller()
    served.wait_ready()
    assert _writer(served) == ("s2", "s1"), "a restart changes nothing"
    _reset(long, third)
