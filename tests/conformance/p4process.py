"""A P4 switch in a process of its own as a target: BMv2, or the embedded switch by the same command line.

raw socket ── veth ── simple_switch_grpc ── veth ── raw socket, one for each server       all in one namespace
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path

from pyroute2 import IPRoute

from controller.model.types import Protocol
from controller.plan.duty import World
from tests.conformance.embedded import LACKING
from tests.conformance.p4 import P4Controller
from tests.conformance.packets import ETHER, Packet, ethernet
from tests.conformance.rawports import RawPorts, listen
from tests.conformance.scenario import (
    CLIENTS,
    GATEWAY_MAC,
    NEIGHBOURS,
    PORTS,
    SEGMENT,
    SERVER_ADDRESSES,
    SERVERS,
    SWITCH_MAC,
    p4_switch,
)
from tests.conformance.target import DEADLINE, Can, Heard, Reason, Wire
from topo import netns, state

_CPU_PORT = 510
_BATCH = 16
"""Frames at a time: BMv2 has room for 32 that it has not read, those that end an exchange among them."""
_END = b"end of the exchange"
_DIGESTS_WITHIN = 0.06
"""Seconds that a digest may wait for others to be sent with."""
_ACKNOWLEDGED_WITHIN = 0.1
_GONE_WITHIN = 5.0
COMMANDS = {
    "bmv2": ["simple_switch_grpc"],
    "embedded": [sys.executable, "-m", "controller", "switch"],
}


def why_not(kind: str) -> str | None:
    """Why this target cannot be here, and what would bring it; None if it can."""
    if os.geteuid() != 0:
        return f"{kind}: a switch with interfaces needs network namespaces: run as root"
    if shutil.which(COMMANDS[kind][0]) is None:
        return f"{COMMANDS[kind][0]} is not on PATH: build behavioral-model with PI, see the README's P4 part"
    return None


class P4Process:
    """Implements ``Target``."""

    reasons = frozenset(Reason)

    def __init__(self, kind: str, name: str) -> None:
        self.name = name
        self.switch = p4_switch(kind)
        self._stack = ExitStack()
        try:
            self._start(kind)
        except BaseException:
            self._stack.close()
            raise

    def _start(self, kind: str) -> None:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="evenkeel-")))
        space = f"evenkeel-{self.name}-{os.getpid()}"
        self._stack.enter_context(state.space(space))
        address = f"unix:{folder / 'p4rt'}"
        with netns.enter(space):
            netns.sysctl("net/ipv6/conf/default/disable_ipv6", "1")
            with IPRoute() as route:
                for number in PORTS.values():
                    route.link("add", ifname=f"p{number}", kind="veth", peer={"ifname": f"q{number}"})
                    for end in "pq":
                        route.link("set", index=route.link_lookup(ifname=f"{end}{number}")[0], state="up")
            self._ports = RawPorts({name: listen(f"q{number}") for name, number in PORTS.items()}, _is_end)
            self._stack.callback(self._ports.close)
            log = self._stack.enter_context((folder / "log").open("wb"))
            process = subprocess.Popen(self._command(kind, address), stdout=log, stderr=log)
        self._stack.callback(_end, process)
        self._controller = P4Controller(self.switch, address)
        self._stack.callback(self._controller.close)

    def _command(self, kind: str, address: str) -> list[str]:
        ports = [word for number in PORTS.values() for word in ("-i", f"{number}@p{number}")]
        server = ["--grpc-server-addr", address, "--cpu-port", str(_CPU_PORT)]
        return [*COMMANDS[kind], *ports, "--no-p4", "--device-id", str(self.switch.id), "--", *server]

    def has(self, what: Can) -> bool:
        """See ``Target``."""
        return what not in (*LACKING, Can.MEMORY_CLOCK)

    def apply(self, world: World) -> None:
        """See ``Target``."""
        self._controller.apply(world)
        self._controller.settle()

    def exchange(
        self, sent: Sequence[Wire], done: Callable[[Heard], bool], within: float = DEADLINE
    ) -> Heard:
        """See ``Target``."""
        heard = Heard()
        for at in range(0, len(sent), _BATCH):
            self._ports.send(sent[at : at + _BATCH])
            for _ in range(2):
                heard.frames += self._ports.drain(_ENDS, dict.fromkeys(PORTS, 1))
        # Digests are not sent before they are a list, or late.
        heard.reports += self._controller.reports(_DIGESTS_WITHIN)
        end = time.monotonic() + within
        while not done(heard) and time.monotonic() < end:
            heard.reports += self._controller.reports(0.02)
            heard.frames += self._ports.receive(0.0)
        if heard.reports:
            self._controller.settle()
            # Until the acknowledgement has come through, BMv2 holds back a digest that says the same.
            time.sleep(_ACKNOWLEDGED_WITHIN)
        return heard

    def forget(self) -> None:
        """See ``Target``."""
        self._controller.forget()
        # What the packets before said twice comes when the first of the two is acknowledged.
        self._controller.reports(_ACKNOWLEDGED_WITHIN)

    def close(self) -> None:
        """See ``Target``."""
        self._stack.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_GONE_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_end(frame: bytes) -> bool:
    return _END in frame


def _end_frame(port: str, to: str) -> Wire:
    """A datagram that is routed from one port to another one."""
    client = CLIENTS["c1"].addresses[4]
    addresses = {name: SERVER_ADDRESSES[name][4] for name in SERVERS}
    addresses |= {name: ip_address(f"10.0.0.{number}") for name, number in NEIGHBOURS.items()}
    packet = Packet(ip_address("10.0.0.12"), 9, addresses.get(to, client), 9, Protocol.UDP, _END)
    return Wire(port, ethernet(SWITCH_MAC, GATEWAY_MAC, ETHER[4], packet.build()))


_ENDS = (*(_end_frame(SEGMENT, name) for name in PORTS if name != SEGMENT), _end_frame(SERVERS[0], SEGMENT))
