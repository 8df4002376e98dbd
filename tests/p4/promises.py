"""``python -m tests.p4.promises``: the long promises at full size, with figures.

Prints one line for each experiment as it ends, and exits with 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import product

from tests.p4 import bmv2
from tests.p4.bmv2 import Bmv2Box
from tests.p4.box import Box
from tests.p4.collisions import false_hits
from tests.p4.embedded import EmbeddedBox
from tests.p4.experiments import Outcome, Slots, fill, flood
from tests.p4.scene import SECRET

KINDS: dict[str, Callable[[], Box]] = {"embedded": EmbeddedBox, "bmv2": Bmv2Box}
FULL = {"cells": 65_536, "connections": 1000, "spoofed": 1_000_000, "size": 1000, "tried": 20_000_000}
SMALL = {"cells": 1024, "connections": 200, "spoofed": 80_000, "size": 1000, "tried": 2_000_000}
DIGEST_BITS = (12, 16, 20, 32)


def main(arguments: list[str]) -> int:
    """Run what is asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.p4.promises", description=__doc__)
    parser.add_argument("--switch", choices=list(KINDS), default="embedded")
    parser.add_argument("--full", action="store_true", help="full size: 262,144 cells, a million SYNs")
    parser.add_argument(
        "--only", choices=["flood", "fill", "false-hits"], action="append", help="one experiment (repeatable)"
    )
    parser.add_argument(
        "--slots",
        choices=[each.name.lower() for each in Slots],
        default=Slots.REMEMBERED.name.lower(),
        help="which connections are remembered: all, or those of tracked slots, which none or all are at first",
    )
    options = parser.parse_args(arguments)
    reason = bmv2.why_not() if options.switch == "bmv2" else None
    if reason:
        print(reason, file=sys.stderr)
        return 2
    size = FULL if options.full else SMALL
    slots = Slots[options.slots.upper()]
    experiments: dict[str, Callable[[], bool]] = {
        "flood": lambda: _on(
            options.switch,
            "flood",
            lambda box: flood(
                box, size["cells"], size["connections"], size["spoofed"], size["size"], slots=slots
            ),
        ),
        "fill": lambda: _on(options.switch, "fill", lambda box: fill(box, size["cells"], slots=slots)),
        "false-hits": lambda: _false_hits(size["tried"]),
    }
    kept = [run() for name, run in experiments.items() if name in (options.only or experiments)]
    return 0 if all(kept) else 1


def _on(kind: str, name: str, experiment: Callable[[Box], Outcome]) -> bool:
    box = KINDS[kind]()
    start = time.monotonic()
    try:
        outcome = experiment(box)
    finally:
        box.close()
    figures = {key: round(value, 2) for key, value in outcome.figures.items()}
    said = {**asdict(outcome), "figures": figures, "seconds": round(time.monotonic() - start)}
    print(f"{name} on {kind}: {'kept' if outcome.kept else 'BROKEN'} {json.dumps(said)}", flush=True)
    return outcome.kept


def _false_hits(tried: int) -> bool:
    kept = True
    for version, bits in product((4, 6), DIGEST_BITS):
        found = false_hits(200_000, tried, bits, SECRET, version)
        expected = found.bound * tried
        fits = found.hits <= expected + 6 * max(expected, 1.0) ** 0.5
        kept &= fits
        print(
            f"false hits, IPv{version}, {bits} bits of digest: {found.hits} of {tried} = {found.rate:.3g}; bound 4 x "
            f"{found.occupancy:.3f} x 2^-{bits} = {found.bound:.3g}{'' if fits else '; BROKEN'}",
            flush=True,
        )
    return kept


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
