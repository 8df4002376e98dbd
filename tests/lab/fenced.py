"""A lab with one edge that has a fence, and a controller."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from types import TracebackType
from typing import Any

from pyroute2 import IPRoute

from controller.clock import SystemClock
from controller.frames.bfd import BfdPacket, BfdState, read_bfd
from controller.sites.fence.service import FenceService
from tests.lab.balanced import Balanced
from tests.lab.conftest import eventually
from topo import model, netns
from topo.lab import Lab
from topo.model import Topology

VIP, EDGE, INTERFACE = "10.0.0.100", "edge1", "f0-edge1"
_EVERYTHING, _OUTGOING, _RCVBUFFORCE = 3, 4, 33
SPEAKER = "controller.sites.fence.speaker"


def topology(authority: str, name: str = "fenced", *, fence: bool = True) -> Topology:
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
            one.model_copy(update={"fence": fence and "edge" in one.roles})
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


class Claims:
    """What the speaker says on the cable to the edge, from when this is entered."""

    def __init__(self, lab: Lab) -> None:
        with lab.namespace("ctl"):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERYTHING))
        self._socket.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 1 << 24)
        self._socket.bind((INTERFACE, _EVERYTHING))
        self._socket.setblocking(False)

    def __enter__(self) -> Claims:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def said(self) -> list[BfdPacket]:
        """Its packets, in order."""
        found = []
        with suppress(BlockingIOError):
            while True:
                frame, address = self._socket.recvfrom(256)
                packet = read_bfd(frame) if address[2] == _OUTGOING else None
                if packet is not None:
                    found.append(packet)
        assert found, "a speaker is never silent"
        return found

    @staticmethod
    def given_up(said: list[BfdPacket]) -> int:
        """How often it took a claim back while the session was up."""
        up = BfdState.UP
        return sum(
            (one.state, other.state) == (up, up) and (one.diagnostic, other.diagnostic) == (0, 6)
            for one, other in pairwise(said)
        )


class Second:
    """A speaker of another controller, in the namespace of a host, with a cable of its own to the edge."""

    PORT, INTERFACE = 60001, "f1-edge1"

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._loop = asyncio.new_event_loop()
        self._service = FenceService("the second", lambda _: None, SystemClock())
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Second:
        spaces = self._lab.spaces
        with open(netns.RUN / spaces["c1"]) as host, netns.enter(spaces[EDGE]), IPRoute() as route:
            peer = {"ifname": self.INTERFACE, "net_ns_fd": host.fileno()}
            route.link("add", ifname="fence1", kind="veth", peer=peer)
            route.link("set", index=route.link_lookup(ifname="fence1")[0], state="up")
        with self._lab.namespace("c1"), IPRoute() as route:
            route.link("set", index=route.link_lookup(ifname=self.INTERFACE)[0], state="up")
        request = f"ofport_request={self.PORT}"
        self._lab.vsctl(EDGE, "add-port", "br0", "fence1", "--", "set", "interface", "fence1", request)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        with self._lab.namespace("c1"):
            self._service.use({self.INTERFACE})
            running = self._loop.create_task(self._service.run())
            self._loop.run_forever()
            running.cancel()
            self._loop.run_until_complete(asyncio.gather(running, return_exceptions=True))
            self._loop.close()

    def up(self) -> None:
        """Wait until nothing but authority lacks."""
        eventually(
            lambda: [state.why for state in self._service.states.values()] == ["no authority"],
            "its session is up",
            30.0,
        )

    def allow(self, until: float) -> None:
        """Claim until then."""
        self._loop.call_soon_threadsafe(self._service.allow, self.INTERFACE, until)


def speakers(lab: Lab) -> list[int]:
    """Processes that speak for fences in the controller's namespace."""
    space = lab.spaces["ctl"]
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
