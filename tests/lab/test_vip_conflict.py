"""A host that takes a VIP's address: it is named, and its neighbours learn again whose the VIP is."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
import yaml

from controller.frames.announce import announcement
from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab, eventually
from tests.lab.services import ECHO, Service, connect, echo
from topo import model
from topo.wires import HOST_INTERFACE

pytestmark = pytest.mark.lab

SERVICE = Service("dr", 4)
STRANGER = "02:45:56:09:00:07"


@pytest.fixture(scope="module", params=["ovs", pytest.param("embedded", marks=pytest.mark.long)])
def served(make_lab: MakeLab, request: pytest.FixtureRequest) -> Iterator[Balanced]:
    with Balanced(make_lab(model.load("pair").of_kind(request.param))) as balanced:
        yield balanced


def vip_of(balanced: Balanced) -> Any:
    """The service's VIP as the intent has it."""
    return next(
        vip
        for vip in yaml.safe_load(balanced.lab.intent_path.read_text())["vips"]
        if vip["address"] == SERVICE.address
    )


def known(balanced: Balanced, client: str) -> str | None:
    """The MAC that a client has for the VIP."""
    argv = ["ip", "-json", "neigh", "show", SERVICE.address]
    done = balanced.lab.exec(client, argv, capture_output=True, text=True, check=True)
    return next((row.get("lladdr") for row in json.loads(done.stdout or "[]")), None)


def take(balanced: Balanced, host: str) -> None:
    """Announce the VIP from another MAC, as a host does that was given its address."""
    with (
        balanced.lab.namespace(host),
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out,
    ):
        out.bind((HOST_INTERFACE, 0))
        out.send(announcement(ip_address(SERVICE.address), STRANGER))


def test_a_stranger_with_a_vip_is_named_and_its_neighbours_are_told_better(served: Balanced) -> None:
    vip = vip_of(served)
    with connect(served.lab, "c1", SERVICE, ECHO) as one:
        echo(one, b"before")
        assert known(served, "c1") == vip["mac"]
        take(served, "c2")
        event = served.wait_event("vip_conflict", mac=STRANGER)
        assert (event["vip"], event["server"], event["switch"]) == (vip["name"], "", "edge1")
        shown = served.wait_status(lambda status: status["conflicts"], "the conflict is shown")
        assert STRANGER in shown["conflicts"][vip["name"]]
        eventually(lambda: known(served, "c1") == vip["mac"], "c1 knows the virtual MAC again")
        echo(one, b"after")
