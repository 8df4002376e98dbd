"""A lab with one edge that has a fence, and a controller."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tests.lab.balanced import Balanced
from topo import model
from topo.model import Topology

VIP, EDGE, INTERFACE = "10.0.0.100", "edge1", "f-edge1"
SPEAKER = "controller.sites.fence.speaker"


def topology(authority: str, name: str = "fenced") -> Topology:
    """One edge, one lb switch, one leaf, one server; VIPs with so much authority."""
    pair = model.load("pair")
    gone = {"lb2", "s2", "s3", "c2", "r1"}
    vips = [{**vip, "authority": authority} for vip in pair.services.vips if vip["name"] in ("shop", "shop6")]
    backends = [{"name": "s1"}]
    pools = [{**pool, "backends": backends} for pool in pair.services.pools]
    return Topology(
        name=name,
        subnets=pair.subnets,
        switches=tuple(
            one.model_copy(update={"fence": "edge" in one.roles})
            for one in pair.switches
            if one.name not in gone
        ),
        links=tuple(link for link in pair.links if not gone & set(link)),
        hosts=tuple(host for host in pair.hosts if host.name not in gone),
        servers=pair.servers,
        services=model.Services(pools=tuple(pools), vips=tuple(vips)),
    )


def fence(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a controller's status says of the fence; empty before it says anything."""
    shown = status.get("switches", {}).get(EDGE, {}).get("fence") or {}
    found: Mapping[str, Any] = shown.get(INTERFACE, {})
    return found


def wait_claim(balanced: Balanced) -> Mapping[str, Any]:
    """Until the fence is claimed."""
    return fence(
        balanced.wait_status(lambda status: fence(status).get("claim"), "the fence is claimed", 30.0)
    )


def speakers(balanced: Balanced) -> list[int]:
    """Processes that speak for fences in the controller's namespace."""
    space = balanced.lab.spaces["ctl"]
    inode = os.stat(f"/run/netns/{space}").st_ino
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.stat(f"/proc/{entry}/ns/net").st_ino == inode:
                with open(f"/proc/{entry}/cmdline", "rb") as line:
                    if SPEAKER.encode() in line.read().split(b"\0"):
                        found.append(int(entry))
        except OSError:
            continue  # it ended meanwhile
    return found
