"""Announcements carry the virtual MAC, for each family, and come from whoever answers, as soon as it does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

import pytest

from controller.core import announce
from controller.core.announce import frame
from controller.spec.types import Intent, Port, Role, Site, Switch, Vip

MAC = "02:45:56:00:01:01"


def test_an_ipv4_vip_is_announced_by_a_broadcast_arp_for_itself() -> None:
    vip = Vip("shop", ip_address("10.0.0.100"), MAC, ("east",), ())
    said = frame(vip)
    assert said[:6] == b"\xff" * 6
    assert said[6:12] == bytes.fromhex("024556000101")
    assert said[28:32] == said[38:42] == vip.address.packed


def test_an_ipv6_vip_is_announced_to_all_nodes() -> None:
    vip = Vip("shop6", ip_address("fd00::100"), MAC, ("east",), ())
    said = frame(vip)
    assert said[:6] == bytes.fromhex("333300000001")
    assert vip.address.packed in said[54:]
    assert said.endswith(bytes.fromhex("024556000101"))


def _edge(number: int) -> Switch:
    ports = (Port(2, "segment-front"),)
    return Switch(
        f"edge{number}", "bmv2", number, "east", frozenset({Role.EDGE}), f"02:45:56:01:00:{number:02x}", ports
    )


class _Fabric:
    """Two edges on one segment, both synced, and what they are told to send."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, list[int]]] = []
        edges = (_edge(1), _edge(2))
        vips = (Vip("shop", ip_address("10.0.0.100"), MAC, ("east",), ()),)
        self.state = SimpleNamespace(
            intent=Intent((Site("east"),), edges, (), vips), absent=frozenset(), owners=self._owners
        )
        self.members = {each.name: self._member(each) for each in edges}

    def _owners(self) -> dict[str, str]:
        return {vip.name: "east" for vip in self.state.intent.vips}

    def _member(self, switch: Switch) -> Any:
        async def send(said: bytes, ports: Sequence[int]) -> None:
            self.sent.append((switch.name, said, list(ports)))

        return SimpleNamespace(switch=switch, synced=True, link=SimpleNamespace(alive=True, send=send))

    async def until_sent(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.sent) < count:
                await asyncio.sleep(0.001)


def test_of_two_edges_on_a_segment_one_announces_and_the_other_as_soon_as_it_is_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(announce, "LOOK", 0.001)

    async def body() -> None:
        fabric = _Fabric()
        shop = frame(fabric.state.intent.vips[0])
        keeping = asyncio.create_task(announce.keep(fabric))  # type: ignore[arg-type]
        await fabric.until_sent(1)
        assert fabric.sent == [("edge1", shop, [2])]
        del fabric.members["edge1"]
        fabric.state.absent = frozenset({"edge1"})
        await fabric.until_sent(2)
        assert fabric.sent[1:] == [("edge2", shop, [2])]
        more = Vip("api", ip_address("10.0.0.101"), MAC, ("east",), ())
        old = fabric.state.intent
        fabric.state.intent = Intent(old.sites, old.switches, (), (*old.vips, more))
        await fabric.until_sent(3)
        assert fabric.sent[2:] == [("edge2", frame(more), [2])]
        keeping.cancel()

    asyncio.run(body())


def test_everything_is_announced_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announce, "LOOK", 0.001)
    monkeypatch.setattr(announce, "PERIOD", 0.01)

    async def body() -> None:
        fabric = _Fabric()
        keeping = asyncio.create_task(announce.keep(fabric))  # type: ignore[arg-type]
        await fabric.until_sent(3)
        assert {name for name, _, _ in fabric.sent} == {"edge1"}
        keeping.cancel()

    asyncio.run(body())
