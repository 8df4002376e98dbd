"""How many slots the weights of a pool give to whom, without building its table."""

from __future__ import annotations

from controller.spec.types import Backend, Pool


def quotas(pool: Pool, group: int) -> dict[str, int]:
    """Slots by backend while a priority group serves with all its members; draining ones and weight 0 are not in it.

    The same rounding as the table's: weight x slots / sum of weights by largest remainder, ties by name.
    """
    weights = {each.name: each.weight for each in sorted(_serving(pool, group), key=lambda each: each.name)}
    total = sum(weights.values())
    if not total:
        return {}
    parts = {name: divmod(weight * pool.slots, total) for name, weight in weights.items()}
    spare = pool.slots - sum(whole for whole, _ in parts.values())
    lucky = set(sorted(parts, key=lambda name: -parts[name][1])[:spare])
    return {name: whole + (name in lucky) for name, (whole, _) in parts.items()}


def without_slots(pool: Pool) -> tuple[Backend, ...]:
    """Backends with a weight that rounds to no slot: no new connection reaches them while all others live."""
    found = {group: quotas(pool, group) for group in {backend.group for backend in pool.backends}}
    return tuple(backend for backend in pool.backends if found[backend.group].get(backend.name) == 0)


def group_weight(pool: Pool, backend: Backend) -> int:
    """Sum of the weights that a backend shares the slots with, its own included."""
    return sum(each.weight for each in _serving(pool, backend.group))


def _serving(pool: Pool, group: int) -> list[Backend]:
    return [each for each in pool.backends if each.weight and not each.drain and each.group == group]
