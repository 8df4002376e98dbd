"""Long-lived echo connections of one client: some talk all the time, the others only when they are told to."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType

from topo.demo.load import failure_kind
from topo.lab import Lab

ENDPOINTS = {
    "dr": ("10.0.0.100", 7000),
    "nat": ("10.0.0.101", 7000),
    "fullnat": ("10.0.0.102", 7000),
    "tun": ("10.0.0.103", 7000),
    "vault": ("10.0.0.104", 7002),
    "still dr": ("10.0.0.100", 7002),
    "still tun": ("10.0.0.103", 7002),
}
"""VIP and port per mode; of the pool "vault" (mode dr), in trio.yaml; of a pool that `tuned.still` adds."""
MODES = ("dr", "nat", "fullnat", "tun")
ANSWER_WITHIN = 5.0
"""Seconds: long enough for a few retransmissions, so that only what is lost for good counts as broken."""
PAUSE = 0.4
"""Seconds between two words of a talking connection."""


@dataclass(eq=False, repr=False)
class Connection:
    """One connection and what became of it."""

    mode: str
    idle: bool
    """It speaks only when told to."""
    socket: socket.socket
    server: str = ""
    """Who answered first."""
    problem: str = ""
    """refused, timeout, reset, eof, garbled or misdirected; empty: it lives."""
    said: int = 0
    heard: bytes = b""

    def __repr__(self) -> str:
        return f"{self.mode} from {self.port} to {self.server}, word {self.said}: {self.problem or 'lives'}"

    @property
    def port(self) -> int:
        """The client's port."""
        return int(self.socket.getsockname()[1])

    def say(self) -> None:
        """Send a word."""
        self.said += 1
        self.heard = b""
        try:
            self.socket.sendall(b"%d\n" % self.said)
        except OSError as error:
            self.problem = failure_kind(error)

    def hear(self) -> None:
        """Take in what has arrived; checks it once it is whole."""
        try:
            part = self.socket.recv(4096)
        except OSError as error:
            self.problem = failure_kind(error)
            return
        self.heard += part
        if not part:
            self.problem = "eof"
        elif self.heard.endswith(b"\n"):
            server, _, word = self.heard.decode().rstrip("\n").partition(" ")
            self.server = self.server or server
            if word != str(self.said):
                self.problem = "garbled"
            elif server != self.server:
                self.problem = "misdirected"

    @property
    def waiting(self) -> bool:
        """An answer is due."""
        return not self.problem and not self.heard.endswith(b"\n")


class LongConnections:
    """Connections from one node of a lab; as a context manager it closes them at the end."""

    def __init__(self, lab: Lab, node: str = "c1") -> None:
        self._lab = lab
        self._node = node
        self._lock = threading.Lock()
        self._quiet = threading.Event()
        self._talker: threading.Thread | None = None
        self.all: list[Connection] = []

    def __enter__(self) -> LongConnections:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hush()
        for one in self.all:
            one.socket.close()

    def open(self, count: int, modes: Iterable[str] = MODES, idle_of_three: int = 1) -> list[Connection]:
        """Open ``count`` connections for each mode and let each say a word; in three, so many will be idle."""
        made = [self._connect(mode, n % 3 < idle_of_three) for mode in modes for n in range(count)]
        self.speak(made)
        with self._lock:
            self.all += made
        return made

    def _connect(self, mode: str, idle: bool) -> Connection:
        made = Connection(mode, idle, self._lab.socket(self._node))
        made.socket.settimeout(ANSWER_WITHIN)
        try:
            made.socket.connect(ENDPOINTS[mode])
        except OSError as error:
            made.problem = failure_kind(error)
        return made

    def speak(self, who: Iterable[Connection] | None = None) -> None:
        """Each living one of them (all, if not said) says a word and waits for the answer."""
        with self._lock:
            talking = [one for one in (self.all if who is None else who) if not one.problem]
            for one in talking:
                one.say()
            _hear(talking, time.monotonic() + ANSWER_WITHIN)

    def talk(self, pause: float = PAUSE) -> None:
        """Let those that are not idle talk, with so many seconds between two words, until ``hush``."""
        self._quiet.clear()
        self._talker = threading.Thread(target=self._keep_talking, args=(pause,), daemon=True)
        self._talker.start()

    def hush(self) -> None:
        """End the talking."""
        self._quiet.set()
        if self._talker is not None:
            self._talker.join()
            self._talker = None

    def _keep_talking(self, pause: float) -> None:
        while not self._quiet.wait(pause):
            self.speak([one for one in self.all if not one.idle])

    @property
    def idle(self) -> list[Connection]:
        """Those that speak only when told to."""
        return [one for one in self.all if one.idle]

    def broken(self, dead: Sequence[str] = ()) -> list[Connection]:
        """Those that have a problem although their server is not among the ``dead``."""
        return [one for one in self.all if one.problem and one.server not in dead]

    def close(self, mode: str) -> None:
        """Close those of a mode."""
        with self._lock:
            for one in (one for one in self.all if one.mode == mode):
                one.socket.close()
            self.all = [one for one in self.all if one.mode != mode]


def _hear(talking: Sequence[Connection], until: float) -> None:
    with selectors.DefaultSelector() as ready:
        for one in (one for one in talking if one.waiting):
            ready.register(one.socket, selectors.EVENT_READ, one)
        while ready.get_map():
            left = until - time.monotonic()
            events = ready.select(left) if left > 0 else []
            if not events:
                break
            for key, _ in events:
                key.data.hear()
                if not key.data.waiting:
                    ready.unregister(key.fileobj)
    for one in (one for one in talking if one.waiting):
        one.problem = "timeout"
