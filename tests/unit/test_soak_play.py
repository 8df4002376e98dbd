"""The soak's runner with processes of its own in place of a lab: what it does when the controller ends by itself."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console
from ruamel.yaml import YAML

from tests.unit.soaking import stage
from topo.demo.actors import DemoError
from topo.lab import Lab
from topo.plan import CONTROLLER
from topo.soak.options import Options
from topo.soak.play import MOST_ENDS, Soak, Timetable
from topo.soak.schedule import write_schedule
from topo.soak.steps import Step

SAYS_STARTED = (
    "import json, time; print(json.dumps({'t': time.monotonic(), 'event': 'started'}), flush=True);"
    "time.sleep(600)"
)


TAKES = (
    "import hashlib, json, time; digest = hashlib.sha256(open({file!r}, 'rb').read()).hexdigest();"
    "print(json.dumps({{'t': time.monotonic(), 'event': 'intent_accepted', 'digest': digest}}), flush=True);"
)
"""Before it starts."""


class Place:
    """Stands in for a lab: the controller is the next of these scripts."""

    def __init__(self, path: Path, *scripts: str) -> None:
        self.path = path
        self.fabric = SimpleNamespace(controllers={CONTROLLER: "127.0.0.1"})
        self.intent_path = path / "intent.yaml"
        self.logs = path / "logs"
        self.logs.mkdir()
        self.scripts = list(scripts)
        self.started = 0

    def popen(self, _node: str, _argv: list[str], **options: Any) -> subprocess.Popen[Any]:
        script = self.scripts[min(self.started, len(self.scripts) - 1)]
        self.started += 1
        return subprocess.Popen([sys.executable, "-I", "-S", "-c", script], **options)

    def keep_logs(self, _directory: Path) -> None:
        return None


Make = Callable[..., tuple[Soak, Place]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Soak] = []

    def soak(*scripts: str) -> tuple[Soak, Place]:
        place = Place(tmp_path, *scripts)
        schedule = write_schedule(1, 1.0, stage("embedded"))
        console = Console(file=io.StringIO())
        one = Soak(cast(Lab, place), stage("embedded"), schedule, Options(tmp_path), console)
        made.append(one)
        one._start()
        return one, place

    yield soak
    for one in made:
        one.stop(tmp_path / "kept")


def until(soak: Soak, holds: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not holds():
        soak._look()
        assert time.monotonic() < end
        time.sleep(0.02)


def weight(place: Place) -> int:
    rows = YAML(typ="safe").load(place.intent_path.read_text())["pools"][0]["backends"]
    return next(int(row.get("weight", 1)) for row in rows if row["name"] == "s1")


EDIT = Step(1.0, "weights", "weight", "web/s1", "4")


def test_a_step_that_had_to_wait_puts_off_all_that_follow() -> None:
    timetable = Timetable(60.0)
    timetable.came(EDIT, EDIT.at + 4.0)
    heal = Step(9.0, "lb", "heal", "lb1")
    assert timetable.due(heal) == 13.0
    timetable.came(heal, 13.0)
    assert timetable.late == 4.0
    with pytest.raises(DemoError, match="the machine is too busy: after 110 s of the soak it is 101 s late"):
        timetable.came(heal, 110.0)


def test_a_controller_that_ends_by_itself_is_started_again_and_said(make: Make) -> None:
    soak, place = make("raise SystemExit('boom')", SAYS_STARTED)
    until(soak, lambda: soak._gone is None)
    assert place.started == 2
    assert soak._seen.ended == ["exit code 1: boom"]
    assert len(soak._seen.away) == 1


def test_a_file_that_it_will_not_start_with_is_taken_back(make: Make) -> None:
    soak, place = make(
        SAYS_STARTED, "import sys; print('no such weight', file=sys.stderr); sys.exit(2)", SAYS_STARTED
    )
    until(soak, lambda: soak._gone is None)
    soak._act(Step(1.0, "controller", "kill", "controller"))
    soak._act(EDIT)
    assert weight(place) == 4
    soak._act(Step(2.0, "controller", "start", "controller"))
    until(soak, lambda: soak._gone is None)
    assert (place.started, soak._seen.ended, weight(place)) == (3, [], 2)
    assert (soak._editor.done[0].outcome, soak._editor.done[0].why) == (
        "refused",
        "exit code 2: no such weight",
    )


def test_a_controller_that_was_killed_on_purpose_stays_away_until_it_is_started(
    make: Make, tmp_path: Path
) -> None:
    soak, place = make(SAYS_STARTED, TAKES.format(file=str(tmp_path / "intent.yaml")) + SAYS_STARTED)
    until(soak, lambda: soak._gone is None)
    soak._act(Step(1.0, "controller", "kill", "controller"))
    soak._act(EDIT)
    soak._look()
    assert place.started == 1
    soak._act(Step(2.0, "controller", "start", "controller"))
    until(soak, lambda: not soak._editor.pending)
    assert soak._editor.done[0].outcome == "accepted"
    ((gone, back),) = soak._seen.away[1:]
    assert gone < back


def test_a_controller_that_ends_again_and_again_ends_the_soak(make: Make) -> None:
    soak, place = make("raise SystemExit('boom')")
    with pytest.raises(DemoError, match="the controller ends again and again: exit code 1: boom"):
        until(soak, lambda: False)
    assert place.started == MOST_ENDS + 1


def test_a_paused_controller_goes_on_by_itself_and_its_clock_can_be_stepped(make: Make) -> None:
    soak, place = make(SAYS_STARTED)
    until(soak, lambda: soak._gone is None)
    paused = soak._act(Step(1.0, "pause", "pause", "controller", "0.2"))
    assert paused.end - paused.start >= 0.2
    soak._act(Step(2.0, "clock", "step", "controller", "1800"))
    soak._act(Step(3.0, "clock", "step", "controller", "-900"))
    assert json.loads((place.path / "soak" / "clock").read_text()) == 900.0
