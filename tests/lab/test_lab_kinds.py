"""Labs of P4 switches, and of P4 beside Open vSwitch: up, down, broken and repaired like any other."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.lab.conftest import eventually
from tests.lab.wire import Tap, ip_packet, mac_of
from topo import model, ovs, p4process, process, state
from topo.errors import CommandError, LabError
from topo.lab import Lab
from topo.switches import missing

pytestmark = pytest.mark.lab

P4 = [pytest.param("bmv2", marks=pytest.mark.long), "embedded"]
Up = Callable[..., Lab]


@pytest.fixture
def up() -> Iterator[Up]:
    """``Lab.up`` under a name of the test's own; skips, with the reason, where a program is missing."""
    if os.geteuid() != 0:
        pytest.skip("labs need network namespaces: run as root")
    name = f"k{os.getpid()}"[:12]

    def build(topology: model.Topology, switch: model.SwitchKind = "ovs") -> Lab:
        reason = missing(each.kind or switch for each in topology.switches)
        if reason is not None:
            pytest.skip(reason)
        return Lab.up(topology, name=name, switch=switch, temporary=True)

    yield build
    state.remove(name)


def pair(**kinds: model.SwitchKind) -> model.Topology:
    """The pair topology with some switches of a kind of their own."""
    topology = model.load("pair")
    switches = tuple(
        each.model_copy(update={"kind": kinds.get(each.name, each.kind)}) for each in topology.switches
    )
    return topology.model_copy(update={"switches": switches})


def listens(lab: Lab, switch: str) -> bool:
    """Whether a switch's P4Runtime server takes connections on the control network."""
    with lab.socket("ctl") as one:
        one.settimeout(2)
        return one.connect_ex((str(lab.fabric.switches[switch].control), 9559)) == 0


@pytest.mark.parametrize("kind", P4)
def test_a_lab_of_p4_switches_comes_up_and_leaves_nothing(up: Up, kind: model.SwitchKind) -> None:
    lab = up(pair(), kind)
    nodes = lab.status()["nodes"]
    assert {nodes[name]["type"] for name in lab.switches} == {kind}
    assert all(nodes[name]["running"] for name in lab.switches)
    assert all(all(nodes[name]["neighbours"].values()) for name in lab.switches)
    assert all(listens(lab, name) for name in lab.switches)
    programs = process.recall(lab.path / "pids")
    # Four switches, three servers and as many ends of tunnels.
    assert len(programs) == 10
    lab.down()
    assert not [each for each in programs if each.alive]
    assert not lab.path.exists()
    assert state.spaces(lab.name) == []


@pytest.mark.parametrize("kind", P4)
def test_a_killed_p4_switch_is_shown_dead_and_lives_again_when_healed(up: Up, kind: model.SwitchKind) -> None:
    lab = up(pair(), kind)
    lab.fail("lb1")
    nodes = lab.status()["nodes"]
    assert {name for name in lab.switches if not nodes[name]["running"]} == {"lb1"}
    assert not listens(lab, "lb1")
    lab.heal("lb1")
    assert lab.status()["nodes"]["lb1"]["running"]
    assert listens(lab, "lb1")


@pytest.mark.parametrize("kind", P4)
def test_a_switch_comes_first_and_one_in_python_leaves_others_a_share(up: Up, kind: model.SwitchKind) -> None:
    lab = up(model.load("single"), kind)
    (program,) = process.recall(lab.path / "pids", "sw1")
    threads = [int(each) for each in os.listdir(f"/proc/{program.pid}/task")]
    real_time = {os.sched_getscheduler(each) == os.SCHED_RR for each in threads}
    assert real_time == {kind == "bmv2"}
    if kind == "embedded":
        assert {os.getpriority(os.PRIO_PROCESS, each) for each in threads} == {-10}


@pytest.mark.parametrize("kind", P4)
@pytest.mark.parametrize("link", ["edge1-lb1", "c1-edge1"])
def test_a_cut_link_between_p4_switches_lets_nothing_through_until_it_is_mended(
    up: Up, kind: model.SwitchKind, link: str
) -> None:
    lab = up(pair(), kind)
    near, _, far = link.partition("-")
    # Frames are put on the wire beside the switch programs, which without a controller send none.
    interfaces = {near: "eth0" if near in lab.fabric.hosts else far, far: near}

    def crosses() -> bool:
        with lab.namespace(far):
            there = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88B5))
        with lab.namespace(near):
            here = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with there, here:
            there.bind((interfaces[far], 0x88B5))
            there.settimeout(0.3)
            here.bind((interfaces[near], 0))
            try:
                here.send(b"\xff" * 6 + b"\x02" + bytes(5) + b"\x88\xb5" + b"anybody there?")
                return bool(there.recv(100))
            except OSError:
                return False

    assert crosses()
    lab.fail(link)
    assert lab.status()["links"][link] is False
    assert not crosses()
    assert all(lab.status()["nodes"][name]["running"] for name in lab.switches)
    lab.heal(link)
    eventually(crosses, f"{link} carries frames again")
    assert all(lab.status()["links"].values())


def test_ovs_switches_watch_each_other_by_bfd_and_p4_switches_by_their_cables(
    up: Up, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ovs.missing() is not None:
        pytest.skip(str(ovs.missing()))
    lab = up(pair(lb1="embedded"))
    assert lab.switches["edge1"].liveness() == {"lb1": True, "lb2": True}
    shown = lab.appctl("edge1", "bfd/show")
    assert "---- lb2 ----" in shown
    assert "lb1" not in shown
    lab.fail("lb1")
    assert lab.switches["edge1"].liveness() == {"lb1": False, "lb2": True}
    assert "LINK_DOWN" in lab.ofctl("leaf1", "dump-ports-desc", "br0", "lb1")
    # There is no controller that would make it forward: it is admitted when the wait is over.
    monkeypatch.setattr(p4process, "PATIENCE", 0.5)
    lab.heal("lb1")
    assert lab.switches["edge1"].liveness() == {"lb1": True, "lb2": True}
    eventually(lambda: "LINK_DOWN" not in lab.ofctl("leaf1", "dump-ports-desc", "br0", "lb1"), "link up")


def test_what_only_open_vswitch_has_is_refused_elsewhere(up: Up) -> None:
    lab = up(model.load("single"), "embedded")
    with pytest.raises(LabError, match="sw1 is of kind embedded, which ovs-ofctl cannot ask"):
        lab.ofctl("sw1", "dump-flows", "br0")
    with pytest.raises(LabError, match=r"it speaks P4Runtime at 172\.31\.0\.17:9559"):
        lab.appctl("sw1", "bfd/show")
    lab.down()
    with pytest.raises(LabError, match=r"tso is for labs of ovs switches.*sw1 is embedded"):
        Lab.up("single", name=lab.name, tso=True, switch="embedded")


def test_a_program_that_is_missing_is_named_with_where_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing(["embedded"]) is None
    reason = missing(["embedded", "bmv2"])
    assert reason is not None
    assert "simple_switch_grpc is not on PATH" in reason
    assert "--switch embedded" in reason


def test_a_switch_that_ends_as_it_starts_is_reported_with_what_it_said_and_nothing_stays(
    up: Up, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        p4process.P4Switch, "command", lambda _: ["sh", "-c", "echo no such port; sleep 0.2; exit 3"]
    )
    with pytest.raises(CommandError, match=r"(?s)ended: no such port"):
        up(model.load("single"), "embedded")
    assert state.spaces(f"k{os.getpid()}"[:12]) == []


def test_hosts_and_switches_put_whole_packets_on_the_cables_of_p4_switches(up: Up) -> None:
    lab = up(pair(edge1="embedded", lb1="embedded"), "embedded")
    for node, interface in (("c1", "eth0"), ("edge1", "c1"), ("lb1", "edge1"), ("edge1", "lb1")):
        told = lab.exec(node, ["ethtool", "-k", interface], capture_output=True, text=True, check=True).stdout
        for feature in ("tx-checksumming", "generic-segmentation-offload", "generic-receive-offload"):
            assert f"{feature}: off" in told, (node, interface)


@pytest.mark.parametrize("vip", ["10.0.0.103", "fd00::103"])
@pytest.mark.parametrize("outer", [4, 6])
def test_a_server_answers_what_comes_in_ipip(tunnelled: Lab, vip: str, outer: int) -> None:
    target = ip_address(vip)
    client = ip_address("10.0.0.11" if target.version == 4 else "fd00::11")
    switch = ip_address("10.3.1.1" if outer == 4 else "fd00:0:0:3:1::1")
    server = tunnelled.fabric.hosts["s1"]
    own = next(each.ip for each in server.addresses if each.version == outer)
    question = struct.pack("!HHHH", 5555, 7001, 13, 0) + b"hello"
    inside = ip_packet(client, target, 17, question, sum_at=6 if target.version == 6 else None)
    packet = ip_packet(switch, own, 4 if target.version == 4 else 41, inside)
    frame = mac_of(server.mac) + mac_of(tunnelled.fabric.topology.gateway_mac)
    frame += (b"\x08\x00" if outer == 4 else b"\x86\xdd") + packet
    with tunnelled.namespace(server.attach):
        cable = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with Tap(tunnelled, "s1") as tap, cable:
        cable.bind(("s1", 0))
        cable.send(frame)
        answers = tap.frames(lambda seen: seen.outgoing and seen.protocol == 17)
    assert [(seen.source, seen.destination, seen.payload[8:]) for seen in answers] == [
        (target, client, b"s1 hello")
    ]


def test_a_server_that_died_and_was_healed_still_takes_ipip_apart(tunnelled: Lab) -> None:
    tunnelled.fail("s1")
    tunnelled.heal("s1")
    test_a_server_answers_what_comes_in_ipip(tunnelled, "10.0.0.103", 4)


@pytest.fixture(scope="module")
def tunnelled() -> Iterator[Lab]:
    """The pair topology, which has listeners of mode tun, on embedded switches."""
    if os.geteuid() != 0:
        pytest.skip("labs need network namespaces: run as root")
    name = f"i{os.getpid()}"[:12]
    yield Lab.up("pair", name=name, switch="embedded", temporary=True)
    state.remove(name)
