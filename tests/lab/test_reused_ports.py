"""A client that uses a port again, whose former connection is pinned: the new one's pin counts, and stays."""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from controller.spec.types import OpenFlowPlacement
from flows.stages.pin import ENDS
from flows.tables import Placed, Stage
from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab, eventually
from tests.lab.long_connections import ANSWER_WITHIN, ENDPOINTS, Connection, LongConnections
from tests.lab.tuned import TRIO, pool, tune, weights
from topo.lab import Lab

pytestmark = pytest.mark.lab

LBS = ("lb1", "lb2", "lb3")
IDLE = 4.0
"""Seconds of silence after which a pin ends."""


@pytest.fixture(scope="module")
def served(make_lab: MakeLab) -> Iterator[Balanced]:
    lab = make_lab(TRIO)
    balanced = Balanced(lab)
    tune(lab, pool(transition="1s", memory_timeout=f"{IDLE:g}s"))
    with balanced:
        yield balanced


def _rows(lab: Lab, switch: str, stage: Stage) -> dict[int, str]:
    """Flows of a stage about single connections, but for those that SYNs meet, by the client's port."""
    table = Placed(OpenFlowPlacement()).table(stage)
    rows = lab.ofctl(switch, "dump-flows", "br0", f"table={table}").splitlines()
    found = {row: re.search(r"tp_src=(\d+)", row) for row in rows if f"priority={ENDS}" not in row}
    return {int(port[1]): row for row, port in found.items() if port}


def pinned(lab: Lab) -> set[int]:
    """Ports that are pinned on every lb switch."""
    return set.intersection(*(set(_rows(lab, switch, Stage.PIN)) for switch in LBS))


def reported(lab: Lab, switch: str) -> int:
    """How many pins a switch reports: those of the connections that it carries."""
    return sum("idle_timeout" in row for row in _rows(lab, switch, Stage.PIN).values())


def _abort(lab: Lab, long: LongConnections, ports: set[int]) -> None:
    """Abort the connections from these ports; then nothing but their pins tells of them, not even a cached decision."""
    aborted = [one for one in long.all if one.port in ports]
    long.all = [one for one in long.all if one not in aborted]
    for one in aborted:
        one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.socket.close()
    # What comes behind the resets on the same ways has passed every lb switch when it is answered.
    long.speak()
    for switch in LBS:
        lab.appctl(switch, "dpctl/flush-conntrack")
        lab.appctl(switch, "revalidator/purge")


def _open(lab: Lab, long: LongConnections, port: int) -> Connection:
    """Open a connection from this port."""
    made = Connection("dr", False, lab.socket("c1"))
    made.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.socket.settimeout(ANSWER_WITHIN)
    made.socket.bind(("", port))
    made.socket.connect(ENDPOINTS["dr"])
    long.speak([made])
    assert not made.problem
    long.all.append(made)
    return made


@pytest.mark.long
def test_the_pin_of_a_reused_port_stays_while_its_connection_speaks(served: Balanced) -> None:
    lab = served.lab
    with LongConnections(lab) as long:
        long.open(60, ["dr"], idle_of_three=0)
        long.talk()
        served.edit_intent(weights("web", s1=6))
        eventually(lambda: pinned(lab), "pins of connections on moved slots")
        served.settle()
        former = pinned(lab)
        long.hush()
        _abort(lab, long, former)
        again = [_open(lab, long, port) for port in sorted(former)]
        eventually(lambda: not former & pinned(lab), "the former connections' pins end")
        assert all(not _rows(lab, switch, Stage.PIN_RETRACTED) for switch in LBS), (
            "retractions go with their pins"
        )

        long.talk()
        served.edit_intent(weights("web", s1=1, s2=6))
        ports = {one.port for one in again}
        eventually(lambda: ports & pinned(lab), "pins of the new connections, from ports used before")
        served.settle()
        mine = ports & pinned(lab)
        end = time.monotonic() + 2.5 * IDLE
        while time.monotonic() < end:
            assert mine <= pinned(lab), "a pin ended though its connection speaks"
            time.sleep(0.2)
        assert long.broken() == []

        # Pins that have not been hit for long where they are now needed are as good as those that were.
        carrier = max(LBS, key=lambda switch: reported(lab, switch))
        served.mark()
        lab.fail(carrier)
        served.wait_event("withdrawn", switch=carrier)
        long.hush()
        long.speak()
        assert long.broken() == []
        lab.heal(carrier)
