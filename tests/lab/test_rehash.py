"""A pool in use whose slots are taken otherwise: its connections stay, also when an lb switch dies right after."""

from __future__ import annotations

import pytest

from controller.cli import codes
from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab
from tests.lab.long_connections import LongConnections
from tests.lab.tuned import TRIO, pool, tune

pytestmark = pytest.mark.lab

MEMORY = 15.0
"""Seconds; every connection speaks within it, on a busy machine too."""
MODES = ("dr", "nat", "tun")


@pytest.mark.long
def test_connections_outlive_another_spread_and_an_lb_switch(make_lab: MakeLab) -> None:
    balanced = Balanced(make_lab(TRIO))
    tune(balanced.lab, pool("web", transition="3s", memory_timeout=f"{MEMORY:g}s"))
    with balanced, LongConnections(balanced.lab) as long:
        before = balanced.status()["pools"]["web/tcp"]["spread"]
        assert balanced.command("rehash", "web") == codes.Asked.REFUSED, "it has what it would get"
        assert {one.problem for one in long.open(120, MODES, idle_of_three=0)} == {""}
        long.talk()
        balanced.edit_intent(pool("web", spread="bits"))
        balanced.wait_event("spread_kept", pool="web/tcp", spread=before, asked="bits")
        assert balanced.command("rehash", "web", "--plan") == codes.Asked.DONE
        assert not balanced.status()["pools"]["web/tcp"]["rehash"], "a plan changes nothing"
        assert balanced.command("rehash", "web") == codes.Asked.DONE
        balanced.wait_event("rehash_ended", 8 * MEMORY, pool="web/tcp", spread="bits", former=before)
        balanced.wait_status(lambda shown: not shown["unsynced"], "every lb switch holds every pin", 30)
        balanced.lab.fail("lb1")
        balanced.wait_event("withdrawn", switch="lb1")
        long.hush()
        long.speak()
        assert long.broken() == []
        assert {one.problem for one in long.open(30, MODES, idle_of_three=0)} == {""}
