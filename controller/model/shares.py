"""How the weights of backends share new connections, without building a table: among zones, and in slots. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType

from controller.spec.policy import Zones
from controller.spec.types import Backend, Pool

WHOLE = 1 << 30
"""What weights add up to, about, where they are scaled."""
_PRECISION = 10_000


def fitness(living: int, weight: int, spill_below: float) -> Fraction:
    """Which share of what it should take a part of a pool can take: 0 to 1."""
    least = Fraction(spill_below).limit_denominator(_PRECISION)
    if not living or not least:
        return Fraction(living > 0)
    return min(Fraction(1), Fraction(living, weight) / least)


def scaled(
    pool: Pool,
    group: Sequence[Backend],
    serves: Sequence[Backend],
    share: Fraction,
    factors: Mapping[str, Fraction] = MappingProxyType({}),
) -> dict[str, int]:
    """Weights in the table of those of a priority group who serve; it takes ``share`` of all. None of them is 0.

    As configured, where nothing else has a part in it. ``factors``: of weights, by name, among those who share what
    a zone or a subset takes, or else the group.
    """
    parts = _partition(pool, group)
    if not serves:
        return {}
    factored = any(real.name in factors for real in serves)
    if len(parts) < 2 and share == 1 and not factored:
        return {real.name: real.weight for real in serves}
    if len(parts) < 2:
        return _parted(serves, share * WHOLE, factors)
    takes = {}
    for key, of in _partition(pool, serves).items():
        living = fitness(weight_of(of), weight_of(parts[key]), pool.spill_below)
        takes[key] = living * pool.subsets.get(key, 1)
    scale = share * WHOLE / sum(takes.values())
    out: dict[str, int] = {}
    for key, of in _partition(pool, serves).items():
        out |= _parted(of, takes[key] * scale, factors)
    return {real.name: out[real.name] for real in serves}


def _parted(of: Sequence[Backend], whole: Fraction, factors: Mapping[str, Fraction]) -> dict[str, int]:
    """What backends take of ``whole``, by weight and factor."""
    weights = {real.name: real.weight * factors.get(real.name, Fraction(1)) for real in of}
    scale = whole / sum(weights.values())
    return {name: max(1, round(weight * scale)) for name, weight in weights.items()}


def part_of(pool: Pool, real: Backend) -> tuple[int, str]:
    """Its group, and the zone or subset within which it shares by weight."""
    return real.group, _key(pool, real)


def weight_of(backends: Iterable[Backend]) -> int:
    """The sum of their weights."""
    return sum(real.weight for real in backends)


def quotas(pool: Pool, group: int) -> dict[str, int]:
    """Slots by backend while a priority group serves with all its members; draining ones and weight 0 are not in it.

    The same rounding as the table's: weight x slots / sum of weights by largest remainder, ties by name.
    """
    weights = _weights(pool, group)
    total = sum(weights.values())
    if not total:
        return {}
    parts = {name: divmod(weight * pool.slots, total) for name, weight in sorted(weights.items())}
    spare = pool.slots - sum(whole for whole, _ in parts.values())
    lucky = set(sorted(parts, key=lambda name: -parts[name][1])[:spare])
    return {name: whole + (name in lucky) for name, (whole, _) in parts.items()}


def without_slots(pool: Pool) -> tuple[Backend, ...]:
    """Backends with a weight that rounds to no slot: no new connection reaches them while all others live."""
    found = {group: quotas(pool, group) for group in {backend.group for backend in pool.backends}}
    return tuple(backend for backend in pool.backends if found[backend.group].get(backend.name) == 0)


def group_weight(pool: Pool, backend: Backend) -> int:
    """Sum of the weights that a backend shares the slots with, its own included."""
    return weight_of(_serving(pool, backend.group))


def part_shares(pool: Pool, group: int) -> Mapping[str, Fraction]:
    """The share of new connections of each zone or subset of a priority group, while it serves with all its members."""
    weights = _weights(pool, group)
    total = sum(weights.values())
    serving = [real for real in pool.backends if real.name in weights]
    return {
        part: Fraction(sum(weights[real.name] for real in of), total)
        for part, of in _partition(pool, serving).items()
    }


def _weights(pool: Pool, group: int) -> dict[str, int]:
    """As the table has them while a group serves with all its members that do not drain."""
    whole = [real for real in pool.backends if pool.weight_of(real) and real.group == group]
    return scaled(pool, whole, _serving(pool, group), Fraction(1))


def _partition(pool: Pool, group: Iterable[Backend]) -> dict[str, list[Backend]]:
    """By zone or subset, where these share with each other; a backup's backends are not split."""
    out: dict[str, list[Backend]] = {}
    for real in group:
        out.setdefault(_key(pool, real), []).append(real)
    return out


def _key(pool: Pool, real: Backend) -> str:
    if pool.zones is Zones.EVEN:
        return _zone(real)
    return pool.subset_of(real) or ""


def _zone(real: Backend) -> str:
    return real.zone or ""


def _serving(pool: Pool, group: int) -> list[Backend]:
    return [real for real in pool.backends if pool.weight_of(real) and not real.drain and real.group == group]
