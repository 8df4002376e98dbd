"""Measures the way to resolvers from where a name server is: pings, and TCP connections to port 53.

resolvers that asked ─► prober (a process of its own) ─► how long each answer took ─► times of this place
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from controller.exits.names.rtt import Rtts
from controller.health.prober import Prober
from controller.health.result import Outcome, ProbeResult
from controller.health.service import ProbeSource
from controller.health.targets import Probe
from controller.spec.health import ProbeKind

EVERY = 30.0
"""Seconds between two measurements of a resolver, of each kind."""
WITHIN = 2.0
"""Seconds for one."""
LOOK = 5.0
"""Seconds between looks at who is to be measured."""
MOST = 256
"""Resolvers, at most."""
DOMAIN = 53
"""Port of resolvers."""

MakeSource = Callable[[Callable[[list[ProbeResult]], None], Callable[[str], None]], ProbeSource]


class Measuring:
    """Feeds the times of one name server."""

    def __init__(self, rtts: Rtts, problem: Callable[[str], None], make: MakeSource = Prober) -> None:
        """``problem``: told when measuring is disturbed."""
        self._rtts = rtts
        self._source = make(self._take, problem)

    async def run(self, resolvers: Callable[[], Iterable[str]]) -> None:
        """Until cancelled; begins when there is a resolver to measure. Raises OSError if that cannot be begun."""
        while not (wanted := probes(resolvers())):
            await asyncio.sleep(LOOK)
        try:
            await self._source.start()
            while True:
                self._source.set_probes(wanted)
                await asyncio.sleep(LOOK)
                wanted = probes(resolvers())
        finally:
            await self._source.stop()

    def _take(self, results: list[ProbeResult]) -> None:
        for each in results:
            if each.outcome is Outcome.PASS:
                self._rtts.note(each.probe.address, each.finished - each.started)


def probes(resolvers: Iterable[str]) -> frozenset[Probe]:
    """What is asked of them."""
    addresses = [ip_address(text) for text in sorted(resolvers)[:MOST]]
    pings = (Probe(ProbeKind.ICMP, each, interval=EVERY, timeout=WITHIN) for each in addresses)
    opens = (Probe(ProbeKind.TCP, each, DOMAIN, interval=EVERY, timeout=WITHIN) for each in addresses)
    return frozenset((*pings, *opens))
