"""Whether the subsets of a pool are those of its backends."""

from __future__ import annotations

from controller.model.findings import Findings
from controller.spec.policy import Zones
from controller.spec.types import Backend, Pool


def check_split(found: Findings, pool: Pool) -> None:
    """Adds what is wrong with ``split`` and ``subset``."""
    for real in pool.own:
        if not pool.split and real.subset is not None:
            found.add(
                real,
                ("subset",),
                f'backend "{real.name}" of pool "{pool.name}" has the subset "{real.subset}", and the pool no split',
                "add split: with a weight for each subset, or leave subset out",
            )
        elif pool.split and pool.subset_of(real) not in pool.subsets:
            _unknown(found, pool, real)
    if not pool.split:
        return
    if pool.zones is Zones.EVEN:
        found.add(
            pool,
            ("split", "zones"),
            f'pool "{pool.name}" has a split and zones: even, and each says how new connections are shared',
            "leave one of them out",
        )
    used = {pool.subset_of(real) for real in pool.own}
    for each in pool.split:
        if each.weight and each.name not in used:
            found.add(
                each,
                ("weight", "name"),
                f'subset "{each.name}" of pool "{pool.name}" has a weight and no backend, so others take its part',
                f"write subset: {each.name} or its labels at a backend, or set its weight to 0",
            )


def _unknown(found: Findings, pool: Pool, real: Backend) -> None:
    names = ", ".join(pool.subsets)
    has = (
        f'the subset "{real.subset}", which its split does not name'
        if real.subset
        else "no subset, and not the labels of one"
    )
    found.add(
        real,
        ("subset", "name"),
        f'backend "{real.name}" of pool "{pool.name}" has {has}',
        f"write subset: and one of {names}",
    )
