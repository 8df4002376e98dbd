"""The one backend that serves a pool with ``failover``: which it is, and which comes next. Pure.

Preferred is the lowest priority group, and in it the first of the file; draining backends and those of weight 0 are
left out. The present writer is stored by pool: neither a restart nor another listener of the pool chooses again.

    it lives                       it stays; under ``failback: auto`` a preferred one takes over after ``hold``
    it is down                     the first that is judged up takes over; if none is, it stays: nothing else opens
    it drains or has left          the first that is judged up, else the first without a verdict, else the first
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from controller.plan.pool import UNCONFIRMED, Health
from controller.spec.policy import Failback
from controller.spec.types import Backend, Pool

HOLD = 10.0
"""Seconds for which a preferred backend is up, at the least, before it takes over by itself."""


class HandoverRefused(ValueError):
    """A backend cannot be made the writer."""


def hold(pool: Pool) -> float:
    """Seconds for which a preferred backend must be up before it takes over by itself.

    It is judged up after ``rise`` probes; it has to pass as many once more, and ``HOLD`` seconds at the least.
    """
    return HOLD if pool.health is None else max(HOLD, pool.health.rise * pool.health.interval)


def choose(pool: Pool, writer: str | None, health: Mapping[str, Health], now: float) -> str | None:
    """Name of the writer from now on; None: every backend drains, so none serves."""
    able = [real.name for real in _preferred(pool)]
    if writer not in able:
        unjudged = [name for name in able if name not in health]
        return next((name for name in (*_up(able, health), *unjudged, *able)), None)
    assert writer is not None, "a backend has a name"
    if _is_down(writer, health):
        return next(_up(able, health), writer)
    ready = (name for name, since in _takes_over(pool, writer, health) if now >= since)
    return next(ready, writer)


def due(pool: Pool, writer: str | None, health: Mapping[str, Health], after: float) -> float | None:
    """When time alone changes the writer next, later than ``after``; None: never."""
    if writer is None or _is_down(writer, health):
        return None
    return min((at for _, at in _takes_over(pool, writer, health) if at > after), default=None)


def waiting(pool: Pool, writer: str | None, health: Mapping[str, Health]) -> str | None:
    """The most preferred living backend, if it waits for a command to take over from a writer that lives."""
    manual = pool.failover is not None and pool.failover.failback is Failback.MANUAL
    if not manual or writer is None:
        return None
    return next(_up(_before(pool, writer), health), None)


def handover(pool: Pool, writer: str | None, backend: str | None, health: Mapping[str, Health]) -> str:
    """Who becomes the writer by command: ``backend``, or the most preferred one that lives.

    Raises HandoverRefused, saying what would be right.
    """
    if pool.failover is None:
        raise HandoverRefused(f'pool "{pool.name}" has no failover: all its backends serve')
    able = [real.name for real in _preferred(pool)]
    if backend is None:
        found = next(_up(able, health), None)
        if found is None:
            raise HandoverRefused(f'pool "{pool.name}" has no backend that is up and does not drain')
        return found
    if backend not in able:
        known = any(real.name == backend for real in pool.backends)
        why = "drains: set its weight and take away drain first" if known else f"is none of {_list(able)}"
        raise HandoverRefused(f'backend "{backend}" of pool "{pool.name}" {why}')
    if backend == writer:
        return backend
    verdict = health.get(backend)
    if verdict is None or not verdict.up:
        why = "has no verdict yet" if verdict is None else f"is down: {verdict.reason}"
        raise HandoverRefused(f'backend "{backend}" of pool "{pool.name}" {why}')
    better = next(_up(able[: able.index(backend)], health), None)
    if pool.failover.failback is Failback.AUTO and better is not None:
        raise HandoverRefused(
            f'pool "{pool.name}" has failback: auto, so "{better}", which is up and preferred, would take over again; '
            f'drain "{better}", or write failback: manual'
        )
    return backend


def _preferred(pool: Pool) -> list[Backend]:
    able = [real for real in pool.backends if real.weight and not real.drain]
    return sorted(able, key=lambda real: real.group)


def _before(pool: Pool, writer: str) -> list[str]:
    """Those preferred to the writer."""
    able = [real.name for real in _preferred(pool)]
    return able[: able.index(writer)] if writer in able else able


def _takes_over(pool: Pool, writer: str, health: Mapping[str, Health]) -> Iterator[tuple[str, float]]:
    """Backends that take over from a living writer by themselves, preferred ones first, and when."""
    if pool.failover is not None and pool.failover.failback is Failback.AUTO:
        wait = hold(pool)
        yield from ((name, health[name].since + wait) for name in _up(_before(pool, writer), health))


def _up(names: list[str], health: Mapping[str, Health]) -> Iterator[str]:
    """Those that are judged to be up; without a verdict none is trusted to take over."""
    return (name for name in names if name in health and health[name].up)


def _is_down(name: str, health: Mapping[str, Health]) -> bool:
    """What a controller was only told by the store moves no writer."""
    return name in health and not health[name].up and health[name].confirmed < UNCONFIRMED


def _list(names: list[str]) -> str:
    return ", ".join(names) or "its backends, which all drain"
