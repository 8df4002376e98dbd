"""A connection that is opened while its slot moves is pinned, so that its lb switch may die before the slot settles."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab, eventually
from tests.lab.long_connections import LongConnections
from tests.lab.test_reused_ports import LBS, pinned, reported
from tests.lab.tuned import TRIO, pool, tune, weights

pytestmark = [pytest.mark.lab, pytest.mark.long]

WINDOW = 600.0
"""Seconds that slots move; longer than the test."""


@pytest.fixture(scope="module")
def served(make_lab: MakeLab) -> Iterator[Balanced]:
    lab = make_lab(TRIO)
    balanced = Balanced(lab)
    tune(lab, pool(transition=f"{WINDOW:g}s", memory_timeout=f"{WINDOW:g}s"))
    with balanced:
        yield balanced


def test_connections_opened_on_moving_slots_survive_the_death_of_their_lb_switch(served: Balanced) -> None:
    lab = served.lab
    with LongConnections(lab) as long:
        served.edit_intent(weights("web", s1=6))
        served.settle()
        made = {one.port: one for one in long.open(60, ["dr"], idle_of_three=0)}
        long.talk()
        moving = served.status()["pools"]["web/tcp"]["moving"]
        assert moving > 0
        eventually(lambda: pinned(lab) & made.keys(), "pins of connections opened on moving slots")
        served.settle()
        victim = max(LBS, key=lambda switch: reported(lab, switch))
        served.mark()
        lab.fail(victim)
        served.wait_event("withdrawn", switch=victim)
        long.hush()
        long.speak()
        assert long.broken() == []
