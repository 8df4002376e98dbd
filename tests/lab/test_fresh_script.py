"""``make fresh`` leaves nothing behind, whatever ends it. A stand-in for debootstrap, so that nothing is downloaded."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from topo import process

pytestmark = pytest.mark.needs_root
ROOT = Path(__file__).resolve().parents[2]


def _start(tmp_path: Path, stand_in: str) -> tuple[subprocess.Popen[str], Path]:
    """The script with a debootstrap that runs these lines; and the folder in which it builds."""
    programs, work = tmp_path / "bin", tmp_path / "work"
    programs.mkdir()
    work.mkdir()
    (programs / "debootstrap").write_text(f"#!/bin/sh\n{stand_in}\n")
    (programs / "debootstrap").chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "TMPDIR": str(work)}
    script = subprocess.Popen(
        ["env", "--default-signal", ROOT / ".ci/fresh", "lint"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    return script, work


def _await(path: Path, script: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60.0
    while not path.exists():
        assert script.poll() is None, script.stdout and script.stdout.read()
        assert time.monotonic() < end, f"no {path}"
        time.sleep(0.05)


def _sleepers(tmp_path: Path) -> list[int]:
    """Processes that the stand-in left."""
    return process.naming(f"done\0{tmp_path}")


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        *(pytest.param(each, marks=pytest.mark.long) for each in (signal.SIGINT, signal.SIGHUP)),
    ],
)
def test_a_signal_ends_everything_and_removes_the_system(tmp_path: Path, number: signal.Signals) -> None:
    script, work = _start(
        tmp_path, f"touch {tmp_path}/begun; exec sh -c 'while :; do sleep 1; done' {tmp_path}"
    )
    _await(tmp_path / "begun", script)
    script.send_signal(number)
    said, _ = script.communicate(timeout=60.0)
    assert script.returncode == 128 + number, said
    assert list(work.glob("evenkeel-fresh.*")) == []
    assert _sleepers(tmp_path) == []


def test_a_failure_is_shown_and_leaves_nothing(tmp_path: Path) -> None:
    script, work = _start(tmp_path, "echo 'E: no such mirror'; exit 4")
    said, _ = script.communicate(timeout=60.0)
    assert script.returncode == 1
    assert "E: no such mirror" in said
    assert list(work.glob("evenkeel-fresh.*")) == []
