"""Moves frames between links and the engine: one loop that a thread or a test drives."""

from __future__ import annotations

import contextlib
import os
import selectors
import threading
import time
from collections.abc import Callable

from topo.p4switch.cables import CableEnd
from topo.p4switch.engine import Engine, TraceEvent
from topo.p4switch.links import Link, LinkWatch, PacketLink
from topo.p4switch.program import load_program
from topo.p4switch.state import Ports, Switch
from topo.p4switch.unixlink import UnixLink

BATCH = 64
"""Frames taken from one link at a time, and so the longest the control plane waits for the lock."""


class DataPlane:
    """Ports with their links, and the program that runs now (none at first: frames are dropped).

    `on_cpu` gets every frame that leaves by `cpu_port`, from the thread that processed it. Ports outlive
    programs. The CPU port, when there is one, is always up.
    """

    def __init__(self, cpu_port: int | None = None, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """A data plane without links. `clock` gives ns that only grow."""
        self.cpu_port = cpu_port
        self.ports = Ports()
        self.on_cpu: Callable[[bytes], None] = lambda _frame: None
        self.tap: Callable[[int, str, bytes], None] | None = None
        """Called for every frame of every link: its port, "in" or "out", and the frame; for captures."""
        self.received = 0
        self.transmitted = 0
        self.dropped = 0
        self._clock = clock
        self._links: dict[int, Link] = {}
        self._interfaces: dict[str, int] = {}
        self._engine: Engine | None = None
        self._prepared: Engine | None = None
        self._selector = selectors.DefaultSelector()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._watch: LinkWatch | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        if cpu_port is not None:
            self.ports.set(cpu_port, True)

    @property
    def engine(self) -> Engine | None:
        """What runs now."""
        return self._engine

    def add_interface(self, port: int, interface: str) -> PacketLink:
        """Attach a real interface; LinkError when it cannot be opened, ValueError for a port in use."""
        if self._watch is None:
            self._watch = LinkWatch(self._link_changed)
            self._selector.register(self._watch.fileno(), selectors.EVENT_READ, self._watch)
        link = PacketLink(interface)
        self._interfaces[interface] = port
        self._attach(port, link, link.is_up())
        return link

    def add_cable(self, port: int, end: CableEnd) -> None:
        """Attach an end of a cable in memory; ValueError for a port in use."""
        end.on_change = lambda up: self.ports.set(port, up)
        self._attach(port, end, end.is_up())

    def add_unix(self, port: int, end: UnixLink) -> None:
        """Attach an end of a cable between processes; ValueError for a port in use."""
        self._attach(port, end, True)

    def load(self, source: bytes) -> Switch:
        """The initial state of a bmv2 JSON, compiled but not run yet; ProgramError."""
        switch = Switch(load_program(source), self.ports, self._clock)
        try:
            self._prepared = Engine(switch)
        except Exception:
            switch.detach()
            raise
        return switch

    def run(self, switch: Switch) -> None:
        """Process packets by this program, made by `load`, from the next batch on."""
        prepared, self._prepared = self._prepared, None
        if prepared is None or prepared.switch is not switch:
            prepared = Engine(switch)
        old, self._engine = self._engine, prepared
        if old is not None and old.switch is not switch:
            old.switch.detach()

    def inject(self, frame: bytes) -> None:
        """Process a frame as if it had come from the CPU port."""
        if self.cpu_port is not None:
            self.process([(self.cpu_port, frame)])

    def process(self, frames: list[tuple[int, bytes]]) -> None:
        """Run (port, frame) pairs and transmit what comes out."""
        engine = self._engine
        if engine is None:
            self.dropped += len(frames)
            return
        links, cpu, tap = self._links, self.cpu_port, self.tap
        for port, frame in engine.process_batch(frames):
            link = links.get(port)
            if link is not None:
                if tap is not None:
                    tap(port, "out", frame)
                link.send(frame)
                self.transmitted += 1
            elif port == cpu:
                self.on_cpu(frame)
            else:
                self.dropped += 1

    def trace(self, port: int, frame: bytes) -> list[TraceEvent]:
        """Run one frame with every step told; what comes out is transmitted. Empty without a program."""
        engine = self._engine
        if engine is None:
            return []
        out, events = engine.trace(port, frame)
        for egress, sent in out:
            link = self._links.get(egress)
            if link is not None:
                link.send(sent)
            elif egress == self.cpu_port:
                self.on_cpu(sent)
        return events

    def step(self, timeout: float | None = 0.0) -> int:
        """Wait at most `timeout` seconds (None: without end) and process what came; returns frames received."""
        count = 0
        for key, _ in self._selector.select(timeout):
            if isinstance(key.data, LinkWatch):
                key.data.receive()
            elif key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
            else:
                count += self._receive(*key.data)
        return count

    def start(self) -> None:
        """Drive the loop from a thread of its own."""
        self._stopping = False
        self._thread = threading.Thread(target=self._loop, name="p4 data plane", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; links stay."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """End the thread and close every link."""
        self.stop()
        self._selector.close()
        for link in self._links.values():
            link.close()
        if self._watch is not None:
            self._watch.close()
        os.close(self._wake)

    def _loop(self) -> None:
        while not self._stopping:
            self.step(None)

    def _receive(self, port: int, link: Link) -> int:
        frames = link.receive(BATCH)
        if frames:
            self.received += len(frames)
            if self.tap is not None:
                for frame in frames:
                    self.tap(port, "in", frame)
            self.process([(port, frame) for frame in frames])
        return len(frames)

    def _attach(self, port: int, link: Link, up: bool) -> None:
        if port in self._links or port == self.cpu_port:
            link.close()
            raise ValueError(f"port {port} is in use")
        self._links[port] = link
        self._selector.register(link.fileno(), selectors.EVENT_READ, (port, link))
        self.ports.set(port, up)
        os.eventfd_write(self._wake, 1)

    def _link_changed(self, interface: str, up: bool) -> None:
        port = self._interfaces.get(interface)
        if port is not None:
            self.ports.set(port, up)
