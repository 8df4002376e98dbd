"""What happens in a controller, counted where it happens; metrics show it.

    journal ─► event    (what was written, moved, repaired)     store ─► commit
    prober  ─► probed                                           loop  ─► lag

All of it is counted in the event loop, and lasts as long as the process: also while it stands by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from controller.health.result import Outcome, ProbeResult
from controller.metrics.histogram import Distribution, Histogram

DRIFT = ("missing", "modified", "unexpected")
"""Fields of ``repaired`` that count entries."""


class Observed(NamedTuple):
    """All observations as they were at one moment."""

    events: Mapping[str, int]
    """Events of the journal, by name."""
    commits: Distribution
    """Seconds."""
    lag: Distribution
    """Seconds."""
    probes: Mapping[str, Distribution]
    """Seconds, by outcome: ``pass``, ``fail``."""
    unasked: int
    """Probes that could not be asked."""
    writes: Mapping[str, Distribution]
    """Seconds, by switch."""
    repaired: Mapping[tuple[str, str], int]
    """Entries, by switch and kind of drift."""
    moved: Mapping[str, int]
    """Slots, by key of the pool."""
    spans: Mapping[str, int]
    """By what became of them; empty: none are made."""


class Observations:
    """Counts. No method raises or blocks."""

    def __init__(self) -> None:
        self.spans: Callable[[], Mapping[str, int]] = dict
        """Spans that were made; set by the one who makes some."""
        self._events: Counter[str] = Counter()
        self._commits = Histogram()
        self._lag = Histogram()
        self._probes = {outcome: Histogram() for outcome in (Outcome.PASS, Outcome.FAIL)}
        self._unasked = 0
        self._writes: dict[str, Histogram] = {}
        self._repaired: Counter[tuple[str, str]] = Counter()
        self._moved: Counter[str] = Counter()
        self._heed: Mapping[str, Callable[[Mapping[str, object]], None]] = {
            "converged": self._converged,
            "repaired": self._drifted,
            "table": self._table,
        }

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        """An event was written to the journal."""
        self._events[name] += 1
        if name in self._heed:
            self._heed[name](fields)

    def commit(self, seconds: float) -> None:
        """The store has acknowledged a commit."""
        self._commits.observe(seconds)

    def lag(self, seconds: float) -> None:
        """The event loop woke a task so much later than asked."""
        self._lag.observe(seconds)

    def probed(self, results: Iterable[ProbeResult]) -> None:
        """Probes have ended."""
        for result in results:
            if result.outcome is Outcome.LOCAL:
                self._unasked += 1
            else:
                self._probes[result.outcome].observe(result.finished - result.started)

    def keep(self, switches: Collection[str], pools: Collection[str]) -> None:
        """Forget what was counted of others: what is shown stays bounded by what there is."""
        for name in self._writes.keys() - switches:
            del self._writes[name]
        for each in [each for each in self._repaired if each[0] not in switches]:
            del self._repaired[each]
        for key in self._moved.keys() - pools:
            del self._moved[key]

    def taken(self) -> Observed:
        """As it is now."""
        return Observed(
            dict(self._events),
            self._commits.taken(),
            self._lag.taken(),
            {outcome.name.lower(): each.taken() for outcome, each in self._probes.items()},
            self._unasked,
            {name: each.taken() for name, each in self._writes.items()},
            dict(self._repaired),
            dict(self._moved),
            self.spans(),
        )

    def _converged(self, fields: Mapping[str, object]) -> None:
        self._writes.setdefault(str(fields.get("switch")), Histogram()).observe(_number(fields, "ms") / 1000)

    def _drifted(self, fields: Mapping[str, object]) -> None:
        for kind in DRIFT:
            self._repaired[str(fields.get("switch")), kind] += int(_number(fields, kind))

    def _table(self, fields: Mapping[str, object]) -> None:
        self._moved[str(fields.get("pool"))] += int(_number(fields, "moved"))


def _number(fields: Mapping[str, object], name: str) -> float:
    value = fields.get(name)
    return float(value) if isinstance(value, int | float) else 0.0
