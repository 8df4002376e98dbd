"""The speaker: a process that claims authority by BFD until the deadlines that the controller gave, and no longer.

It outlives its controller: what was given holds until its deadline, then it ends. A controller that comes back in time
finds it and goes on with it.
"""

from __future__ import annotations

import gc
import os
import random
import secrets
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress

from controller.sites.fence import wire
from controller.sites.fence.port import PortSocket
from controller.sites.fence.session import Session

REOPEN = 0.5
"""Seconds between attempts to open an interface that cannot be."""
ALONE = 5.0
"""Seconds that a speaker without a controller waits for one at the start."""
_PRIORITY, _NICE = 10, -20


def now() -> float:
    """Seconds since boot, suspended time included: the clock of all deadlines."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Voice:
    """One interface: its session and its socket."""

    def __init__(self, interface: str, at: float) -> None:
        self.interface = interface
        self.socket: PortSocket | None = None
        self.session = _session()
        self.due = at
        """When it sends, or opens its socket, next."""
        self._problem = ""
        self._claimed = False

    def hear(self) -> None:
        """Take what has come."""
        try:
            while self.socket is not None and (packet := self.socket.read()) is not None:
                if self.session.hear(packet, now()):
                    self._send(final=True)
        except OSError as error:
            self._lose(error)

    def speak(self, at: float) -> None:
        """Send, if it is time to or the claim changes."""
        if self.socket is None:
            if at >= self.due:
                self._open(at)
            return
        if at >= self.due or self.session.claims(at) != self._claimed:
            self._send()

    def wakes(self, at: float) -> float:
        """When it wants to speak next."""
        return self.due if self.socket is None else min(self.due, self.session.next_change(at))

    def _send(self, *, final: bool = False) -> None:
        assert self.socket is not None
        at = now()  # what was waited for before this may have taken long
        packet = self.session.packet(at, final=final)
        self._claimed = self.session.claims(at)
        self.due = at + self.session.interval * random.uniform(0.75, 1.0)
        try:
            self.socket.send(packet)
        except OSError as error:
            self._lose(error)

    def _open(self, at: float) -> None:
        try:
            self.socket = PortSocket(self.interface)
        except OSError as error:
            self._problem, self.due = f"{self.interface}: {error.strerror or error}", at + REOPEN
        else:
            self._problem, self.due = "", at

    def _lose(self, error: OSError) -> None:
        self.close()
        until, self.session = self.session.until, _session()
        self.session.until = until
        self._problem, self._claimed = f"{self.interface}: {error.strerror or error}", False
        self.due = now() + REOPEN

    def end(self) -> None:
        """Give the claim up, and be gone."""
        self.session.until = 0.0
        if self.socket is not None:
            self._send()
        self.close()

    def close(self) -> None:
        """Close the socket."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def state(self, at: float) -> wire.PortState:
        """What to tell the controller."""
        session, why = self.session, self._problem or self.session.reason(at)
        up = self.socket is not None and session.up(at)
        return wire.PortState(up, not why, session.since if up else 0.0, session.until, why)


def _session() -> Session:
    return Session(secrets.randbelow(0xFFFFFFFF) + 1)


class Speaker:
    """All interfaces, and the controller's connection."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._controller: socket.socket | None = None
        self._voices: dict[str, Voice] = {}
        self._epoll = select.epoll()
        self._epoll.register(listener, select.EPOLLIN)
        self._files: dict[int, Voice] = {}
        self._shown: Mapping[str, wire.PortState] = {}
        self._beat = 0.0
        self._patience = now() + ALONE

    def turn(self) -> bool:
        """Wait for what comes next and see to it; False: there is nothing left to do."""
        at = now()
        wakes = [self._beat if self._controller is not None else self._end()]
        wakes += [voice.wakes(at) for voice in self._voices.values()]
        events = self._epoll.poll(max(0.0, min(wakes) - at))
        ready = {number for number, _ in events}
        # What the controller says comes first: it may be that authority was taken back.
        if self._controller is not None and self._controller.fileno() in ready:
            self._listen()
        if self._listener.fileno() in ready:
            self._accept()
        for number in ready:
            if (voice := self._files.get(number)) is not None:
                voice.hear()
        at = now()
        for voice in self._voices.values():
            voice.speak(at)
        self._watch()
        self._tell(at)
        return self._needed(at)

    def close(self) -> None:
        """Give all claims up."""
        for voice in self._voices.values():
            voice.end()

    def _needed(self, at: float) -> bool:
        return self._controller is not None or at < self._end()

    def _end(self) -> float:
        """When there is nothing left to do for a speaker whose controller does not come back."""
        return max([self._patience, *(voice.session.until for voice in self._voices.values())])

    def _accept(self) -> None:
        """One controller at a time, of our own user or root."""
        found, _ = self._listener.accept()
        if self._controller is not None or wire.peer(found)[1] not in (0, os.geteuid()):
            found.close()
            return
        found.setblocking(False)
        self._controller, self._beat, self._patience = found, 0.0, 0.0
        self._epoll.register(found, select.EPOLLIN)

    def _listen(self) -> None:
        while self._controller is not None:
            try:
                message = self._controller.recv(wire.LARGEST)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self._epoll.unregister(self._controller)
                self._controller.close()
                self._controller = None
                return
            self._take(wire.read_deadlines(message))

    def _take(self, until: Mapping[str, float | None]) -> None:
        at = now()
        for name in self._voices.keys() - until.keys():
            self._voices.pop(name).end()
        for name, deadline in until.items():
            if name not in self._voices:
                self._voices[name] = Voice(name, at)
            if deadline is not None:
                self._voices[name].session.until = deadline

    def _watch(self) -> None:
        """Sockets come and go; one that is closed leaves the epoll set by itself."""
        wanted = {v.socket.fileno(): v for v in self._voices.values() if v.socket is not None}
        for number, voice in wanted.items():
            if self._files.get(number) is not voice:
                with suppress(FileExistsError):
                    self._epoll.register(number, select.EPOLLIN)
        self._files = wanted

    def _tell(self, at: float) -> None:
        if self._controller is None:
            return
        states = {name: voice.state(at) for name, voice in self._voices.items()}
        if at < self._beat and states == self._shown:
            return
        self._shown, self._beat = states, at + wire.BEAT
        with suppress(
            OSError
        ):  # full: it does not read, and deadlines pass by themselves; gone: its end is read next
            self._controller.send(wire.pack_states(states))


def raise_priority() -> None:
    """Before all else on this machine: a speaker that waits for a processor is one that has died, to the switch."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY))
    except OSError:
        with suppress(OSError):  # it speaks all the same, and falls silent where others have the processor
            os.setpriority(os.PRIO_PROCESS, 0, _NICE)


def run(name: str) -> None:
    """Speak until there is no controller and no claim."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        try:
            listener.bind(wire.address_of(name))
        except OSError:
            return  # another one was first
        listener.listen()
        listener.setblocking(False)
        speaker = Speaker(listener)
        gc.collect()
        gc.freeze()
        while speaker.turn():
            pass
        speaker.close()


if __name__ == "__main__":
    # The terminal's Ctrl-C reaches the whole process group; the controller decides when the claim ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise_priority()
    run(sys.argv[1])
