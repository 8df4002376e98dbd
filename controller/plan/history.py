"""A pool's state as bytes: what a restarted controller must know to change nothing.

The table is kept although it follows from who serves: a controller that starts reads it at once, and needs the code
that builds tables, which takes longer to load than all the rest, only when something changed meanwhile.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import numpy as np
import numpy.typing as npt

from controller import maglev
from controller.plan.pool import NEVER, PoolMember, PoolState
from controller.plan.rehash import Rehash
from controller.plan.tracking import Tracking
from controller.spec.slots import Pairs, Slots
from controller.spec.spread import Spread
from controller.spec.switch import Fate
from controller.spec.types import Backend, Protocol

_STORED = np.dtype("<u2")


def dump(state: PoolState) -> bytes:
    """Inverse of ``load``."""
    head = {
        "name": state.name,
        "protocol": str(state.protocol),
        "slots": len(state.now),
        "members": [_member(m) for m in state.members],
        "serving": [list(m) for m in state.serving],
        "revision": state.revision,
        "panicked": state.panicked,
        "calm_since": _stored(state.calm_since),
        "tracks": True,
        "spread": state.spread,
        "rehash": None if state.rehash is None else [state.rehash.written, state.rehash.until],
        "spent": state.spent,
        "behind": state.behind,
        "period": [state.tracking.period, _stored(state.tracking.period_since)],
        "fates": {number: fate.value for number, fate in state.fates.items() if fate is not Fate.NORMAL},
    }
    moving = _slots(state.before)
    arrays: dict[str, npt.NDArray[Any]] = {
        "head": np.frombuffer(json.dumps(head).encode(), np.uint8),
        "table": np.frombuffer(zlib.compress(state.now.astype(_STORED).tobytes(), 1), np.uint8),
        "moving": moving,
        "before": state.before[moving],
        "until": state.until[moving],
        "watched": state.watched,
        "watched_until": state.watched_until,
        **_tracked(state.tracking),
    }
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]  # any name may be an array's
    return out.getvalue()


def load(data: bytes) -> PoolState:
    """The state that was dumped."""
    with np.load(io.BytesIO(data), allow_pickle=False) as kept:
        head = json.loads(kept["head"].tobytes())
        size, protocol = head["slots"], Protocol(head["protocol"])
        serving = tuple(maglev.WeightedBackend(*row) for row in head["serving"])
        before, until = np.zeros(size, np.uint16), np.zeros(size)
        before[kept["moving"]] = kept["before"]
        until[kept["moving"]] = kept["until"]
        table = _table(kept, serving, size)
        return PoolState(
            head["name"],
            protocol,
            tuple(_load_member(m) for m in head["members"]),
            serving,
            table,
            before,
            until,
            kept["watched"],
            kept["watched_until"],
            _load_tracked(kept, table, *head["period"])
            if head.get("tracks")
            else _migrated(protocol, table, before, kept["watched"]),
            head["revision"],
            head["panicked"],
            _loaded(head.get("calm_since")),
            {int(number): Fate(fate) for number, fate in head.get("fates", {}).items()},
            _spread(head.get("spread", Spread.OWN)),
            _rehash(head.get("rehash")),
            tuple((at, count) for at, count in head.get("spent", ())),
            head.get("behind", 0),
        )


def _tracked(tracking: Tracking) -> dict[str, npt.NDArray[Any]]:
    """What of the slots' tracking outlives the controller: all but what switches have acknowledged since."""
    slots, moved = _slots(tracking.tracked), _slots(tracking.class_)
    return {
        "class_slots": moved,
        "classes": tracking.class_[moved],
        "tracked": slots,
        "base": tracking.base[slots],
        "base_until": tracking.base_until[slots],
        "moved_until": tracking.moved_until[slots],
        "ages": tracking.ages[slots],
        "former": tracking.former,
    }


def _slots(values: npt.NDArray[Any]) -> Slots:
    """Those that have a value; two octets hold a slot's number."""
    return np.flatnonzero(values).astype(_STORED)


def _stored(time: float) -> float | None:
    return time if time > NEVER else None


def _loaded(time: float | None) -> float:
    return NEVER if time is None else time


def _load_tracked(
    kept: Mapping[str, npt.NDArray[Any]], table: maglev.Table, period: int, since: float | None
) -> Tracking:
    nothing = Tracking.of(table)
    changed = {}
    for name in ("base", "base_until", "moved_until", "ages"):
        changed[name] = getattr(nothing, name).copy()
        changed[name][kept["tracked"]] = kept[name]
    class_, tracked = nothing.class_.copy(), nothing.tracked.copy()
    class_[kept["class_slots"]] = kept["classes"]
    tracked[kept["tracked"]] = True
    told = replace(
        nothing,
        class_=class_,
        tracked=tracked,
        period=period,
        period_since=_loaded(since),
        former=kept["former"],
    )
    return replace(told, **changed).unheard()


def _spread(name: str | None) -> Spread | None:
    return None if name is None else Spread(name)


def _rehash(stored: list[float] | None) -> Rehash | None:
    """Switches are asked again what they have."""
    return None if stored is None else Rehash(min(int(stored[0]), 1), stored[1])


def _migrated(protocol: Protocol, table: maglev.Table, before: maglev.Table, watched: Pairs) -> Tracking:
    """Of an earlier version, whose switches remembered every connection."""
    return Tracking.migrated(table, before, watched) if protocol is Protocol.TCP else Tracking.of(table)


def _table(
    kept: Mapping[str, npt.NDArray[Any]], serving: tuple[maglev.WeightedBackend, ...], size: int
) -> maglev.Table:
    if "table" not in kept:  # an earlier version kept none
        return maglev.build(serving, size) if serving else np.zeros(size, np.uint16)
    table = np.frombuffer(zlib.decompress(kept["table"].tobytes()), _STORED).astype(np.uint16)
    if len(table) != size:
        raise ValueError(f"a table of {len(table)} slots; it should have {size}")
    return table


def _member(member: PoolMember) -> dict[str, Any]:
    # Not ``asdict``, which copies every value: this is done for every backend whenever one of them changes.
    backend = {**vars(member.backend), "addresses": [str(a) for a in member.backend.addresses]}
    return {**vars(member), "backend": backend}


def _load_member(data: dict[str, Any]) -> PoolMember:
    backend = data.pop("backend")
    backend["addresses"] = tuple(ip_address(a) for a in backend["addresses"])
    backend["labels"] = tuple((key, value) for key, value in backend.get("labels", ()))
    return PoolMember(Backend(**backend), **data)
