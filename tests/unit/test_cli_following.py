"""``evenkeel watch``, ``top`` and ``completion``."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from controller.cli.main import app
from controller.cli.top import Seen, rate, shown
from controller.client import Client
from controller.model.load import load_text
from tests.fakes.api import message
from tests.fakes.process import PATIENCE, ROOT, Running, quiet_intent

S1 = "pools/web/backends/s1"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("following"), None) as process:
        process.wait_event("started")
        with client_of(process) as client:
            client.apply(message(load_text(quiet_intent("pair"), "pair")))
        yield process


def client_of(process: Running) -> Client:
    return Client(f"unix:{process.state}.api.sock", timeout=PATIENCE)


def command(running: Running, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "controller", *arguments, "--state", str(running.state)]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COLUMNS": "120", **more}


class Watching:
    """A command that prints a line for each change."""

    def __init__(self, running: Running, *arguments: str) -> None:
        self.process = subprocess.Popen(
            # Whatever runs the tests may ignore SIGINT.
            ["env", "--default-signal=INT", *command(running, "watch", *arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def interrupted(self) -> str:
        """What it said at its end."""
        self.process.send_signal(signal.SIGINT)
        _, err = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 130, err
        return err


def test_a_watch_begins_with_all_that_is_and_goes_on_where_it_ended(running: Running) -> None:
    first = Watching(running, "backends")
    lines = [first.line() for _ in range(3)]
    assert [line.split()[1:3] for line in lines] == [
        ["put", f"pools/web/backends/{name}"] for name in ("s1", "s2", "s3")
    ]
    with client_of(running) as client:
        done = client.set_weights({S1: 31})
        line = first.line()
        assert line.split()[:3] == [str(done.revision), "put", S1]
        assert "weight 31" in line
        after = first.interrupted().rpartition("--after ")[2].strip()
        client.set_weights({S1: 32})
        client.drain(S1)
    second = Watching(running, "backends", "--after", after)
    assert "weight 32" in second.line()
    assert "weight 32 drain" in second.line()
    second.interrupted()


def test_events_are_followed_for_programs(running: Running) -> None:
    watch = Watching(running, "events", "-o", "json")
    first = json.loads(watch.line())
    assert (first["news"], bool(first["event"])) == ("event", True)
    with client_of(running) as client:
        client.set_weights({S1: 41})
    while True:
        found = json.loads(watch.line())
        if found.get("event") == "table" and found["fields"]["pool"] == "web/tcp":
            break
    assert isinstance(found["fields"]["revision"], int)
    watch.interrupted()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["things"], '"things" is no kind'),
        (["pools", "--after", "x"], "--after x: write REVISION"),
        (["pools", "-o", "name"], "write table or json"),
    ],
)
def test_a_watch_that_makes_no_sense_is_refused(arguments: list[str], said: str) -> None:
    run = CliRunner().invoke(app, ["watch", *arguments, "--state", "/no/state.db"])
    assert (run.exit_code, said in run.output) == (2, True), run.output


def test_top_shows_backends_until_q(running: Running) -> None:
    ours, its = pty.openpty()
    process = subprocess.Popen(
        command(running, "top"), stdin=its, stdout=its, stderr=its, env=environment(TERM="xterm")
    )
    os.close(its)
    seen = b""
    end = time.monotonic() + PATIENCE
    while b"s3" not in seen:
        assert time.monotonic() < end
        seen += os.read(ours, 4096)
    os.write(ours, b"q")
    try:
        while os.read(ours, 4096):
            pass
    except OSError:  # its end is closed
        pass
    os.close(ours)
    assert process.wait(PATIENCE) == 0
    assert b"web/tcp" in seen


def test_top_needs_a_terminal(running: Running) -> None:
    run = CliRunner().invoke(app, ["top", "--state", str(running.state)])
    assert (run.exit_code, "needs a terminal" in run.output) == (2, True)


def status(packets: int, slots: int = 10) -> dict[str, Any]:
    """A status of one pool."""
    real = {"weight": 1, "slots": slots, "state": "normal", "up": True, "since": 5.0, "reason": ""}
    return {
        "revision": 3,
        "term": 1,
        "pins": 0,
        "unsynced": 0,
        "at_risk": {"moving_slots": {"web/tcp": 4}, "tracked_slots": {"web/tcp": 9}},
        "switches": {"lb1": {"connected": True, "synced": True}, "lb2": {"connected": False, "synced": False}},
        "pools": {
            "web/tcp": {
                "slots": 10, "moving": 4, "tracked": 9, "panicked": False, "backends": {"s1": real, "s2": real}
            }
        },
        "listeners": {
            "shop/tcp/80": {"pool": "web/tcp", "backends": {"s1": {"packets": packets, "bytes": 1}}},
            "api/tcp/80": {"pool": "web/tcp", "backends": {"s1": {"packets": 1, "bytes": 1}}},
        },
    }  # fmt: skip


def test_the_screen_shows_rates_and_what_moves_and_says_what_it_leaves_out() -> None:
    before, seen = Seen(10.0, status(100)), Seen(12.0, status(500))
    assert rate(before, seen, "web", "s1") == "200"
    assert rate(before, Seen(12.0, status(50)), "web", "s1") == ""
    assert rate(seen, seen, "web", "s1") == ""

    def screen(problem: str = "", height: int = 30) -> str:
        to = Console(file=io.StringIO(), width=120)
        to.print(shown(before, seen, [], problem, height))
        assert isinstance(to.file, io.StringIO)
        return to.file.getvalue()

    text = screen()
    assert "1 of 2 switches in step" in text
    assert "slots moving 4, tracked 9" in text
    assert "4 moving, 9 tracked" in text
    assert ["s1", "1", "10", "normal", "up", "5s", "501", "200"] in [
        each.split() for each in text.splitlines()
    ]
    assert "NO ANSWER" in screen("NO ANSWER")
    assert "2 more rows" in screen(height=5)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_completes_commands(shell: str) -> None:
    run = CliRunner().invoke(app, ["completion", shell])
    assert run.exit_code == 0
    assert "_EVENKEEL_COMPLETE=complete_" + shell in run.output


def test_commands_are_completed() -> None:
    asked = environment(_EVENKEEL_COMPLETE="complete_bash", COMP_WORDS="evenkeel und", COMP_CWORD="1")
    start = "import sys; sys.argv[0] = 'evenkeel'; from controller.cli.main import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", start],
        env=asked,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert run.stdout.split() == ["undrain"]


def test_help_ends_with_examples() -> None:
    run = CliRunner().invoke(app, ["weight", "--help"])
    assert "evenkeel weight web/s1=1 web/s2=3" in run.output
