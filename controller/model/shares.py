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
    a zone takes, or else the group.
    """
    zones = _zones(group) if pool.zones is Zones.EVEN else {}
    if not serves:
        return {}
    factored = any(real.name in factors for real in serves)
    if len(zones) < 2 and share == 1 and not factored:
        return {real.name: real.weight for real in serves}
    if len(zones) < 2:
        return _parted(serves, share * WHOLE, factors)
    parts = {zone: (of, weight_of(of)) for zone, of in _zones(serves).items()}
    fit = {
        zone: fitness(living, weight_of(zones[zone]), pool.spill_below) for zone, (_, living) in parts.items()
    }
    whole = share * WHOLE / sum(fit.values())
    out: dict[str, int] = {}
    for zone, (of, _) in parts.items():
        out |= _parted(of, whole * fit[zone], factors)
    return {real.name: out[real.name] for real in serves}


def _parted(of: Sequence[Backend], whole: Fraction, factors: Mapping[str, Fraction]) -> dict[str, int]:
    """What backends take of ``whole``, by weight and factor."""
    weights = {real.name: real.weight * factors.get(real.name, Fraction(1)) for real in of}
    scale = whole / sum(weights.values())
    return {name: max(1, round(weight * scale)) for name, weight in weights.items()}


def part_of(pool: Pool, real: Backend) -> tuple[int, str]:
    """Its group, and where zones share evenly its zone: those with whom it shares by weight."""
    return real.group, _zone(real) if pool.zones is Zones.EVEN else ""


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


def zone_shares(pool: Pool, group: int) -> Mapping[str, Fraction]:
    """The share of new connections of each zone of a priority group, while it serves with all its members."""
    weights = _weights(pool, group)
    total = sum(weights.values())
    serving = [real for real in pool.backends if real.name in weights]
    return {
        zone: Fraction(sum(weights[real.name] for real in of), total) for zone, of in _zones(serving).items()
    }


def _weights(pool: Pool, group: int) -> dict[str, int]:
    """As the table has them while a group serves with all its members that do not drain."""
    whole = [real for real in pool.backends if real.weight and real.group == group]
    return scaled(pool, whole, _serving(pool, group), Fraction(1))


def _zones(group: Iterable[Backend]) -> dict[str, list[Backend]]:
    """Those who name no zone are in one, too."""
    out: dict[str, list[Backend]] = {}
    for real in group:
        out.setdefault(_zone(real), []).append(real)
    return out


def _zone(real: Backend) -> str:
    return real.zone or ""


def _serving(pool: Pool, group: int) -> list[Backend]:
    return [each for each in pool.backends if each.weight and not each.drain and each.group == group]
