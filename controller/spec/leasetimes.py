"""How long things last in the ownership of a MAC group, and which of these times go together. Pure.

    put sent                                      ends: the switch is silent
    ├──────── authority - fence ────────┬─ fence ─┤
    │ renew │ renew │ ...               deadline that the switch is given
       ├──────────── wait = authority x (1 + drift) / (1 - drift) + margin ────────────┤ may claim
       arrival at the other site

Each clock runs at between ``1 - drift`` and ``1 + drift`` of true time. Only these rates matter, no clock's reading.
The factor is ``1 + 2 drift`` to the first order, and exact as it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

STALL = 2.25
"""Election timeouts for which etcd takes no writes after its leader's death, at most; measured at 20/200 ms: 1.7 to
2.26, at 50/500: 1.1 to 1.4, at 100/1000: 1.1 to 2.3."""
LOST_AFTER = 2.0
"""Heartbeats are lost on a path when none came for so many ``renew``."""
_LEAST_RENEW, _LEAST_MARGIN, _MOST_DRIFT, _LONGEST = 0.02, 0.005, 0.05, 60.0


@dataclass(frozen=True)
class LeaseTimes:
    """The settings ``lease``, in seconds."""

    renew: float = 0.15
    """Between two renewals."""
    authority: float = 0.8
    """How long one renewal lasts, from when it was sent until the last switch is silent."""
    drift: float = 0.001
    """By which share a machine's clock may run too fast or too slow. Clocks that are being slewed by NTP differ by up
    to 0.0005."""
    margin: float = 0.02
    """What the other site waits besides: the resolution of clocks."""
    fence: float = 0.2
    """How long after its deadline a switch may go on answering: on Open vSwitch until it misses BFD, which takes up
    to 169 ms. Counted within ``authority``."""

    def wait(self, authority: float) -> float:
        """How long an observer's clock must show no renewal until one of ``authority`` seconds has surely ended."""
        return authority * (1 + self.drift) / (1 - self.drift) + self.margin

    def stall(self, election: float) -> float:
        """Seconds without writes that a healthy owner must outlast, at etcd's election timeout."""
        return self.renew + STALL * election

    def replaced_within(self, election: float, round_trip: float) -> float:
        """Seconds from a site's death until another one has claimed, if one member of etcd, even its leader, dies too.

        The last renewal was sent at most at the moment of death, arrives, is waited for, and the claim is written.
        """
        slowest = self.wait(self.authority) / (1 - self.drift)
        return slowest + max(0.0, STALL * election - slowest) + 2 * round_trip


class Wrong(NamedTuple):
    """One setting that does not go with the others."""

    key: str
    message: str
    right: str
    """What would be right."""


def check(times: LeaseTimes, election: float | None = None) -> Iterator[Wrong]:
    """What is wrong. ``election``: etcd's election timeout in seconds, None: not known yet."""
    for key, least, most in (
        ("renew", _LEAST_RENEW, _LONGEST),
        ("authority", 2 * _LEAST_RENEW, _LONGEST),
        ("drift", 0.0, _MOST_DRIFT),
        ("margin", _LEAST_MARGIN, _LONGEST),
        ("fence", 0.0, _LONGEST),
    ):
        value = float(getattr(times, key))
        if not least <= value <= most:
            yield Wrong(key, f"lease.{key} is {value:g}", f"write a value from {least:g} to {most:g}")
    usable = times.authority - times.fence
    if usable < 2 * times.renew:
        yield Wrong(
            "authority",
            f"lease.authority {_s(times.authority)} less the {_s(times.fence)} that a switch needs to fall silent "
            f"leaves {_s(usable)}, less than two renewals of {_s(times.renew)}: one late put would silence the owner",
            f"set authority to at least {_s(times.fence + 2 * times.renew)}, or renew to at most {_s(usable / 2)}",
        )
    elif election is not None and usable + 1e-9 < times.stall(election):
        yield _stalls(times, usable, election)


def _stalls(times: LeaseTimes, usable: float, election: float) -> Wrong:
    least = times.fence + times.stall(election)
    longest = (usable - times.renew) / STALL
    return Wrong(
        "authority",
        f"lease.authority {_s(times.authority)} is too short for etcd's election timeout of {_s(election)}: after the "
        f"death of etcd's leader nothing is written for up to {_s(STALL * election)}, and a healthy owner would fall "
        "silent",
        f"set authority to at least {_s(least)}, or start etcd with --election-timeout={longest * 1000:.0f} or less "
        f"and --heartbeat-interval={longest * 100:.0f}",
    )


def _s(seconds: float) -> str:
    return f"{max(seconds, 0.0) * 1000:.0f} ms" if seconds < 1 else f"{seconds:.3g} s"
