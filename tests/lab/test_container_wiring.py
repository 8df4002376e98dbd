"""The wiring of compose.yaml: containers come, go and are replaced; their neighbours keep their cables."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from topo import netns, wires
from topo.containers import badge, fabric
from topo.containers.node import wired
from topo.containers.panel import PREFIX, Panel
from topo.containers.wiring import Wiring
from topo.errors import LabError

pytestmark = pytest.mark.needs_root
BOX = "container-"
"""Prefix of the namespaces that stand for containers here."""


def _remove_all() -> None:
    for space in (*netns.names(PREFIX), *netns.names(BOX)):
        netns.remove(space)


@pytest.fixture
def panel() -> Iterator[Panel]:
    _remove_all()
    made = Panel(fabric.chosen({}))
    yield made
    made.close()
    _remove_all()


def _container(node: str) -> int:
    """A new namespace as an engine makes it, with IPv6 off; a file descriptor of it."""
    netns.create(f"{BOX}{node}")
    with netns.enter(f"{BOX}{node}"):
        netns.sysctl("net/ipv6/conf/all/disable_ipv6", "1")
    return os.open(netns.RUN / f"{BOX}{node}", os.O_RDONLY)


def _shown(node: str, *words: str) -> str:
    with netns.enter(f"{BOX}{node}"):
        return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def test_a_switch_gets_its_ports_and_its_control_address(panel: Panel) -> None:
    panel.plug_in("lb1", _container("lb1"))
    assert set(wires.links(f"{BOX}lb1")) == {"lo", "edge1", "leaf1", wires.CONTROL_INTERFACE}
    assert f"{fabric.chosen({}).switches['lb1'].control}/16" in _shown("lb1", "-o", "-4", "address")


def test_a_server_gets_its_addresses_and_those_of_the_vips(panel: Panel) -> None:
    panel.plug_in("s1", _container("s1"))
    shown = _shown("s1", "-o", "address")
    for address in ("10.1.0.11/24", "fd00:0:0:1::11/64", "10.0.0.100/32", "fd00::100/128"):
        assert address in shown
    assert "default via 10.1.0.254" in _shown("s1", "route")


def test_the_cable_between_two_containers_carries(panel: Panel) -> None:
    panel.plug_in("edge1", _container("edge1"))
    panel.plug_in("lb1", _container("lb1"))
    assert wires.links(f"{BOX}edge1")["lb1"]
    assert wires.links(f"{BOX}lb1")["edge1"]


def test_a_neighbour_keeps_its_port_while_a_container_is_replaced(panel: Panel) -> None:
    panel.plug_in("edge1", _container("edge1"))
    panel.plug_in("lb1", _container("lb1"))
    before = _shown("edge1", "-o", "link", "show", "lb1").split(":")[0]
    netns.remove(f"{BOX}lb1")  # the container is gone, its namespace known to the panel only
    assert wires.links(f"{BOX}edge1")["lb1"], "the cable is still plugged in"
    panel.plug_in("lb1", _container("lb1"))
    assert _shown("edge1", "-o", "link", "show", "lb1").split(":")[0] == before
    assert wires.links(f"{BOX}edge1")["lb1"]
    assert wires.links(f"{BOX}lb1")["edge1"]


def test_an_unknown_node_is_refused_by_name(panel: Panel) -> None:
    with pytest.raises(LabError, match=r"no node 'lb9' .* edge1, lb1"):
        panel.plug_in("lb9", os.open(os.devnull, os.O_RDONLY))


@pytest.fixture
def service(panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(badge, "SOCKET", tmp_path / "socket")
    wiring = Wiring(panel, badge.SOCKET)
    threading.Thread(target=wiring.run, daemon=True).start()


NODE = """
import sys
from pathlib import Path
from topo.containers import badge, node
badge.SOCKET = Path(sys.argv[1])
sys.exit(node.main([sys.argv[2]]))
"""


@pytest.mark.usefixtures("service")
def test_a_container_is_wired_by_its_first_process() -> None:
    netns.create(f"{BOX}c1")
    with netns.enter(f"{BOX}c1"):
        client = subprocess.Popen([sys.executable, "-c", NODE, str(badge.SOCKET), "c1"])
    try:
        with netns.enter(f"{BOX}c1"):
            watch = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        with watch:
            watch.bind((0, 0x40))  # RTMGRP_IPV4_ROUTE
            watch.settimeout(60.0)
            while "default via 10.0.0.254" not in _shown("c1", "route"):
                watch.recv(65536)
    finally:
        client.terminate()
        assert client.wait(30.0) == 0


@pytest.mark.usefixtures("service")
def test_a_name_that_is_none_of_the_fabric_is_told_to_the_container() -> None:
    with pytest.raises(LabError, match="wiring: no node 'nobody' in this fabric"):
        wired("nobody", within=30.0)


def test_a_container_does_not_wait_for_ever_for_the_wiring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(badge, "SOCKET", tmp_path / "none")
    with pytest.raises(LabError, match=r"no answer of the wiring service within 0\.2 s: .*No such file"):
        wired("c1", within=0.2)


def test_a_name_without_a_namespace_is_refused() -> None:
    with ExitStack() as stack:
        here, there = (stack.enter_context(each) for each in socket.socketpair())
        here.sendall(b"lb1")
        with pytest.raises(ValueError, match="with its network namespace, not b'lb1' alone"):
            badge.see(there)
