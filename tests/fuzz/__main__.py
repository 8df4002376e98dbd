"""``python -m tests.fuzz TARGET [--seed N] [--inputs N] [--minutes M]``: hostile inputs until one does harm.

Ends after so many inputs, so many minutes of processor time, or a SIGTERM, whichever comes first; 1 if anything failed,
hung or grew: then the inputs are in the folder that is named, to be played again with --play.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path

from tests.fuzz.run import Result, Run
from tests.fuzz.targets import TARGETS, target


def main() -> int:
    """0: nothing happened."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS), nargs="?")
    parser.add_argument("--list", action="store_true", help="print all targets, and end")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=20.0, help="of processor time")
    parser.add_argument(
        "--out", type=Path, default=Path("out/fuzz"), help="where inputs that do harm are put"
    )
    parser.add_argument("--play", type=Path, help="feed this one input, and nothing else")
    options = parser.parse_args()
    if options.list or options.target is None:
        print(*sorted(TARGETS), sep="\n")
        return 0
    logging.disable(logging.CRITICAL)
    what = target(options.target)
    if options.play is not None:
        what.begin()
        print(what.feed(options.play.read_bytes()))
        what.end()
        return 0
    run = Run(what, options.seed, options.inputs, 60 * options.minutes, _progress)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: run.end())
    return _report(run.go(), options.out / options.target)


def _progress(result: Result) -> None:
    if sys.stderr.isatty():
        print(
            f"\r{result.inputs:,} inputs, {len(result.faults)} faults ", end="", file=sys.stderr, flush=True
        )


def _report(result: Result, out: Path) -> int:
    reached, lines = result.lines
    print(f"{result.target}: {result.inputs:,} inputs from seed {result.seed} in {result.seconds:.0f} s")
    print(f"  lines reached   {reached} of {lines} ({100 * reached / max(lines, 1):.0f} %)")
    print(f"  outcomes        {len(result.outcomes)}, inputs kept {result.pool}")
    print(f"  slowest         {1000 * result.slowest:.0f} ms of processor time")
    print(f"  memory added    {result.added} MiB")
    for name, count in result.outcomes.most_common(8):
        print(f"  {count:>10,}  {name[:90]}")
    for kind, fault in result.faults.items():
        out.mkdir(parents=True, exist_ok=True)
        (out / fault.name).write_bytes(fault.data)
        (out / f"{fault.name}.txt").write_text(fault.trace)
        print(f"FAULT {kind}: {fault.what[:200]}: {out / fault.name}")
    return 1 if result.faults else 0


if __name__ == "__main__":
    sys.exit(main())
