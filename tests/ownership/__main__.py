"""``python -m tests.ownership [--limit N] [--walks N] [--seed N]``: explore every instance, then walk at random."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.ownership.explore import explore
from tests.ownership.instances import INSTANCES
from tests.ownership.walk import LAGGING, LARGE, THREE, TwoOwners, walk


def main() -> int:
    """0: nothing broke, and every instance was explored as far as it says."""
    parser = argparse.ArgumentParser(prog="python -m tests.ownership", description=__doc__)
    parser.add_argument("--limit", type=int, default=2_000_000, help="states of an instance at most")
    parser.add_argument("--walks", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first walk")
    options = parser.parse_args()
    good = True
    for instance in INSTANCES:
        began = time.monotonic()
        found = explore(instance.size, instance.budget, min(options.limit, instance.limit), instance.after)
        good &= not found.sequence and (found.finished or instance.limit <= options.limit)
        ended = "all states" if found.finished else f"not finished, {found.depth} events deep"
        print(
            f"{instance.what}: {found.states} states, {ended}, {time.monotonic() - began:.0f} s", flush=True
        )
        if found.sequence:
            print(f"    {found.why}: {' '.join(map(str, found.sequence))}", flush=True)
    return int(not (_walk(options.seed, options.walks) and good))


def _walk(seed: int, count: int) -> bool:
    events, owners = Counter[str](), 0
    for each in range(seed, seed + count):
        try:
            walked = walk(each, 3_000, (LARGE, LAGGING, THREE)[each % 3])
        except TwoOwners as found:
            print(found)
            return False
        events += walked.events
        owners += walked.owners
    print(f"{count} walks from seed {seed}: nothing broke, {owners} changes of owner")
    print(*(f"  {number:8} {name}" for name, number in sorted(events.items())), sep="\n")
    return True


sys.exit(main())
