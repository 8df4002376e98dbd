"""Command: `python -m tests.p4c_samples P4C_CHECKOUT [--only NAME] [--jobs N]` prints what passed and failed."""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.p4c_samples.run import Run
from tests.p4c_samples.stf import StfError, parse
from topo.p4switch.engine import Engine
from topo.p4switch.errors import P4SwitchError
from topo.p4switch.program import load_program
from topo.p4switch.state import Switch

COMPILER = "p4c-bm2-ss"
FOLDERS = ("testdata/p4_16_samples", "testdata/p4_14_samples")
COMPILE_SECONDS = 120


@dataclass(frozen=True)
class Result:
    """What became of one sample: outcome is passed, failed or compiler (p4c did not compile it)."""

    name: str
    outcome: str
    reason: str = ""


def samples(checkout: Path) -> list[tuple[Path, Path]]:
    """Every program for v1model that has an STF file: (.p4, .stf)."""
    out = []
    for folder in FOLDERS:
        for stf in sorted((checkout / folder).rglob("*.stf")):
            program = stf.with_suffix(".p4")
            if program.exists() and _for_v1model(program, checkout / folder):
                out.append((program, stf))
    return out


def _for_v1model(program: Path, folder: Path) -> bool:
    """P4_14 programs always are; P4_16 ones include the architecture, some through another file."""
    if "p4_14" in folder.name:
        return True
    text = program.read_text(errors="replace")
    if "v1model.p4" in text:
        return True
    includes = [line.split('"')[1] for line in text.splitlines() if line.startswith('#include "')]
    return any(
        (program.parent / name).exists()
        and "v1model.p4" in (program.parent / name).read_text(errors="replace")
        for name in includes
    )


def run_sample(program: Path, stf: Path) -> Result:
    """Compile one sample and run its packets."""
    name = f"{program.parent.name}/{program.stem}"
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "out.json"
        standard = ["--std", "p4-14"] if "p4_14" in str(program.parent) else []
        try:
            done = subprocess.run(
                [COMPILER, *standard, "--arch", "v1model", "-o", str(target), str(program)],
                capture_output=True,
                text=True,
                timeout=COMPILE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Result(name, "compiler", f"no result after {COMPILE_SECONDS} s")
        if done.returncode or not target.exists():
            errors = [line for line in done.stderr.splitlines() if "error" in line]
            return Result(name, "compiler", (errors or done.stderr.splitlines() or ["no output"])[0])
        source = target.read_text()
    try:
        switch = Switch(load_program(source))
        engine = Engine(switch)
        problems = Run(switch, engine).run(parse(stf.read_text()))
    except (P4SwitchError, StfError) as error:
        return Result(name, "failed", f"{type(error).__name__}: {error}")
    except Exception as error:  # a sample that breaks the switch is a result, not the end of the run
        return Result(name, "failed", f"broke with {type(error).__name__}: {error}")
    return Result(name, "failed", "; ".join(problems)) if problems else Result(name, "passed")


def _revision(checkout: Path) -> str:
    """The checkout's commit, or that it has none."""
    done = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    return done.stdout.strip() or "of unknown revision"


def main(arguments: list[str] | None = None) -> int:
    """Run the samples; 0 when at least 95 of 100 that compile pass."""
    parser = argparse.ArgumentParser(prog="python -m tests.p4c_samples", description=__doc__)
    parser.add_argument("checkout", type=Path, help="a checkout of p4lang/p4c")
    parser.add_argument("--only", default="", help="only samples whose name contains this")
    parser.add_argument("--jobs", type=int, default=1, help="samples at a time")
    options = parser.parse_args(arguments)
    # A sample that fails an assertion on purpose would fill the screen.
    logging.disable(logging.CRITICAL)
    chosen = [pair for pair in samples(options.checkout) if options.only in str(pair[0])]
    with ProcessPoolExecutor(max_workers=options.jobs) as pool:
        results = list(pool.map(run_sample, [p for p, _ in chosen], [s for _, s in chosen]))
    refused: dict[str, list[str]] = {}
    for result in results:
        if result.outcome == "compiler":
            refused.setdefault(result.reason.rpartition("error: ")[2], []).append(result.name)
        elif result.outcome == "failed":
            print(f"failed   {result.name}: {result.reason}")
    for reason, names in refused.items():
        print(f"compiler {len(names)} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''}): {reason}")
    passed = sum(r.outcome == "passed" for r in results)
    compiled = sum(r.outcome != "compiler" for r in results)
    print(f"p4c {_revision(options.checkout)}")
    print(f"{passed} passed of {compiled} that compiled, {len(results)} in all")
    return 0 if compiled and passed >= 0.95 * compiled else 1


if __name__ == "__main__":
    sys.exit(main())
