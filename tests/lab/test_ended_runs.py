"""Runs that are ended, told or killed: what they made for themselves goes with them, or with the next run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.lab.conftest import HEEDING, eventually
from tests.lab.test_lab_leaves_nothing import interfaces, remains
from topo import netns, state
from topo.process import naming, recall
from topo.sim import lab as simulated

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[2]
TOLD = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
CONFTEST = "from tests.conftest import *\n"
TEST = """
import time
from pathlib import Path
import pytest
from topo import state
from topo.lab import Lab

@pytest.fixture(scope="module")
def lab():
    made = Lab.up("single", name={name!r}, switch="embedded", temporary=True)
    yield made
    made.down()

def test_waits(lab):
    with state.space({space!r}):
        child = lab.popen("c1", ["sleep", "600"])
        Path({flag!r}).touch()
        time.sleep(600)
"""
SWEEP = [sys.executable, "-c", "from topo import state; state.sweep()"]


def by_signal(numbers: Sequence[signal.Signals], *always: signal.Signals) -> list[Any]:
    """Parameters; those that are not ``always`` sent are for ``make test-long``."""
    return [
        pytest.param(each, id=each.name, marks=() if each in always else pytest.mark.long) for each in numbers
    ]


@pytest.fixture
def space(lab_name: str) -> Iterator[str]:
    """A name for a namespace."""
    name = f"p4t-{lab_name}"
    yield name
    netns.remove(name)


def start_pytest(folder: Path, name: str, space: str) -> subprocess.Popen[str]:
    """A run that has a lab and a namespace of its own, and does not end."""
    flag = folder / "up"
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_waits.py").write_text(TEST.format(name=name, space=space, flag=str(flag)))
    argv = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder)]
    run = subprocess.Popen(
        [*HEEDING, *argv, "-p", "no:cacheprovider", str(folder / "test_waits.py")],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    eventually(lambda: flag.exists() or run.poll() is not None, "the lab is up", 60)
    assert run.poll() is None, run.communicate()[0]
    return run


def left(name: str, space: str) -> list[str]:
    claims = [claim.name for claim in recall(state.CLAIMS) if claim.name in (f"lab.{name}", f"space.{space}")]
    return remains(name) + netns.names(space) + claims


@pytest.mark.parametrize("number", by_signal(TOLD, signal.SIGTERM))
def test_a_test_run_that_is_told_to_end_tears_its_fixtures_down(
    tmp_path: Path, lab_name: str, space: str, number: signal.Signals
) -> None:
    before = interfaces()
    run = start_pytest(tmp_path, lab_name, space)
    assert set(netns.names(space)) == {space}
    assert remains(lab_name)
    run.send_signal(number)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == (2 if number is signal.SIGINT else 128 + number), said
    assert left(lab_name, space) == []
    assert interfaces() == before


def test_what_a_killed_test_run_left_the_next_one_removes_and_nothing_else(
    tmp_path: Path, lab_name: str, space: str
) -> None:
    before = interfaces()
    run = start_pytest(tmp_path, lab_name, space)
    users = f"u{lab_name}"[:12]
    netns.create(state.space_of(users, "c1"))  # as of `lab up`: no process claimed it
    try:
        with state.space(f"{space}-living"):
            subprocess.run(SWEEP, cwd=ROOT, check=True)
            assert state.spaces(lab_name), "a living run's lab is not touched"
            assert (state.ROOT / lab_name / "ready").exists()
            run.kill()
            run.communicate(timeout=60)
            subprocess.run(SWEEP, cwd=ROOT, check=True)
            assert remains(lab_name) == []
            assert netns.names(space) == [f"{space}-living"]
            assert state.spaces(users) == [state.space_of(users, "c1")]
        assert left(lab_name, space) == []
        assert interfaces() == before
    finally:
        state.remove(users)


def start_demo(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*HEEDING, sys.executable, "-m", "controller", "demo", "--short", "--out", str(folder), *words],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip


@pytest.mark.parametrize(
    "number", by_signal((signal.SIGTERM, signal.SIGINT, signal.SIGKILL), signal.SIGTERM, signal.SIGKILL)
)
def test_an_ended_demo_leaves_nothing_or_what_the_next_one_removes(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated, since a machine may have one real lab called demo at a time."""
    folder = tmp_path / "d"
    folder.mkdir()
    run = start_demo(folder, "--simulate")
    eventually(lambda: len(naming(f"{folder}/{simulated.FOLDER}")) >= 3, "its processes run", 60)
    run.send_signal(number)
    said, _ = run.communicate(timeout=60)
    if number is signal.SIGKILL:
        assert naming(f"{folder}/{simulated.FOLDER}"), "else there is nothing to remove"
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        assert len(simulated.sweep()) == 1
    else:
        assert run.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}[number], said
    assert naming(f"{folder}/{simulated.FOLDER}") == []
    assert list(folder.glob(f"{simulated.FOLDER}*")) == []


DEMO = """
import sys
from functools import partial
from topo.cli import demo
demo.Options = partial(demo.Options, lab=sys.argv[1])
demo.demo(switch="embedded", short=True)
"""


@pytest.mark.parametrize("number", by_signal((signal.SIGTERM, signal.SIGKILL)))
def test_a_demo_s_real_lab_goes_with_it_or_with_the_next_run(
    tmp_path: Path, lab_name: str, number: signal.Signals
) -> None:
    """Under a name of its own: on this machine another one may be running."""
    before = interfaces()
    run = subprocess.Popen(
        [sys.executable, "-c", DEMO, lab_name],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    work = str(state.ROOT / lab_name / "demo")
    eventually(lambda: naming(work) or run.poll() is not None, "its controller runs", 90)
    assert run.poll() is None, run.communicate()[0]
    run.send_signal(number)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == {signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}[number], said
    if number is signal.SIGKILL:
        state.sweep()
    assert left(lab_name, "none") == []
    assert interfaces() == before


BENCH = """
import sys
from pathlib import Path
from topo.cli import bench
from tests.bench import rig

def run(_name):
    from topo import model
    with rig.lab(model.load("single"), tso=False) as it:
        it.start("c1", ["sleep", "600"])
        print(it.lab.name, flush=True)
        __import__("time").sleep(600)

bench._measure = run
bench.bench("maglev", False)
"""


def test_a_benchmark_that_is_told_to_end_removes_its_lab() -> None:
    run = subprocess.Popen([sys.executable, "-c", BENCH], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    name = run.stdout.readline().strip()
    try:
        assert remains(name)
        run.terminate()
        assert run.wait(60) == 143
        assert left(name, "none") == []
    finally:
        state.remove(name)
