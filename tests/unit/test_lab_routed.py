"""Labs with routers: what is wrong in the file, the intent that they give, and what switches are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.model.load import load_text
from topo import intent, model, routed
from topo.errors import LabError, TopologyError
from topo.plan import Fabric, plan
from topo.routedlab import check

SHIPPED = (model.SHIPPED / "routed.yaml").read_text()


def _fabric() -> Fabric:
    return plan(model.load("routed"))


def test_its_intent_is_good_and_has_a_speaker_beside_each_lb_switch() -> None:
    fabric = _fabric()
    document = intent.intent(fabric) | routed.intent(fabric, Path("/run/evenkeel/routed/frr"))
    made = load_text(intent.dump(document), "intent.yaml")
    assert [(s.name, s.switch) for s in made.routes.speakers] == [("sp1", "lb1"), ("sp2", "lb2")]
    ports = {port.to for switch in made.switches for port in switch.ports}
    assert not ports & {"r1", "r2", "sp1-r1"}, "switches do not know routers"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("{name: sp1, at: lb1}", "{name: sp1, at: leaf1}", "no lb switch 'leaf1'; there are lb1, lb2"),
        ("{name: sp2, at: lb2}", "{name: sp2, at: lb1}", "lb1 has a speaker already"),
        ("clients: [c1]", "clients: [s1]", "'s1' is taken"),
        ("{name: sp1,", "{name: speaker1of2,", "speaker1of2-r1 is to be an interface: choose shorter names"),
        ("clients: [c1]", "clients: []", "at least 1 item"),
    ],
)
def test_what_cannot_be_is_said_where_it_is(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in SHIPPED
    text = SHIPPED.replace(old, new, 1)
    if "speaker1of2" in new:
        text = text.replace("{name: r1}", "{name: router1}").replace("-r1", "-router1")
        complaint = complaint.replace("-r1", "-router1")
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(TopologyError) as caught:
        model.load(path)
    assert complaint in str(caught.value)


def test_p4_switches_are_refused() -> None:
    topology = model.load("routed")
    switches = tuple(each.model_copy(update={"kind": "embedded"}) for each in topology.switches)
    with pytest.raises(
        LabError, match=r"lb1 is embedded, which bridges nothing|not installed: apt-get install frr"
    ):
        check(topology.model_copy(update={"switches": switches}))


def test_an_lb_switch_bridges_each_router_with_its_own_end_of_the_speaker_alone() -> None:
    fabric = _fabric()
    switch = fabric.switches["lb1"]
    flows = [line for line in routed.flows(fabric, "lb1").splitlines() if "in_port=" in line]
    pairs = {(switch.port("r1"), switch.port("sp1-r1")), (switch.port("r2"), switch.port("sp1-r2"))}
    assert len(flows) == 4
    for one, other in pairs:
        assert sum(f"in_port={one}," in line and line.endswith(f"output:{other}") for line in flows) == 1
        assert sum(f"in_port={other}," in line and line.endswith(f"output:{one}") for line in flows) == 1


def test_answers_go_to_any_router_and_a_leaf_sends_them_by_any_lb_switch() -> None:
    fabric = _fabric()
    leaf = next(line for line in routed.flows(fabric, "leaf1").splitlines() if line.startswith("group"))
    assert leaf.count("watch_port") == 2
    lb = next(line for line in routed.flows(fabric, "lb1").splitlines() if line.startswith("group"))
    assert lb.count("set_field:02:45:56:05:") == 2


def test_a_client_is_told_not_to_use_a_router_and_keeps_a_way_if_there_is_no_other() -> None:
    fabric = _fabric()
    assert routed.setup(fabric, "c1").count("nexthop") == 4
    assert "dev r1" not in next(
        line for line in routed.setup(fabric, "c1", "r1").splitlines() if "default" in line
    )


def test_labs_without_routers_have_none_of_it() -> None:
    fabric = plan(model.load("pair"))
    assert routed.flows(fabric, "lb1") == ""
    assert routed.intent(fabric, Path("/run")) == {}
    assert routed.segments(fabric) == ()
