"""What name servers at the sites have measured, put together: who is measured by all, and what they found. Bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from ipaddress import ip_address

from controller.exits.names.rtt import KEPT, LONGEST, MOST, MOST_ASKED, Key, Report, key_in, text_of

MOST_RESOLVERS = 256
"""Resolvers that all name servers measure; those that asked last."""
LEAST, SHARE = 0.001, 0.1
"""Seconds, and share of what is known: a time that differs by less is the same. All are sent when one is another."""


class Reports:
    """Of all name servers."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._rows: OrderedDict[Key, dict[str, tuple[float, float]]] = OrderedDict()
        """Prefix -> site -> seconds, and when it was said."""
        self._resolvers: OrderedDict[str, None] = OrderedDict()

    def take(self, report: Report) -> None:
        """Of one name server. Raises ValueError for what is no prefix, address or time, and for too many of them."""
        if len(report.rtts) > MOST or len(report.asked) > MOST_ASKED:
            raise ValueError(
                f"a report of {report.site} has more than {MOST} times or {MOST_ASKED} resolvers"
            )
        rows = [(key_in(text), seconds) for text, seconds in report.rtts.items()]
        asked = [str(ip_address(text)) for text in report.asked]
        if not all(0.0 < seconds < LONGEST for _, seconds in rows):
            raise ValueError(f"a report of {report.site} has a time that is not between 0 and {LONGEST:g} s")
        for key, seconds in rows if report.site else ():
            self._note(key, report.site, seconds)
        for address in asked:
            self._resolvers[address] = None
            self._resolvers.move_to_end(address)
            if len(self._resolvers) > MOST_RESOLVERS:
                self._resolvers.popitem(last=False)

    def _note(self, key: Key, site: str, seconds: float) -> None:
        row = self._rows.setdefault(key, {})
        before = row.get(site)
        if before is not None and abs(before[0] - seconds) <= max(LEAST, SHARE * before[0]):
            seconds = before[0]
        row[site] = seconds, self._now()
        self._rows.move_to_end(key)
        if len(self._rows) > MOST:
            self._rows.popitem(last=False)

    def rtts(self) -> Mapping[str, Mapping[str, float]]:
        """Prefix -> site -> seconds: what counts still."""
        now = self._now()
        found = {}
        for key, row in self._rows.items():
            fresh = {site: round(s, 4) for site, (s, at) in sorted(row.items()) if now < at + KEPT}
            if fresh:
                found[text_of(key)] = fresh
        return found

    def resolvers(self) -> tuple[str, ...]:
        """Resolvers that all name servers measure."""
        return tuple(sorted(self._resolvers))
