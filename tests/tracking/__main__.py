"""``python -m tests.tracking [--limit N] [--walks N] [--seed N]``: explore every instance, then walk at random."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.tracking.explore import INSTANCES, explore
from tests.tracking.walk import EVERYTHING, LARGE, PARTING, TURNING, TWO_SITES, Lost, walk

_WAYS = ((EVERYTHING, LARGE), (PARTING, TWO_SITES), (TURNING, LARGE))


def main() -> int:
    """0: nothing broke, and every instance was explored to its end."""
    parser = argparse.ArgumentParser(prog="python -m tests.tracking", description=__doc__)
    parser.add_argument("--limit", type=int, default=5_000_000, help="states of an instance at most")
    parser.add_argument("--walks", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first walk")
    options = parser.parse_args()
    good = True
    for size, budget in INSTANCES:
        began = time.monotonic()
        found = explore(size, budget, limit=options.limit)
        good &= found.finished and not found.sequence
        what = ", ".join(f"{count} {name}" for name, count in budget.items())
        ended = "all states" if found.finished else "not finished"
        print(
            f"{size.slots} slot(s), {what}: {found.states} states, {ended}, {time.monotonic() - began:.0f} s"
        )
        print(*(f"    {each}" for each in found.sequence), sep="\n", end="", flush=True)
    return int(not (_walk(options.seed, options.walks) and good))


def _walk(seed: int, count: int) -> bool:
    events, risks, settled = Counter[str](), Counter[str](), 0
    for each in range(seed, seed + count):
        try:
            walked = walk(each, 3_000, *_WAYS[each % len(_WAYS)])
        except Lost as lost:
            print(lost)
            return False
        events += walked.events
        risks += walked.risks
        settled += walked.settled
    print(f"{count} walks from seed {seed}: nothing broke, {settled} slots settled")
    print(*(f"  {number:8} {name}" for name, number in sorted(events.items())), sep="\n")
    print("lost, at risk:", *(f"  {number:8} {name}" for name, number in sorted(risks.items())), sep="\n")
    return True


sys.exit(main())
