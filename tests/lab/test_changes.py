"""Changes without casualties: pools change and an lb switch dies under long-lived connections, some of them idle."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab, eventually
from tests.lab.long_connections import Connection, LongConnections
from tests.lab.tuned import TRIO, add, member, pool, remove, tune
from tests.lab.unprotected import Unprotected
from topo.lab import Lab

pytestmark = pytest.mark.lab

WINDOW = 8.0
"""Seconds that a moving slot holds both backends in these tests."""
OUTLIVING = ("dr", "nat", "tun")
"""Modes whose connections outlive their lb switch (fullnat answers go to an address of that switch)."""


@pytest.fixture(scope="module")
def trio(make_lab: MakeLab) -> Lab:
    return make_lab(TRIO)


def _moving(balanced: Balanced) -> int:
    return sum(int(each["moving"]) for each in balanced.status()["pools"].values())


def _safe(balanced: Balanced) -> None:
    """Wait until everything that talks has its pin."""
    time.sleep(1.0)
    balanced.wait_status(lambda status: not status["unsynced"], "every pin on every lb switch")


def _servers(made: list[Connection]) -> set[str]:
    return {one.server for one in made}


def _changes(balanced: Balanced, long: LongConnections) -> None:
    """Add, weigh and drain; new connections follow at once. Ends when the windows are over."""
    balanced.edit_intent(add(balanced.lab, "s4"))
    eventually(lambda: "s4" in _servers(long.open(4)), "a new connection reaches the added backend")
    balanced.edit_intent(member("s1", weight=3))
    balanced.edit_intent(member("s2", drain=True))
    balanced.settle()
    assert "s2" not in _servers(long.open(8)), "a new connection reached a draining backend"
    long.speak(long.idle)
    _safe(balanced)
    balanced.wait_status(lambda _: not _moving(balanced), "the windows are over", WINDOW + 5)


def _change_and_death(balanced: Balanced, long: LongConnections, switch: str) -> None:
    """Remove a backend, and while idle connections on moved slots rely on the window, kill an lb switch."""
    long.speak(long.idle)
    balanced.edit_intent(remove("s3"))
    _safe(balanced)
    assert not [one for one in long.broken() if one.mode == "fullnat"]
    long.close("fullnat")
    balanced.lab.fail(switch)
    balanced.wait_event("withdrawn", switch=switch)
    long.speak(long.idle)
    time.sleep(1.0)


def _ordeal(balanced: Balanced) -> list[Connection]:
    """Everything that may happen to a pool, then the death of a switch; the connections that it broke."""
    with balanced, LongConnections(balanced.lab) as long:
        long.open(45)
        long.talk()
        _changes(balanced, long)
        _change_and_death(balanced, long, "lb1")
        long.speak()
        broken = long.broken()
    balanced.lab.heal("lb1")
    _open_links(balanced.lab, "lb1")
    balanced.lab.wait_ready()
    return broken


def _open_links(lab: Lab, name: str) -> None:
    """Let edges use a switch that no controller is here to admit."""
    for port in lab.fabric.switches[name].ports:
        if port.to in lab.fabric.switches:
            lab.vsctl(name, "set", "interface", port.to, "bfd:cpath_down=false")


ROWS: list[tuple[str, Callable[[Lab], Balanced], float, bool]] = [
    ("fully protected", Balanced, WINDOW, True),
    ("without answers to exceptions", lambda lab: Unprotected(lab, "pins"), WINDOW, False),
    ("without base", lambda lab: Unprotected(lab, "base"), WINDOW, False),
]


@pytest.mark.parametrize(
    ("make", "window", "unharmed"),
    [pytest.param(*row[1:], id=row[0], marks=() if row[3] else pytest.mark.long) for row in ROWS],
)
def test_no_connection_with_a_living_server_breaks_through_changes_and_the_death_of_an_lb_switch(
    trio: Lab, make: Callable[[Lab], Balanced], window: float, unharmed: bool
) -> None:
    balanced = make(trio)
    tune(trio, pool(transition=f"{window:g}s"))
    broken = _ordeal(balanced)
    if unharmed:
        assert broken == []
    else:
        assert broken, "nothing broke although a protection was switched off: this test can see nothing"
        assert {one.problem for one in broken} <= {"reset", "misdirected", "timeout"}
