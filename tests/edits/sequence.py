"""One sequence of random edits, waits, openings, restarts and losses of memory, from a seed."""

from __future__ import annotations

from collections import Counter
from random import Random

from tests.edits.fabric import Fabric, Moved
from tests.edits.generator import EDITS, beginning

STEPS = 14
"""Edits in a sequence."""


def play(seed: int, steps: int = STEPS) -> Counter[str]:
    """Play one sequence; how often what was done. Raises Moved with the seed and everything that was done."""
    random = Random(seed)
    fabric = Fabric(random, beginning(random))
    done: Counter[str] = Counter()
    try:
        fabric.open(12)
        for _ in range(steps):
            name = random.choice(list(EDITS))
            new = EDITS[name](random, fabric.intent)
            if new is not None:
                fabric.edit(name, new)
                done[name] += 1
            _between(random, fabric, done)
        fabric.lb_forgets(settled=True)
    except Moved as moved:
        raise Moved(f"seed {seed}: {moved}") from None
    done["refused"] += fabric.refused
    done["judged"] += fabric.judged
    return done


def _between(random: Random, fabric: Fabric, done: Counter[str]) -> None:
    what = random.choices(("open", "wait", "long wait", "restart", "forget", "death"), (4, 6, 2, 1, 1, 2))[0]
    done[what] += 1
    if what == "open":
        fabric.open(3)
    elif what == "wait":
        fabric.wait(random.choice((0.5, 3.0, 8.0)))
    elif what == "long wait":
        fabric.wait(random.choice((25.0, 70.0, 140.0)))
    elif what == "restart":
        fabric.restart(random.choice((0.0, 86_400.0, -500.0)))
    else:
        fabric.lb_forgets(settled=what == "forget")
