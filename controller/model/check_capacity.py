"""Checks of capacity: whether every table of every switch has room for what the intent puts there."""

from __future__ import annotations

from controller.model.capacity import too_much
from controller.model.findings import Findings


def check_capacity(found: Findings) -> None:
    """Reports each table that is too small, at the switch whose it is; for an intent that is good otherwise."""
    if found.source.errors:
        return  # names may lead nowhere, and what is missing would be counted as nothing
    switches = {switch.name: switch for switch in found.intent.switches}
    for need in too_much(found.intent):
        switch = switches[need.switch]
        what = (
            f'switch "{need.switch}" needs {need.need:,} entries in {need.table}, which holds {need.size:,}'
        )
        found.add(switch, "name", what, need.right)
