"""One end of a BFD session, and when it may claim authority. Pure: packets and the time come in, packets come out.

    down ──heard down──► init ──heard init or up──► up ──silent, or heard down──► down
    claims: up for ``SETTLE`` seconds, the switch looks often enough, and the deadline has not come

Of RFC 5880 this is the asynchronous mode without echo, demand and authentication. It sends every 50 ms even while the
session is down, where 6.8.3 asks for a second: the cable is its own, and a switch must not take the slow interval for
the time in which it misses us.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.frames.bfd import BfdPacket, BfdState, Diagnostic

INTERVAL = 0.05
"""Seconds between packets, less up to a quarter."""
MULTIPLIER = 3
"""Packets that either side has to miss."""
SETTLE = 1.5
"""Seconds that a session is up before it claims: Open vSwitch notices an end later just after it came up."""
SILENT_WITHIN = 0.2
"""Seconds after its last packet within which the switch is silent, whatever becomes of the speaker."""
_SLOW = 1.0
"""Seconds between packets of an end whose session is down."""
_MICRO = 1_000_000


@dataclass
class Session:
    """The end that claims. Times are seconds of one clock that neither steps nor stands still in suspend."""

    discriminator: int
    """Ours, not 0."""
    until: float = 0.0
    """The deadline of the claim."""
    state: BfdState = BfdState.DOWN
    since: float = 0.0
    """When the session came up last."""
    _theirs: int = 0
    _heard: float = 0.0
    _min_tx: float = 1.0
    """Seconds between their packets, as they say."""
    _min_rx: float = 1.0
    _multiplier: int = 3

    def hear(self, packet: BfdPacket, now: float) -> bool:
        """A packet came; whether it has to be answered at once."""
        self.expire(now)
        if packet.theirs not in (0, self.discriminator):
            return False
        self._theirs, self._heard = packet.ours, now
        self._min_tx, self._min_rx = packet.min_tx / _MICRO, packet.min_rx / _MICRO
        self._multiplier = packet.multiplier
        self._step(packet.state, now)
        return packet.poll

    def _step(self, theirs: BfdState, now: float) -> None:
        """RFC 5880, 6.8.6."""
        if theirs is BfdState.ADMIN_DOWN:
            self.state = BfdState.DOWN
        elif self.state is BfdState.DOWN:
            if theirs is BfdState.DOWN:
                self.state = BfdState.INIT
            elif theirs is BfdState.INIT:
                self._rise(now)
        elif self.state is BfdState.INIT:
            if theirs in (BfdState.INIT, BfdState.UP):
                self._rise(now)
        elif theirs is BfdState.DOWN:
            self.state = BfdState.DOWN

    def _rise(self, now: float) -> None:
        self.state, self.since = BfdState.UP, now

    def expire(self, now: float) -> None:
        """Time has passed: a session of which nothing was heard is down."""
        if now >= self._heard + self.detection and self.state is not BfdState.DOWN:
            self.state, self._theirs = BfdState.DOWN, 0

    @property
    def detection(self) -> float:
        """Seconds of silence after which we take the switch for gone.

        No fence hangs on it, and Open vSwitch is slow for a second after it has come up and said otherwise.
        """
        return self._multiplier * max(_SLOW, self._min_tx)

    @property
    def interval(self) -> float:
        """Seconds between our packets."""
        return max(INTERVAL, self._min_rx) if self.state is BfdState.UP else INTERVAL

    @property
    def noticed(self) -> float:
        """Seconds of our silence after which the switch takes us for gone."""
        return MULTIPLIER * max(INTERVAL, self._min_rx)

    def up(self, now: float) -> bool:
        """Whether the session is up."""
        return self.state is BfdState.UP and now < self._heard + self.detection

    def claims(self, now: float) -> bool:
        """Whether a packet that is sent now claims authority."""
        return self.reason(now) == ""

    def reason(self, now: float) -> str:
        """Why it does not claim; empty: it does."""
        if not self.up(now):
            return "the switch is not heard by BFD"
        if self.noticed > SILENT_WITHIN:
            return (
                f"the switch would notice silence after {self.noticed:g} s only; "
                f"set bfd:min_rx={INTERVAL * 1000:.0f} on its port"
            )
        if now < self.since + SETTLE:
            return f"the session has not been up for {SETTLE:g} s"
        return "" if now < self.until else "no authority"

    def packet(self, now: float, *, final: bool = False) -> BfdPacket:
        """What to send now.

        Without authority the diagnostic says so in every state: the switch may come up by this very packet.
        """
        self.expire(now)
        return BfdPacket(
            self.state,
            Diagnostic.NONE if self.claims(now) else Diagnostic.CONCATENATED_PATH_DOWN,
            self.discriminator,
            self._theirs,
            round(INTERVAL * _MICRO),
            round(INTERVAL * _MICRO),
            MULTIPLIER,
            final=final,
        )

    def next_change(self, now: float) -> float:
        """When it claims or ceases to claim next if nothing comes: then a packet is due at once."""
        ends = (self.since + SETTLE, self.until, self._heard + self.detection)
        return min((end for end in ends if end > now), default=float("inf"))
