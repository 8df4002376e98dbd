"""One sequence of random edits, waits, openings, restarts and losses of memory, from a seed."""

from __future__ import annotations

from collections import Counter
from random import Random

from tests.edits.fabric import Fabric, Moved
from tests.edits.generator import BACKUPS, EDITS, as_read, beginning
from tests.edits.slow import Torn, write_slowly

STEPS = 14
"""Edits in a sequence."""


SLOWLY = 0.15
"""Share of edits whose file is written slowly."""
BACKED = 0.25
"""Edits of backups for each other edit."""


def play(seed: int, steps: int = STEPS, slowly: float = SLOWLY, backed: float = BACKED) -> Counter[str]:
    """Play one sequence; how often what was done. Raises Moved and Torn with the seed and everything that was done.

    ``slowly``, ``backed``: 0: the sequence is the one that the seed stood for before files were written slowly, and
    before there were backups.
    """
    random, writer, backer = Random(seed), Random(f"writer {seed}"), Random(f"backer {seed}")
    fabric = Fabric(random, beginning(random))
    done: Counter[str] = Counter()
    try:
        fabric.open(12)
        for _ in range(steps):
            name = random.choice(list(EDITS))
            if backer.random() < backed:
                change = backer.choice(list(BACKUPS))
                changed = BACKUPS[change](backer, fabric.intent)
                if changed is not None:
                    done[change] += 1
                    fabric.edit(change, as_read(changed))
            new = EDITS[name](random, fabric.intent)
            if new is not None:
                new = as_read(new)
                done[name] += 1
                if writer.random() < slowly:
                    done += write_slowly(writer, fabric, name, new)
                else:
                    fabric.edit(name, new)
            _between(random, fabric, done)
        fabric.lb_forgets(settled=True)
    except (Moved, Torn) as error:
        raise type(error)(f"seed {seed}: {error}") from None
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
