"""Times from sites to resolvers: what this name server has measured, and what all have. Bounded and aged.

    own TCP connections (TCP_INFO), pings ─► note ─► own figures ─► report ─► controller ─► Inputs.rtts ─► Shared
                                                └──────────── near(asker) ◄─────────────────────────────────┘

Figures are of prefixes (/24, /48): resolvers of one place stand together. Each is a moving average,
``seconds = 0.7 x before + 0.3 x measured``, and is forgotten ``KEPT`` seconds after the last measurement.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from controller.spec.addresses import Address

KEPT = 3600.0
"""Seconds after the last measurement for which a figure counts."""
MOST = 16_384
"""Prefixes that are kept; the one that was measured longest ago goes first."""
MOST_ASKED = 512
"""Resolvers that are remembered as having asked."""
BITS = {4: 24, 6: 48}
"""Length of prefixes, by IP version."""
_SHIFT = {4: 8, 6: 80}
_SHARE = 0.3
"""Of a new measurement in the average."""
LONGEST = 60.0
"""Seconds: what took longer is no time of a packet."""

Key = tuple[int, int]
"""IP version and leading bits."""


def key_of(address: Address) -> Key:
    """Of the prefix that an address is in."""
    return address.version, int(address) >> _SHIFT[address.version]


def text_of(key: Key) -> str:
    """The prefix in writing."""
    version, bits = key
    made = ip_address((bits << _SHIFT[version]).to_bytes(4 if version == 4 else 16, "big"))
    return f"{made}/{BITS[version]}"


def key_in(text: str) -> Key:
    """The same back. Raises ValueError."""
    prefix = ip_network(text)
    if prefix.prefixlen != BITS[prefix.version]:
        raise ValueError(f"{text} is no /{BITS[prefix.version]}")
    return key_of(prefix.network_address)


class Figure(NamedTuple):
    """Of one prefix."""

    seconds: float
    at: float
    """When it was measured last, seconds of the clock."""


@dataclass(frozen=True)
class Report:
    """What one name server has measured, and who asked it."""

    site: str
    """Where it is."""
    rtts: Mapping[str, float] = field(default_factory=dict)
    """Prefix -> seconds."""
    asked: tuple[str, ...] = ()
    """Resolvers that asked, the latest last."""


class Rtts:
    """What one name server has measured. Not for several threads."""

    def __init__(self, now: Callable[[], float], site: str = "") -> None:
        """``site``: where it is; empty: its figures count for no site."""
        self.site = site
        self._now = now
        self._own: OrderedDict[Key, Figure] = OrderedDict()
        self._asked: OrderedDict[Address, None] = OrderedDict()

    def note(self, address: Address, seconds: float) -> None:
        """A packet to a resolver and its answer took so long. Takes a microsecond."""
        if not 0.0 < seconds < LONGEST:
            return
        key, now = key_of(address), self._now()
        before = self._own.get(key)
        if before is not None and now < before.at + KEPT:
            seconds = (1 - _SHARE) * before.seconds + _SHARE * seconds
        self._own[key] = Figure(seconds, now)
        self._own.move_to_end(key)
        if len(self._own) > MOST:
            self._own.popitem(last=False)

    def asks(self, resolver: Address) -> None:
        """A resolver asked for a name that goes by times: it is worth measuring."""
        self._asked[resolver] = None
        self._asked.move_to_end(resolver)
        if len(self._asked) > MOST_ASKED:
            self._asked.popitem(last=False)

    def own(self, key: Key) -> float | None:
        """Seconds to a prefix from here; None: not measured, or too long ago."""
        found = self._own.get(key)
        return None if found is None or self._now() >= found.at + KEPT else found.seconds

    def report(self) -> Report:
        """What the controller is told."""
        now = self._now()
        fresh = {text_of(k): each.seconds for k, each in self._own.items() if now < each.at + KEPT}
        return Report(self.site, fresh, tuple(str(each) for each in self._asked))


class Shared:
    """What all name servers have measured, as looked up."""

    def __init__(self, rtts: Mapping[str, Mapping[str, float]]) -> None:
        """``rtts``: as ``Inputs`` has them."""
        self._rows: dict[Key, Mapping[str, float]] = {}
        for text, row in rtts.items():
            try:
                self._rows[key_in(text)] = row
            except ValueError:
                continue

    def near(self, own: Rtts | None, client: Address | None, resolver: Address) -> Mapping[str, float]:
        """Seconds by site to who asks: to the client's own prefix where something is known of it, or the resolver's.

        ``client``: None: too few of its bits are known.
        """
        for address in (client, resolver):
            row = {} if address is None else self._row(own, key_of(address))
            if row:
                return row
        return {}

    def _row(self, own: Rtts | None, key: Key) -> Mapping[str, float]:
        row = self._rows.get(key, {})
        if own is None or not own.site:
            return row
        mine = own.own(key)
        return row if mine is None else {**row, own.site: mine}
