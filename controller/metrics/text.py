"""Families and their samples as text: OpenMetrics 1.0, or the older format of Prometheus for those who ask for it.

Written directly: a client library's objects take tens of times as long, which the event loop would feel.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from controller.metrics.families import Family, Kind
from controller.metrics.histogram import Distribution

OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Row = tuple[str, float]
"""Labels as text, and a value."""


def labels(**values: str) -> str:
    """Labels as they stand between braces; empty ones are left out, which means the same."""
    return ",".join(f'{name}="{escaped(value)}"' for name, value in values.items() if value)


def escaped(value: str) -> str:
    """A label's value as it stands between quotes."""
    return value.translate(_ESCAPES)


class Text:
    """Grows by whole families."""

    def __init__(self, plain: bool = False) -> None:
        """``plain``: the older format."""
        self._plain = plain
        self._parts: list[str] = []

    def rows(self, family: Family, rows: Iterable[Row]) -> None:
        """Add a family of gauges, counters or infos; nothing if it has no series."""
        name = family.sample
        made = [
            f"{name}{{{row}}} {value}\n" if row else f"{name} {value}\n"
            for row, value in rows
        ]  # fmt: skip
        if made:
            self._head(family)
            self._parts += made

    def value(self, family: Family, value: float | None) -> None:
        """Add a family of one series without labels; None: it has none."""
        self.rows(family, [] if value is None else [("", value)])

    def histograms(self, family: Family, rows: Iterable[tuple[str, Distribution]]) -> None:
        """Add a family of histograms."""
        made: list[str] = []
        for row, found in rows:
            before, name = f"{row}," if row else "", family.name
            ends = [*map(str, map(float, found.bounds)), "+Inf"]
            sums = list(accumulate(found.counts))
            made += [
                f'{name}_bucket{{{before}le="{end}"}} {count}\n'
                for end, count in zip(ends, sums, strict=True)
            ]
            inside = f"{{{row}}}" if row else ""
            made.append(f"{name}_sum{inside} {found.total}\n{name}_count{inside} {sums[-1]}\n")
        if made:
            self._head(family)
            self._parts += made

    def whole(self) -> bytes:
        """The end."""
        if not self._plain:
            self._parts.append("# EOF\n")
        return "".join(self._parts).encode()

    def _head(self, family: Family) -> None:
        name, kind = family.name, family.kind
        if self._plain:
            name = family.sample
            kind = Kind.GAUGE if kind is Kind.INFO else kind
        self._parts.append(f"# TYPE {name} {kind}\n")
        if family.unit and not self._plain:
            self._parts.append(f"# UNIT {name} {family.unit}\n")
        self._parts.append(f"# HELP {name} {family.meaning}.\n")
