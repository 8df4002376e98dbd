"""A host that takes a VIP's address: it is named, and its neighbours learn again whose the VIP is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab, eventually
from tests.lab.services import ECHO, Service, connect, echo
from tests.lab.stranger import STRANGER, known, take, vip_at
from topo import model

pytestmark = pytest.mark.lab

SERVICE = Service("dr", 4)


@pytest.fixture(scope="module", params=["ovs", pytest.param("embedded", marks=pytest.mark.long)])
def served(make_lab: MakeLab, request: pytest.FixtureRequest) -> Iterator[Balanced]:
    with Balanced(make_lab(model.load("pair").of_kind(request.param))) as balanced:
        yield balanced


def test_a_stranger_with_a_vip_is_named_and_its_neighbours_are_told_better(served: Balanced) -> None:
    vip = vip_at(served, SERVICE.address)
    with connect(served.lab, "c1", SERVICE, ECHO) as one:
        echo(one, b"before")
        assert known(served, "c1", SERVICE.address) == vip["mac"]
        take(served, "c2", SERVICE.address)
        event = served.wait_event("vip_conflict", mac=STRANGER)
        assert (event["vip"], event["server"], event["switch"]) == (vip["name"], "", "edge1")
        shown = served.wait_status(lambda status: status["conflicts"], "the conflict is shown")
        assert STRANGER in shown["conflicts"][vip["name"]]
        eventually(
            lambda: known(served, "c1", SERVICE.address) == vip["mac"], "c1 knows the virtual MAC again"
        )
        echo(one, b"after")
