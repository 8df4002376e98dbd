"""Two runs of pytest at once: both are chosen from and judged, and what builds things takes them down when told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from tests import beside

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("codes", "whole"),
    [((0, 0), 0), ((0, 1), 1), ((1, 0), 1), ((0, 5), 0), ((5, 5), 5), ((5, 2), 2), ((143, 0), 143)],
)
def test_it_passes_if_neither_fails_and_one_ran(codes: tuple[int, int], whole: int) -> None:
    assert beside.verdict(codes) == whole


def test_the_folders_of_both_are_all_that_pytest_looks_into_by_itself() -> None:
    known = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    )
    assert {*beside.WAITING, *beside.COMPUTING} == known


TEST = """
import os
from pathlib import Path
import pytest

@pytest.fixture
def built():
    folder = Path(os.environ["BUILT"])
    (folder / f"built-{os.getpid()}").touch()
    yield
    (folder / f"removed-{os.getpid()}").touch()

def test_waits(built):
    import threading
    threading.Event().wait(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_told_to_end_both_take_down_what_they_built(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "test_waits.py").write_text(TEST)
    (tmp_path / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    env = {**os.environ, "BUILT": str(tmp_path), "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    argv = [sys.executable, "-m", "tests.beside", "-c", "/dev/null", f"--rootdir={tmp_path}", str(tmp_path)]
    process = subprocess.Popen(argv, env=env, cwd=ROOT, stdout=subprocess.DEVNULL)
    while len(list(tmp_path.glob("built-*"))) < 2 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert len(list(tmp_path.glob("removed-*"))) == 2
