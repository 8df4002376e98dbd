"""Announcements carry the virtual MAC, for each family."""

from __future__ import annotations

from ipaddress import ip_address

from controller.core.announce import frame
from controller.model.types import Vip

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
