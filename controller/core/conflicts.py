"""Other hosts that say they have a VIP, as edges report them. Owns nothing but what it has heard.

    an edge hears another MAC for a VIP ─► vip_conflict, the VIP is announced again ─► QUIET ─► vip_conflict_ended

It may be a server in mode ``dr`` or ``tun`` that answers for the VIP on its loopback, a former load balancer, or a host
with a wrong address. Connections of hosts that believe it are lost to the VIP, so what is right is said again at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from controller.clock import Clock
from controller.core.cells import Readable
from controller.core.journal import Journal
from controller.spec.types import Intent

QUIET = 60.0
"""Seconds after which a host that says nothing more counts as silent: longer than most ARP entries live unasked."""
AGAIN = 1.0
"""Seconds between two announcements of a VIP because of what other hosts say: two that defend an address for ever
must not fill a segment (RFC 5227, 2.4)."""
MOST = 256
"""Hosts that are followed at a time; more are counted as ``overlooked``."""


@dataclass(frozen=True)
class ConflictStatus:
    """Another host that says it has a VIP."""

    server: str
    """The backend whose MAC it is, as POOL/BACKEND; empty: none of the intent."""
    switch: str
    """The edge that heard it last."""
    frames: int
    """Frames that said so and were reported, 50 a second and switch at most."""
    age: float
    """Seconds since the last one."""


@dataclass(frozen=True)
class _Heard:
    since: float
    last: float
    count: int
    switch: str
    """The one that heard it last."""


class Conflicts:
    """Follows what edges hear."""

    def __init__(self, intent: Readable[Intent], journal: Journal, clock: Clock) -> None:
        self._intent = intent
        self._journal = journal
        self._clock = clock
        self._heard: dict[tuple[str, str], _Heard] = {}
        """VIP and MAC."""
        self._said: dict[str, float] = {}
        """When each VIP was announced because of this."""
        self.counts: dict[str, int] = {}
        """Reports so far, by VIP."""
        self.overlooked = 0
        self.announce: Callable[[str], None] = lambda _: None
        """Announce a VIP, where it is answered for; set by the one who assembles."""

    def heard(self, vip: str, mac: str, switch: str) -> None:
        """A switch has heard a frame that names another MAC for a VIP. Never blocks."""
        now = self._clock.now()
        self.counts[vip] = self.counts.get(vip, 0) + 1
        known = self._heard.get((vip, mac))
        if known is not None:
            self._heard[vip, mac] = replace(known, last=now, count=known.count + 1, switch=switch)
        elif len(self._heard) < MOST:
            self._heard[vip, mac] = _Heard(now, now, 1, switch)
            self._journal.event("vip_conflict", vip=vip, mac=mac, server=self._server(mac), switch=switch)
        else:
            self.overlooked += 1
        if now - self._said.get(vip, float("-inf")) >= AGAIN:
            self._said[vip] = now
            self.announce(vip)

    def deadline(self) -> float | None:
        """When the next one counts as silent; None: there is none."""
        return min((each.last + QUIET for each in self._heard.values()), default=None)

    def step(self) -> None:
        """Forget those that are silent."""
        now = self._clock.now()
        for (vip, mac), each in list(self._heard.items()):
            if each.last + QUIET <= now:
                del self._heard[vip, mac]
                lasted = round(each.last - each.since, 3)
                self._journal.event("vip_conflict_ended", vip=vip, mac=mac, frames=each.count, lasted=lasted)
        self._said = {vip: at for vip, at in self._said.items() if now - at < AGAIN}

    def shown(self) -> Mapping[str, Mapping[str, ConflictStatus]]:
        """Those that are heard, by VIP and MAC."""
        now, found = self._clock.now(), dict[str, dict[str, ConflictStatus]]()
        for (vip, mac), each in sorted(self._heard.items()):
            status = ConflictStatus(self._server(mac), each.switch, each.count, round(now - each.last, 1))
            found.setdefault(vip, {})[mac] = status
        return found

    def _server(self, mac: str) -> str:
        """The backend whose MAC it is, as POOL/BACKEND; empty: none of ours."""
        return next(
            (
                f"{pool.name}/{each.name}"
                for pool in self._intent.value.pools
                for each in pool.backends
                if each.mac == mac
            ),
            "",
        )
