"""BMv2's simple_switch_grpc in a namespace of its own: real interfaces, the real driver, one thread for each."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import select
import shutil
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Collection, Coroutine, Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, TypeVar

from pyroute2 import IPRoute

from controller.southbound.p4.connections import P4Runtime
from controller.southbound.p4.events import Connected, Event, PinEnded, Punted, Report
from controller.southbound.p4.pipeline import balancer
from controller.southbound.p4.session import P4Session
from p4src.diff import diff
from p4src.ids import Drop, Op, Reason
from p4src.target import Changes, P4Target
from tests.conformance.p4marks import tell_at_once
from tests.conformance.packets import ETHER, UDP, Ip, ethernet
from tests.conftest import why_not_root
from tests.p4.box import Counted, Frame, Idle, Punt, Said, Told
from tests.p4.scene import CLIENT_MAC, CLIENTS, PORTS, SWITCH_MAC, probe_mac
from topo import netns, state
from topo.p4switch.links import PacketLink

PROGRAM = "simple_switch_grpc"
CPU_PORT = 510
DEADLINE = 20.0
"""Seconds for what has to come; not a measure of speed."""
BURST = 24
"""Frames on their way at a time: a port's queue in BMv2 holds 64, probes among them, and drops more."""
QUIET = 0.15
"""Seconds without a word after which nothing more is expected: digests do not wait for company."""
_NUDGE = 0.005
"""Seconds without a frame after which probes are sent again for the first time."""
_numbers = itertools.count()
_T = TypeVar("_T")


def why_not() -> str | None:
    """Why BMv2 cannot be started here, or None."""
    return why_not_root() or (None if shutil.which(PROGRAM) else f"{PROGRAM} is not on PATH")


class Bmv2Box:
    """A ``Box``."""

    def __init__(self, name: str = "lb1") -> None:
        self.name = name
        self.held = P4Target()
        self._parts = contextlib.ExitStack()
        try:
            self._start()
        except BaseException:
            self._parts.close()
            raise

    def _start(self) -> None:
        folder = Path(self._parts.enter_context(tempfile.TemporaryDirectory()))
        space = f"p4t-{os.getpid()}-{next(_numbers)}"
        self._parts.enter_context(state.space(space))
        with netns.enter(space):
            self._ends = {port: _cable(port) for port in PORTS}
            for end in self._ends.values():
                self._parts.callback(end.close)
            address = f"unix:{folder}/p4rt"
            self._process = _switch(address)
        self._parts.callback(_stop, self._process)
        self._turns = itertools.count(1)
        self._said: deque[Told] = deque()
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        self._parts.callback(thread.join)
        self._parts.callback(self._loop.call_soon_threadsafe, self._loop.stop)
        self._session = self._call(self._connect(address))
        self._parts.callback(lambda: self._call(self._driver.close()))

    def hold(self, target: P4Target) -> Changes:
        """See ``Box``."""
        changes = diff(self.held, target)
        self._call(self._session.write(changes))
        self.held = target
        return changes

    def send(self, frames: Sequence[Frame]) -> list[Frame]:
        """See ``Box``."""
        out: list[Frame] = []
        for at in range(0, len(frames), BURST):
            burst = frames[at : at + BURST]
            for port, frame in burst:
                self._ends[port].send(frame)
            out += self._until_done({port for port, _ in burst})
        return out

    def packet_out(self, frame: bytes, op: Op, port: int = 0) -> list[Frame]:
        """See ``Box``. It may come later than a frame that is sent next."""
        self._call(self._session.packet_out(frame, op=op, port=port))
        time.sleep(QUIET)
        return self._until_done({CLIENTS})

    def told(self) -> list[Told]:
        """See ``Box``."""
        count = -1
        while count != len(self._said):
            count = len(self._said)
            time.sleep(QUIET)
        out = []
        while self._said:
            out.append(self._said.popleft())
        return out

    def drops(self) -> Mapping[Drop, int]:
        """See ``Box``."""
        found = self._call(self._session.read()).drops
        return {drop: found.get(drop, 0) for drop in Drop}

    def counted(self) -> Counted:
        """See ``Box``."""
        found = self._call(self._session.read())
        return Counted(found.denied, found.over)

    def sleep(self, seconds: float) -> None:
        """See ``Box``."""
        time.sleep(seconds)

    def close(self) -> None:
        """See ``Box``."""
        self._parts.close()

    async def _connect(self, address: str) -> P4Session:
        connected: asyncio.Future[P4Session] = asyncio.get_running_loop().create_future()

        def on_event(event: Event) -> None:
            if isinstance(event, Connected) and not connected.done():
                connected.set_result(event.session)
            told = _told(event)
            if told is not None:
                self._said.append(told)

        self._driver = P4Runtime(on_event, balancer())
        self._driver.connect(self.name, address, 1, 1)
        session = await asyncio.wait_for(connected, DEADLINE)
        await tell_at_once(session)
        return session

    def _call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(3 * DEADLINE)

    def _until_done(self, used: Collection[int]) -> list[Frame]:
        """Everything that came out until a probe from every used port to every port did: none overtakes another."""
        turn = next(self._turns)
        missing = {
            _name(after, before, turn): (before, _probe(after, before, turn))
            for after in PORTS
            for before in used
        }
        out: list[Frame] = []
        until = time.monotonic() + DEADLINE
        patience = _NUDGE
        while missing:
            # Again and again: BMv2 wakes up for new frames only, and may have left the last ones in the ring.
            for port, probe in missing.values():
                self._ends[port].send(probe)
            while missing and self._ready(patience):
                out += self._received(missing)
            # Less and less often: on a busy machine they are only late, and more of them would fill its queues.
            patience *= 2
            assert time.monotonic() < until, (
                f"{PROGRAM} lost {len(missing)} probes; exit code: {self._process.poll()}"
            )
        return out

    def _ready(self, seconds: float) -> bool:
        return bool(select.select(list(self._ends.values()), [], [], seconds)[0])

    def _received(self, missing: dict[bytes, tuple[int, bytes]]) -> list[Frame]:
        """What has come; probes are taken off ``missing``."""
        out: list[Frame] = []
        for port, end in self._ends.items():
            for frame in end.receive(BURST):
                if frame[:5] == _PROBES:
                    missing.pop(frame[:6] + frame[_NAME], None)
                else:
                    out.append((port, frame))
        return out


_PROBES = bytes.fromhex(probe_mac(0).replace(":", ""))[:5]
_NAME = slice(42, 54)
"""Where in a probe it says which one it is."""


def _name(to: int, port: int, turn: int) -> bytes:
    """A probe's destination MAC when it comes out, and what it carries."""
    return _PROBES + bytes((to,)) + port.to_bytes(4, "big") + turn.to_bytes(8, "big")


def _probe(to: int, port: int, turn: int) -> bytes:
    """Routed, not bridged: it may have to leave where it came in."""
    payload = bytes((0, 9, 0, 9, 0, 20, 0, 0)) + port.to_bytes(4, "big") + turn.to_bytes(8, "big")
    ip = Ip(IPv4Address("192.0.2.254"), IPv4Address(f"198.51.100.{to}"), UDP, payload)
    return ethernet(SWITCH_MAC, CLIENT_MAC, ETHER[4], ip.build()).ljust(60, b"\0")


def _cable(port: int) -> PacketLink:
    """A cable to a port of the switch; the test's end of it."""
    mine, its = f"h{port}", f"sw{port}"
    netns.sysctl("net/ipv6/conf/default/disable_ipv6", "1")
    with IPRoute() as route:
        route.link("add", ifname=its, kind="veth", peer={"ifname": mine})
        for name in (its, mine):
            route.link("set", index=route.link_lookup(ifname=name)[0], state="up")
    return PacketLink(mine)


def _switch(address: str) -> subprocess.Popen[bytes]:
    command = [PROGRAM, "--no-p4", "--device-id", "1"]
    for port in PORTS:
        command += ["-i", f"{port}@sw{port}"]
    command += ["--", "--grpc-server-addr", address, "--cpu-port", str(CPU_PORT)]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _told(event: Event) -> Told | None:
    if isinstance(event, Report):
        return Said(Reason(event.reason), event.listener, event.client, event.port, event.backend)
    if isinstance(event, Punted):
        return Punt(Reason(event.reason), event.port, event.listener, event.backend, event.frame)
    if isinstance(event, PinEnded):
        return Idle(event.listener, event.client, event.port)
    return None
