"""A pool's state that goes on elsewhere: as the beginning of another pool's, or by another clock. Pure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from controller.plan.pool import PoolState


def refit(state: PoolState, pool: str, origin: str) -> PoolState:
    """The same history as the beginning of another pool's: its members are ``origin``'s, and will drain.

    The table keeps its size: what is remembered names slots of that many.
    """
    members = tuple(m if m.origin else replace(m, origin=origin) for m in state.members)
    return replace(state, name=pool, members=members, fates={})


def shifted(state: PoolState, seconds: float) -> PoolState:
    """The same with all times later by ``seconds``."""
    if not seconds:
        return state
    later = tuple(
        m if m.draining_since is None else replace(m, draining_since=m.draining_since + seconds)
        for m in state.members
    )
    return replace(
        state,
        members=later,
        until=np.where(state.before != 0, state.until + seconds, 0.0),
        watched_until=state.watched_until + seconds,
        tracking=state.tracking.later(seconds),
        rehash=None if state.rehash is None else state.rehash.later(seconds),
        calm_since=state.calm_since + seconds,
        spent=tuple((at + seconds, count) for at, count in state.spent),
    )
