"""The page of metrics, from their table."""

from __future__ import annotations

from controller.metrics.families import GROUPS, Family
from tests.reference.docstrings import table

_LABELS = {
    "switch": "name of the switch in the intent",
    "site": "name of the site",
    "vip": "name of the VIP",
    "listener": "VIP/protocol/port; in tables of pools it is there only while the listener has a table of its own",
    "pool": "name of the pool",
    "protocol": "`tcp` or `udp`",
    "backend": "name of the backend",
}
"""Those that stand in many places."""


def page() -> str:
    """The page as Markdown."""
    lines = [
        "# Reference of metrics",
        "",
        "Generated from the code by `make docs`. How to scrape them, and what they cost: [Metrics](../metrics.md).",
        "",
        "Names are those that a query uses. A histogram has `_bucket`, `_count` and `_sum`. A label that is empty is",
        "left out. A controller that stands by shows what is of itself alone.",
        "",
        *table(("label", "value"), [(f"`{name}`", meaning) for name, meaning in _LABELS.items()]),
    ]
    for title, families in GROUPS.items():
        lines += ["", f"## {title}", ""]
        lines += table(("metric", "type", "labels", "meaning"), [_row(each) for each in families])
    return "\n".join(lines) + "\n"


def _row(family: Family) -> tuple[str, ...]:
    labels = ", ".join(f"`{name}`" for name in family.labels)
    return f"`{family.sample}`", family.kind.value, labels, f"{family.meaning}."
