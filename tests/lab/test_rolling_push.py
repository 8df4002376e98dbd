"""A controller with another P4 program rolls it out: no connection breaks, and one switch at a time is empty."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab
from tests.lab.long_connections import LongConnections
from tests.lab.tuned import pool, still, tune, weights
from topo import model
from topo.demo.actors import ROOT, Controller
from topo.lab import Lab
from topo.plan import CONTROLLER, P4RUNTIME_PORT

pytestmark = pytest.mark.lab

SWITCHES = ("edge1", "leaf1", "lb1", "lb2")
"""In the order of their turns."""
LBS = ("lb1", "lb2")
MODES = ("dr", "nat", "tun")
"""A fullnat connection has its port from its lb switch, and is lost with what that remembers."""
STILL = ("still dr", "still tun")
"""Of newcomers: a pool without moved slots. On one that moved, a connection younger than its pin is at risk whenever
edges choose other lb switches (docs/connections.md)."""
WINDOW = 4.0


class Upgradable(Controller):
    """The controller, in this version or in the next."""

    upgraded = False

    def argv(self) -> list[str]:
        """Its command line."""
        was = super().argv()
        return [*was[:2], "tests.lab.other_program", *was[3:]] if self.upgraded else was


class Upgrade(Balanced):
    """A lab whose controller can be replaced by the next version."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self._versions = Upgradable(lab, self._path)
        self._controller = self._versions

    def upgrade(self) -> None:
        """Kill the controller and start the next version."""
        self.kill_controller()
        self._versions.upgraded = True
        self.start_controller()


class Watch:
    """Looks into all switches; at its end ``looks`` has what was found."""

    def __init__(self, lab: Lab) -> None:
        self.looks: list[dict[str, Any]] = []
        switches = [one.switch for one in lab.switches.values()]
        places = [f"{one.roles[0]}:{one.name}:{one.id}@{one.control}:{P4RUNTIME_PORT}" for one in switches]
        self._folder = tempfile.TemporaryDirectory(prefix="evenkeel-test-")
        self._path = Path(self._folder.name) / "looks"
        argv = [sys.executable, "-m", "tests.lab.entry_watch", *places]
        with self._path.open("w") as out:
            self._process: subprocess.Popen[Any] = lab.popen(CONTROLLER, argv, stdout=out, cwd=ROOT)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        rows = self._path.read_text().splitlines()
        self._folder.cleanup()
        self.looks = [json.loads(row) for row in rows[:-1]]


class Newcomers:
    """Opens connections from c2 all the time, each a new one."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._ended = threading.Event()
        self.problems: list[tuple[str, str]] = []
        """Mode of each, and what became of it; empty: it was answered."""
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Newcomers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.05):
            with LongConnections(self._lab, "c2") as fresh:
                self.problems += [(one.mode, one.problem) for one in fresh.open(1, STILL)]


@dataclass
class Rolled:
    """What was seen of a rollout."""

    events: list[dict[str, Any]]
    looks: list[dict[str, Any]]
    pins: int
    """Connections that were exceptions when it began."""
    broken: list[tuple[str, str]]
    """Of those that were open before: mode and problem."""
    fresh: list[tuple[str, str]]
    """Of those that were opened meanwhile."""
    after: list[dict[str, Any]] = field(default_factory=list)
    """What was said at the next start of the new version."""

    def of(self, switch: str, *names: str) -> list[dict[str, Any]]:
        return [one for one in self.events if one.get("switch") == switch and one["event"] in names]

    def empty(self, switch: str) -> tuple[float, float] | None:
        """From when until when a switch was without entries for certain; None: no look found it so.

        A look takes a while, and finds what was so at some moment of it. So the first one that finds a switch empty
        proves it only for its end, and the last one only for its beginning; with a single look that end is the later
        of the two.
        """
        found = [one for one in self.looks if one["switch"] == switch and not one["routes"]]
        return (found[0]["ended"], found[-1]["began"]) if found else None


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> Lab:
    made = make_lab(model.load("pair").of_kind("embedded"))
    tune(made, pool("web", transition=f"{WINDOW:g}s"))
    tune(made, still)
    return made


@pytest.fixture(scope="module")
def rolled(lab: Lab) -> Iterator[Rolled]:
    fleet = Upgrade(lab)
    with fleet, LongConnections(lab) as long:
        long.open(12, MODES)
        long.talk()
        fleet.edit_intent(weights("web", s1=1, s2=4))
        fleet.wait_event("table", pool="web/tcp")
        fleet.wait_status(lambda status: status["pins"], "exceptions are pinned")
        long.speak(long.idle)
        fleet.settle()
        fleet.wait_status(
            lambda status: not status["at_risk"]["moving_slots"], "the window ends", WINDOW + 10
        )
        fleet.settle()
        pins = int(fleet.status()["pins"])
        with Watch(lab) as watch, Newcomers(lab) as newcomers:
            fleet.upgrade()
            fleet.wait_event("synced", 120.0, switch=SWITCHES[-1])
        fleet.wait_ready()
        long.hush()
        long.speak()
        broken = [(one.mode, one.problem) for one in long.broken()]
        said = fleet.since_mark()
        fleet.kill_controller()
        fleet.start_controller()
        fleet.wait_ready()
        yield Rolled(said, watch.looks, pins, broken, newcomers.problems, fleet.since_mark())


def test_each_switch_is_pushed_in_its_turn_and_after_the_one_before_is_in_use(rolled: Rolled) -> None:
    turns = [one for one in rolled.events if one["event"] in ("push_granted", "pushed", "push_given_up")]
    assert [(one["event"], one["switch"]) for one in turns] == [
        (what, name) for name in SWITCHES for what in ("push_granted", "pushed")
    ]
    admitted = {one["switch"]: one["t"] for one in rolled.events if one["event"] == "admitted"}
    granted = {one["switch"]: one["t"] for one in rolled.events if one["event"] == "push_granted"}
    assert admitted["lb1"] < granted["lb2"]


def test_every_switch_told_of_its_other_program_and_its_pins_were_read(rolled: Rolled) -> None:
    told = [one for one in rolled.events if one["event"] == "pipeline_differs"]
    assert {one["switch"] for one in told} == set(SWITCHES)
    assert all(one["pins"] >= rolled.pins for one in told if one["switch"] in LBS)


def test_an_lb_switch_is_out_of_use_before_it_is_pushed(rolled: Rolled) -> None:
    for name in LBS:
        (barred,), (granted,) = rolled.of(name, "withdrawn"), rolled.of(name, "push_granted")
        assert (granted["late"], granted["unsynced"]) == ([], 0)
        edge = [one["t"] for one in rolled.of("edge1", "converged")]
        assert any(barred["t"] < t < granted["t"] for t in edge), "the edge was told"


def test_one_switch_at_a_time_is_empty_and_no_edge_sends_to_an_empty_lb(rolled: Rolled, lab: Lab) -> None:
    spans = {name: span for name in SWITCHES if (span := rolled.empty(name)) is not None}
    unseen = [name for name in LBS if name not in spans]
    if unseen:
        pytest.skip(
            f"{', '.join(unseen)} was empty for less time than a look takes: this machine is too busy"
        )
    known = sorted((began, ended, name) for name, (began, ended) in spans.items())
    for (_, ended, one), (began, _, other) in itertools.pairwise(known):
        assert ended <= began, f"{one} and {other} were empty together"
    edge = [one for one in rolled.looks if one["switch"] == "edge1" and one["routes"]]
    for name in LBS:
        port = lab.fabric.switches["edge1"].port(name)
        began, ended = spans[name]
        during = [one["ports"] for one in edge if one["began"] >= began and one["ended"] <= ended]
        assert not any(port in ports for ports in during), name


def test_no_connection_breaks_those_that_are_exceptions_among_them(rolled: Rolled) -> None:
    assert rolled.pins
    assert rolled.broken == []


def test_whoever_comes_meanwhile_is_served(rolled: Rolled) -> None:
    assert len(rolled.fresh) > len(SWITCHES) * len(STILL)
    assert [each for each in rolled.fresh if each[1]] == []


def test_nothing_is_pushed_at_the_next_start(rolled: Rolled) -> None:
    names = {one["event"] for one in rolled.after}
    assert not names & {"pipeline_differs", "push_granted", "withdrawn", "converged"}
