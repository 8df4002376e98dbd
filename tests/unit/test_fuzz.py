"""Hostile inputs: each that ever did harm, and a few seconds of new ones for every entrance (docs/fuzzing.md)."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fuzz.run import CORPUS, Run, corpus
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS, target
from tests.fuzz.watch import Growth, Hang, limited

ROOT = Path(__file__).resolve().parents[2]
FEW = {"intent": 120, "api": 150, "plane": 200, "p4read": 300, "ofstream": 120, "openflow": 800, "audit": 400}
"""Inputs of those that cost most; 2,000 of all others."""


OWN_PROCESS = "ofstream"
"""It starts os-ken, which other tests do too, and which a process has once."""


@pytest.fixture(params=sorted(TARGETS.keys() - {OWN_PROCESS}))
def entrance(request: pytest.FixtureRequest) -> Target:
    return target(request.param)


def test_what_did_harm_once_does_none_now_and_new_inputs_neither(entrance: Target) -> None:
    done = Run(entrance, seed=1, inputs=FEW.get(entrance.name, 2000), seconds=120.0).go()
    assert not done.faults, "\n".join(each.trace for each in done.faults.values())
    assert done.inputs > len(corpus(entrance.name))
    assert len(done.outcomes) > 3, "it is no input that all end in the same way"


def test_the_listener_for_openflow_bears_it_too(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "tests.fuzz", OWN_PROCESS, "--inputs", str(FEW[OWN_PROCESS])]
    done = subprocess.run(
        [*argv, "--out", str(tmp_path)], capture_output=True, text=True, timeout=240, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.match(rf"{OWN_PROCESS}: (\d+) inputs .*outcomes +(\d+),", done.stdout, re.DOTALL)
    assert found is not None, done.stdout
    assert int(found[1]) > len(corpus(OWN_PROCESS))
    assert int(found[2]) > 3, "it is no input that all end in the same way"


def test_every_kept_input_is_one_of_a_target() -> None:
    folders = {each.name for each in CORPUS.iterdir()}
    assert folders <= TARGETS.keys()


class Bad(Target):
    """Fails, hangs or grows, as its input says."""

    name, modules, seconds = "bad", ("tests/fuzz/octets.py",), 0.2

    def __init__(self) -> None:
        self._kept: list[bytes] = []

    def seeds(self) -> list[bytes]:
        return [b"good"]

    def mutate(self, chance: object, data: bytes, other: bytes) -> bytes:
        return (b"fail", b"hang", b"good")[len(self._kept) % 3]

    def feed(self, data: bytes) -> str:
        self._kept.append(data)
        if data == b"fail":
            raise ZeroDivisionError
        while data == b"hang":
            sys.getsizeof(data)
        return "good"


def test_a_run_tells_failures_and_hangs_and_goes_on() -> None:
    done = Run(Bad(), seed=1, inputs=7, seconds=30.0).go()
    assert {kind.split()[0] for kind in done.faults} == {"ZeroDivisionError", "Hang"}
    assert (done.inputs, done.outcomes["FAULT"]) == (7, 4)


def test_growth_is_told() -> None:
    class Grows(Bad):
        def mutate(self, chance: object, data: bytes, other: bytes) -> bytes:
            return b"more"

        def feed(self, data: bytes) -> str:
            self._kept.append(bytes(40_000) if data == b"more" else b"")
            return "kept"

    done = Run(Grows(), seed=1, inputs=9000, seconds=60.0).go()
    assert set(done.faults) == {"Growth"}


def test_what_is_fuzzed_cannot_take_a_hang_for_an_error_of_its_own() -> None:
    def stubborn() -> None:
        while True:
            with suppress(Exception):
                struct.calcsize("I")

    with limited(0.05) as timer:
        timer(True)
        with pytest.raises(Hang):
            stubborn()
    assert not issubclass(Hang, Exception)
    assert not issubclass(Growth, Exception)


def test_the_same_seed_makes_the_same_inputs() -> None:
    first, second = (Run(target("frames"), seed=5, inputs=500, seconds=60.0).go() for _ in range(2))
    assert first.outcomes == second.outcomes
    assert first.outcomes != Run(target("frames"), seed=6, inputs=500, seconds=60.0).go().outcomes


def test_the_command_says_how_far_it_got_and_plays_one_input_again(tmp_path: Path) -> None:
    def run(*options: str) -> str:
        argv = [sys.executable, "-m", "tests.fuzz", *options, "--out", str(tmp_path)]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120, cwd=ROOT).stdout

    assert run("--list").split() == sorted(TARGETS)
    assert run("tokens", "--inputs", "300").startswith("tokens: 300 inputs from seed 1 in ")
    kept = tmp_path / "input"
    kept.write_bytes(b"# nothing\n")
    assert run("tokens", "--play", str(kept)) == "read: None\n"
