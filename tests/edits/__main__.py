"""``python -m tests.edits [--seed N] [--sequences N]``: play sequences of edits until one moves a connection."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.edits.fabric import Moved
from tests.edits.sequence import play
from tests.edits.slow import Torn


def main() -> int:
    """0: no connection moved."""
    parser = argparse.ArgumentParser(prog="python -m tests.edits", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first sequence")
    parser.add_argument("--sequences", type=int, default=5000)
    options = parser.parse_args()
    done: Counter[str] = Counter()
    began = time.monotonic()
    for seed in range(options.seed, options.seed + options.sequences):
        try:
            done += play(seed)
        except (Moved, Torn) as error:
            print(error, file=sys.stderr)
            return 1
    took = time.monotonic() - began
    print(f"{options.sequences} sequences from seed {options.seed} in {took:.0f} s: no connection moved")
    print(*(f"  {count:8} {name}" for name, count in sorted(done.items())), sep="\n")
    return 0


sys.exit(main())
