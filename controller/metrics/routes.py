"""Series of announcements to routers, from the rows that the exit shows. Pure.

Rows are called ``SPEAKER``, ``SPEAKER VIP``, and ``SPEAKER PROTOCOL NEIGHBOR``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from controller.core.shown import ExitStatus, Scalar
from controller.metrics import families as all_of
from controller.metrics.text import Row, Text, labels

CONDITIONS = ("owner", "site", "lb", "service")


def routes(text: Text, of: ExitStatus | None) -> None:
    """All of them; none without routes."""
    rows = [(key.split(" "), row) for key, row in (of.items if of is not None else {}).items()]
    vips = [(words[0], words[1], row) for words, row in rows if len(words) == 2]
    neighbors = [(words, row) for words, row in rows if len(words) == 3]
    text.rows(all_of.ROUTE, ((labels(speaker=s, vip=v), int(bool(row.get("up")))) for s, v, row in vips))
    text.rows(all_of.ROUTE_CONDITION, _conditions(vips))
    text.rows(
        all_of.ROUTE_NEIGHBOR, ((_neighbor(words), int(bool(row.get("up")))) for words, row in neighbors)
    )
    told = ((words, row["told"]) for words, row in neighbors if isinstance(row.get("told"), int))
    text.rows(
        all_of.ROUTE_TOLD, ((_neighbor(words), count) for words, count in told if isinstance(count, int))
    )


def _conditions(vips: list[tuple[str, str, Mapping[str, Scalar]]]) -> Iterator[Row]:
    for speaker, vip, row in vips:
        for name in CONDITIONS:
            yield labels(speaker=speaker, vip=vip, condition=name), int(bool(row.get(name)))


def _neighbor(words: list[str]) -> str:
    return labels(speaker=words[0], protocol=words[1], neighbor=words[2])
