"""Two edges may not end their fences at one interface; a fence that is right is read as it is written."""

from __future__ import annotations

import pytest

from controller.model.errors import ConfigErrors
from controller.model.load import load_text
from controller.spec.types import FenceEnd
from tests.unit.spoil import DATA

BASE = (DATA / "base.yaml").read_text()
SECOND = (
    "  - {name: edge2, site: east, kind: ovs, id: 0x12, roles: [edge], mac: 02:45:56:01:00:12, ports: {1: lb1}, "
    "fence: [{port: 30, interface: %s}]}\npools:"
)


def with_fences(second: str) -> str:
    one = BASE.replace("    tunnel_port: 20", "    fence: [{port: 30, interface: f0}]\n    tunnel_port: 20")
    return one.replace("pools:", SECOND % second, 1)


def test_a_fence_is_read_as_it_is_written() -> None:
    intent = load_text(with_fences("f1"), "fabric.yaml")
    assert [switch.fence for switch in intent.switches] == [
        (FenceEnd(30, "f0"),),
        (),
        (),
        (FenceEnd(30, "f1"),),
    ]


def test_one_interface_is_the_end_of_one_fence() -> None:
    with pytest.raises(ConfigErrors, match='two fences of "lb1" and "edge2" end at interface "f0"'):
        load_text(with_fences("f0"), "fabric.yaml")
