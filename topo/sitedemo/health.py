"""Whether a fabric of two sites is as it should be, from what its leading controller shows. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def faults(status: Mapping[str, Any], lbs: int) -> Iterator[str]:
    """What is not as it should be, in words. ``lbs``: how many lb switches there are."""
    switches: Mapping[str, Mapping[str, Any]] = status["switches"]
    behind = [name for name, one in switches.items() if not one.get("synced")]
    if behind:
        yield f"not in step: {', '.join(behind)}"
    out = lbs - sum(bool(one.get("admitted")) for one in switches.values())
    if out:
        yield f"lb switches not in use: {out}"
    pools: Mapping[str, Mapping[str, Any]] = status["pools"]
    for name, pool in pools.items():
        down = [backend for backend, one in pool["backends"].items() if one["up"] is not True]
        if down:
            yield f"{name}: not up: {', '.join(down)}"
        if pool["moving"]:
            yield f"{name}: slots in transition: {pool['moving']}"
    for key in ("unsynced", "probes_pending"):
        if status[key]:
            yield f"{key}: {status[key]}"
    for name, vip in status["vips"].items():
        if vip["owner"] != vip["belongs"]:
            yield f"{name}: owned by {vip['owner']}, belongs to {vip['belongs']}"
