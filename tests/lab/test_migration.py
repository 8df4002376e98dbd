"""A fabric whose switches remember every connection is taken over by a version that remembers those of moved slots."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.lab.conftest import MakeLab, eventually
from tests.lab.edges import uses
from tests.lab.former import Former
from tests.lab.long_connections import LongConnections
from tests.lab.tuned import TRIO, pool, tune, weights

pytestmark = [pytest.mark.lab, pytest.mark.long]

MEMORY = 12.0
"""Seconds of ``memory_timeout``."""
MODES = ("dr", "nat", "tun")
MANY = 700
"""Connections of each mode: over 2,000 in all."""


@pytest.fixture
def served(make_lab: MakeLab) -> Iterator[Former]:
    lab = make_lab(TRIO)
    tune(lab, pool(transition="3s", memory_timeout=f"{MEMORY:g}s"))
    running = Former(lab)
    with running:
        yield running


def _grow_old(seconds: float) -> None:
    """So many seconds pass, in which connections speak."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(MEMORY / 10)


def _settle(served: Former) -> None:
    """Until no slot of theirs is tracked."""
    end = time.monotonic() + 10 * MEMORY
    while (shown := served.status()["pools"]["web/tcp"])["tracked"]:
        assert time.monotonic() < end, f"{shown['tracked']} slots do not settle: {shown['settles_after']}"
        _grow_old(1.0)


def test_a_take_over_and_the_death_of_an_lb_switch_break_no_connection(served: Former) -> None:
    with LongConnections(served.lab) as long:
        long.open(MANY, MODES, idle_of_three=0)
        long.talk(pause=MEMORY / 6)
        served.edit_intent(weights("web", s1=4))
        _grow_old(MEMORY + 1)
        served.edit_intent(weights("web", s1=2, s2=3))
        long.open(20, MODES, idle_of_three=0)
        served.settle()
        assert served.status()["pools"]["web/tcp"]["watched"], "slots moved within a memory"
        served.take_over()
        served.wait_ready()
        assert served.status()["pools"]["web/tcp"]["tracked"]
        assert long.broken() == []
        _settle(served)
        served.mark()
        served.lab.fail("lb2")
        served.wait_event("withdrawn", switch="lb2")
        eventually(lambda: not uses(served.lab, "edge1", "lb2"), "the edge leaves it out")
        long.hush()
        long.speak()
        assert long.broken() == []
