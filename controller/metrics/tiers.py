"""Metrics of layer-7 tiers, from the status of their exit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from controller.core.shown import ExitStatus, Scalar
from controller.metrics import families as all_of
from controller.metrics.families import Family
from controller.metrics.text import Row, Text, labels

_OF_PROCESSES = (
    (all_of.TIER_CLIENTS, "sessions"),
    (all_of.TIER_REQUESTS, "requests"),
    (all_of.TIER_ERRORS, "errors"),
)
_OF_SERVERS = (
    (all_of.TIER_WEIGHT, "weight"),
    (all_of.TIER_SESSIONS, "sessions"),
    (all_of.TIER_ASKED, "requests"),
    (all_of.TIER_FAILED, "errors"),
    (all_of.TIER_RETRIES, "retries"),
)
_ALIVE = ("UP", "no check", "DRAIN")
Items = list[tuple[str, Mapping[str, Scalar]]]


def rows(text: Text, exits: Mapping[str, ExitStatus]) -> None:
    """Items are ``TIER/INSTANCE``, and ``TIER/INSTANCE/POOL/SERVER``."""
    status = exits.get("tier")
    if status is None:
        return
    processes: Items = []
    servers: Items = []
    for name, item in status.items.items():
        steps = name.split("/")
        if len(steps) == 2:
            processes.append((labels(tier=steps[0], instance=steps[1]), item))
        else:
            row = labels(tier=steps[0], instance=steps[1], pool=steps[2], server=steps[3])
            servers.append((row, item))
    text.rows(all_of.TIER_REACHED, ((row, int(item["sessions"] is not None)) for row, item in processes))
    _numbers(text, _OF_PROCESSES, processes)
    text.rows(all_of.TIER_UP, ((row, int(str(item["state"]).startswith(_ALIVE))) for row, item in servers))
    _numbers(text, _OF_SERVERS, servers)


def _numbers(text: Text, of: tuple[tuple[Family, str], ...], items: Items) -> None:
    for family, key in of:
        text.rows(family, _known(items, key))


def _known(items: Items, key: str) -> Iterator[Row]:
    for row, item in items:
        value = item.get(key)
        if isinstance(value, int | float):
            yield row, value
