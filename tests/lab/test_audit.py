"""The audit: what others delete, change or add among our entries is repaired and named."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from controller.spec.types import OpenFlowPlacement
from flows.tables import Kind, Meters, Placed, Priority, Stage
from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab
from tests.lab.edges import first_way
from tests.lab.long_connections import LongConnections
from tests.lab.tuned import TRIO
from topo import model
from topo.lab import Lab
from topo.plan import plan

pytestmark = pytest.mark.lab

PLACED = Placed(OpenFlowPlacement())
SLOT, FATE, BACKEND = (PLACED.table(stage) for stage in (Stage.SLOT, Stage.FATE, Stage.BACKEND))
GROUP, METER = first_way(plan(model.load(TRIO)), "edge1", "lb1"), PLACED.meter(Meters.GUARDS + 1)
LISTENER = PLACED.priority(Priority.LISTENER)
OURS = PLACED.cookie(Kind.STATIC)
STRANGER = 0x77
WITHIN = 5.0
UNTAGGED = "vlan_tci=0x0000/0x0fff"
_ZONE = re.compile(r"set_field:0x[0-9a-f]+(/0x[0-9a-f]+)?->reg[89]\b")


@pytest.fixture(scope="module")
def served(make_lab: MakeLab) -> Iterator[Balanced]:
    with Balanced(make_lab(TRIO)) as balanced:
        yield balanced


def held(lab: Lab, switch: str) -> dict[str, set[str]]:
    """Everything on a switch but counters, ages, zones (generations turn) and what switches learn by themselves."""
    flows = lab.ofctl(switch, "--no-stats", "dump-flows", "br0").splitlines()
    return {
        "flows": {
            _ZONE.sub("zone", row.strip())
            for row in flows
            if f"cookie={PLACED.cookie(Kind.LEARNED) >> 40:#x}" not in row
        },
        "groups": set(lab.ofctl(switch, "dump-groups", "br0").splitlines()[1:]),
        "meters": set(lab.ofctl(switch, "-OOpenFlow13", "dump-meters", "br0").split("meter=")[1:]),
    }


DR = f"table=0,priority={LISTENER},tcp,{UNTAGGED},nw_dst=10.0.0.100,tp_dst=7000,ip_frag=no"
NAT = f"table=0,priority={LISTENER},tcp,{UNTAGGED},nw_dst=10.0.0.101,tp_dst=7000,ip_frag=no"
UDP = f"table=0,priority={LISTENER},udp,{UNTAGGED},nw_dst=10.0.0.100,tp_dst=7001,ip_frag=no"
STRANGE_GROUP = f"group_id={GROUP},type=select,bucket=output:1"
SLOW_METER = f"meter={METER},pktps,band=type=drop,rate=7"
IN_OURS = f"table={BACKEND},priority=99"
IN_ENTRY = "table=0,priority=40000"
ADDED = f"cookie={OURS:#x}"

ROWS = [
    ("a listener deleted", "lb1", "--strict del-flows", DR, f"table=0,priority={LISTENER}"),
    ("backends changed", "lb2", "mod-flows", f"table={BACKEND},reg0=0x1,actions=drop", f"table={BACKEND}"),
    ("slots deleted", "lb3", "del-flows", f"table={SLOT},reg3=0x0/0xf", "slots of pool"),
    ("slots changed", "lb1", "mod-flows", f"table={SLOT},reg3=0x0/0xff,actions=drop", "slots of pool"),
    ("a whole table emptied", "lb2", "del-flows", f"table={FATE}", f"table={FATE}"),
    ("a group deleted", "edge1", "del-groups", f"group_id={GROUP}", f"group {GROUP}"),
    ("a group changed", "edge1", "mod-group", STRANGE_GROUP, f"group {GROUP}"),
    ("a meter changed", "lb3", "-OOpenFlow13 mod-meter", SLOW_METER, f"meter {METER}"),
    ("a meter deleted", "lb1", "-OOpenFlow13 del-meter", f"meter={METER}", f"meter {METER}"),
    ("a strange flow on an lb", "lb2", "add-flow", f"{ADDED},{IN_OURS},ip,actions=drop", IN_OURS),
    ("a strange flow on an edge", "edge1", "add-flow", f"{ADDED},{IN_ENTRY},tcp,actions=drop", IN_ENTRY),
]


@pytest.mark.parametrize(
    ("switch", "command", "what", "named"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_damage_is_repaired_and_named(
    served: Balanced, switch: str, command: str, what: str, named: str
) -> None:
    lab = served.lab
    before = held(lab, switch)
    served.mark()
    lab.ofctl(switch, *command.split(), "br0", what)
    event = served.wait_event("repaired", WITHIN, switch=switch)
    assert any(named in told for told in event["what"]), event["what"]
    _restored(lab, switch, before)
    assert event["missing"] + event["modified"] + event["unexpected"] > 0


def test_traffic_flows_after_all_repairs(served: Balanced) -> None:
    with LongConnections(served.lab) as long:
        long.open(5)
        assert long.broken() == []


def test_flows_of_others_in_our_entry_table_are_left_alone(served: Balanced) -> None:
    lab = served.lab
    flow = "table=0,priority=31000,udp,tp_dst=9,actions=drop"
    served.mark()
    lab.ofctl("lb1", "add-flow", "br0", f"cookie={STRANGER:#x},{flow}")
    lab.ofctl("lb1", "--strict", "del-flows", "br0", UDP)
    event = served.wait_event("repaired", WITHIN, switch="lb1")
    assert event["unexpected"] == 0
    assert _strangers(lab, "lb1") == 1
    lab.ofctl("lb1", "del-flows", "br0", f"cookie={STRANGER:#x}/-1")


def test_a_flow_of_others_in_the_way_is_left_alone_and_told(served: Balanced) -> None:
    lab = served.lab
    before = held(lab, "lb2")
    served.mark()
    lab.ofctl("lb2", "add-flow", "br0", f"cookie={STRANGER:#x},{NAT},actions=drop")
    event = served.wait_event("conflict", WITHIN, switch="lb2")
    assert event["count"] == 1
    served.wait_status(lambda status: status["switches"]["lb2"]["conflicts"], "the conflict is shown")
    assert _strangers(lab, "lb2") == 1
    lab.ofctl("lb2", "del-flows", "br0", f"cookie={STRANGER:#x}/-1")
    _restored(lab, "lb2", before)
    served.wait_status(lambda status: not status["switches"]["lb2"]["conflicts"], "no conflict is shown")


def _restored(lab: Lab, switch: str, before: dict[str, set[str]]) -> None:
    """Everything is as it was; if not in time, show what differs."""
    end = time.monotonic() + WITHIN
    while True:
        now = held(lab, switch)
        amiss = {kind: sorted(now[kind] ^ before[kind])[:4] for kind in now if now[kind] != before[kind]}
        if not amiss:
            return
        assert time.monotonic() < end, amiss
        time.sleep(0.2)


def _strangers(lab: Lab, switch: str) -> int:
    return len(re.findall(f"cookie={STRANGER:#x},", lab.ofctl(switch, "dump-flows", "br0")))
