"""Keeps the speaker running, gives it deadlines, and knows what becomes of them.

A speaker that a former life of this controller left is used as it is; one that is stuck is ended. When this task ends,
the speaker goes on until the last deadline.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from controller.clock import Clock
from controller.sites.fence import wire

LOOK = 0.5
"""Seconds between looks at the speaker and at which interfaces there are."""
_SILENT_LOOKS = 4
"""Looks without a message after which a speaker is stuck."""
_CONNECT = 5.0
"""Seconds that a speaker may take to start."""
_LOOK_AT_END = 0.01
_RETRY = 1.0
"""Seconds until another one is started after one that ended soon."""
_SOON = 10.0
_ROOT = Path(__file__).resolve().parents[3]


class FenceService:
    """The speaker of one controller. Until ``run`` runs, nothing is claimed."""

    def __init__(self, name: str, on_problem: Callable[[str], None], clock: Clock) -> None:
        """``name`` tells this controller from others in the same network namespace, and is the same after a restart."""
        self._name = name
        self._clock = clock
        self._on_problem = on_problem
        self._until: dict[str, float | None] = {}
        """None: what a former life gave holds until this one knows better."""
        self._states: Mapping[str, wire.PortState] = {}
        self._channel: socket.socket | None = None
        self._silent = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._needed = asyncio.Event()
        self.on_states: Callable[[], None] = _nothing
        """Told that states may have changed; set by the one who assembles."""
        self.problem = ""
        """Why there is no speaker; empty: there is, or none is needed."""

    @property
    def states(self) -> Mapping[str, wire.PortState]:
        """The sessions by interface, as the speaker said last; empty without a speaker."""
        return self._states

    @property
    def speaker(self) -> int | None:
        """The speaker's process; None: there is none."""
        return None if self._channel is None else wire.peer(self._channel)[0]

    def use(self, interfaces: set[str]) -> None:
        """These are the interfaces from now on; a claim on one that is not among them is given up."""
        if interfaces != self._until.keys():
            self._until = {name: self._until.get(name) for name in sorted(interfaces)}
            self._send()
        if interfaces:
            self._needed.set()

    def allow(self, interface: str, until: float) -> None:
        """The claim on an interface holds until then, seconds of the boot clock; it may be sooner than before."""
        if interface in self._until and self._until[interface] != until:
            self._until[interface] = until
            self._send()

    async def run(self) -> None:
        """Until cancelled."""
        await self._needed.wait()
        try:
            while True:
                began = self._clock.now()
                try:
                    await self._live()
                except (OSError, ValueError) as error:
                    self._say(f"the speaker of fences: {error}")
                self._lose()
                await asyncio.sleep(_RETRY if self._clock.now() < began + _SOON else 0.0)
        finally:
            self._lose()

    async def _live(self) -> None:
        """One life of the speaker. Raises OSError, ValueError: it cannot be started, or is of another version."""
        channel = await self._connect()
        self._channel, self._silent = channel, 0
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(channel, self._hear, channel, ended)
        try:
            self._send()
            while not ended.is_set():
                try:
                    async with asyncio.timeout(LOOK):
                        await ended.wait()
                except TimeoutError:
                    self._silent += 1  # looks, not seconds: this loop may stall, and the speaker not
                    if self._silent > _SILENT_LOOKS:
                        self._end(channel)
                        raise OSError("it stood still and was ended") from None
            raise OSError(await self._ended())
        finally:
            loop.remove_reader(channel)

    async def _ended(self) -> str:
        """How it did, if it was our child."""
        child = self._child
        if child is None:
            return "it ended"
        with suppress(TimeoutError):
            async with asyncio.timeout(_CONNECT):
                while child.poll() is None:
                    await asyncio.sleep(_LOOK_AT_END)
        code, said = child.poll(), ""
        if code is None:
            return "it closed its end"
        if child.stderr is not None:
            with child.stderr as errors:
                said = "".join(
                    f": {line}" for line in errors.read().decode(errors="replace").splitlines()[-1:]
                )
        return f"it ended ({f'signal {-code}' if code < 0 else f'exit code {code}'}){said}"

    async def _connect(self) -> socket.socket:
        end = self._clock.now() + _CONNECT
        while True:
            channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            channel.setblocking(False)
            try:
                channel.connect(wire.address_of(self._name))
                if wire.peer(channel)[1] not in (0, os.geteuid()):
                    raise ValueError("another user's process has its place")
                return channel
            except ConnectionRefusedError:
                channel.close()
                self._start()
                if self._clock.now() > end:
                    raise OSError(f"it did not start within {_CONNECT:g} s") from None
                await asyncio.sleep(0.05)
            except BaseException:
                channel.close()
                raise

    def _start(self) -> None:
        if self._child is not None and self._child.poll() is None:
            return
        path = os.environ.get("PYTHONPATH")
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "controller.sites.fence.speaker", self._name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # it may outlive us, and who reads ours waits for their end
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": f"{_ROOT}{os.pathsep}{path}" if path else str(_ROOT)},
            start_new_session=True,
        )

    def _hear(self, channel: socket.socket, ended: asyncio.Event) -> None:
        try:
            message = channel.recv(wire.LARGEST)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            ended.set()
            asyncio.get_running_loop().remove_reader(channel)
            return
        try:
            self._states = wire.read_states(message)
        except ValueError as error:
            self._say(f"the speaker of fences: {error}; it is ended")
            self._end(channel)
            return
        self._silent, self.problem = 0, ""
        self.on_states()

    def _send(self) -> None:
        if self._channel is None:
            return
        with suppress(OSError):  # full: it is stuck, and seen to be; gone: its end is read next
            self._channel.send(wire.pack_deadlines(self._until))

    @staticmethod
    def _end(channel: socket.socket) -> None:
        os.kill(wire.peer(channel)[0], signal.SIGKILL)

    def _lose(self) -> None:
        if self._channel is not None:
            self._channel.close()
        self._channel, self._states = None, {}
        self.on_states()

    def _say(self, problem: str) -> None:
        if problem != self.problem:
            self._on_problem(problem)
        self.problem = problem


def _nothing() -> None:
    """No part listens."""


def here(interfaces: set[str]) -> set[str]:
    """Those of these interfaces that this machine, or network namespace, has."""
    return interfaces & {name for _, name in socket.if_nameindex()} if interfaces else set()
