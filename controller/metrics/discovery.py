"""Figures of the discovery server, from the rows of its status."""

from __future__ import annotations

from controller.core.shown import ExitStatus
from controller.metrics import families as all_of
from controller.metrics.text import Text, labels

_ALL = (
    ("clients", all_of.DISCOVERY_CLIENTS),
    ("refusing", all_of.DISCOVERY_REFUSING),
    ("refusals", all_of.DISCOVERY_REFUSALS),
    ("cut", all_of.DISCOVERY_CUT),
)
_SERVICE = (
    ("clients", all_of.DISCOVERY_ASKED),
    ("servers", all_of.DISCOVERY_SERVERS),
    ("parked", all_of.DISCOVERY_PARKED),
)


def of_discovery(text: Text, status: ExitStatus | None) -> None:
    """Nothing without discovery."""
    if status is None:
        return
    for key, family in _ALL:
        text.rows(family, [("", int(status.items["*"][key] or 0))])
    services = [(name, row) for name, row in status.items.items() if "clusters" in row]
    for key, family in _SERVICE:
        text.rows(family, [(labels(service=name), int(row[key] or 0)) for name, row in services])
