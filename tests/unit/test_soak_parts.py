"""Parts of the soak that touch something: its load, its stepped clock, its pauses, its command, what it reads."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from controller.cli.main import app
from tests.unit.soaking import stage
from topo.cli import soak as soak_command
from topo.demo.actors import DemoError
from topo.demo.load import Long, Spec, Target
from topo.demo.records import ClientLog
from topo.demo.sabotage import NoVictimError
from topo.errors import LabError
from topo.soak import load as soak_load
from topo.soak.actors import ACTIVE, ECHO_TIMEOUT, Pauses, Records, descendants, write_specs
from topo.soak.load import Load
from topo.soak.options import Options
from topo.soak.signals import Passing, admissions, departures, notes, relinked, starved, table_changes
from topo.soak.stage import SCALES, SILENT
from topo.soak.steppedclock import Setting, SteppedClock, read_setting, step, stop
from topo.soak.steps import KINDS

ROOT = Path(__file__).parents[2]


# -- load


def played(kind: str, seconds: float, broken_after: int, monkeypatch: pytest.MonkeyPatch) -> ClientLog:
    """One place for a connection against a server that breaks each after so many lines."""
    monkeypatch.setattr(soak_load, "AGAIN", (0.01, 0.02))
    monkeypatch.setattr(soak_load, "BRIEF", (0.1, 0.2))

    async def moody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(broken_after):
            if not (line := await reader.readline()):
                break
            writer.write(b"s1 " + line)
        writer.close()

    async def scenario(log: Path) -> Spec:
        server = await asyncio.start_server(moody, "127.0.0.1", 0)
        target = Target("l", "127.0.0.1", server.sockets[0].getsockname()[1])
        one = Long("c1-0", target, kind, (0.02, 0.03))
        spec = Spec("c1", 1, str(log), (one,), (), 0.0, open_over=0.0)
        with log.open("w") as out:
            load = Load(spec, out)
            running = asyncio.create_task(load.run())
            await asyncio.sleep(seconds)
            load.finish.set()
            await asyncio.wait_for(running, 20)
        server.close()
        return spec

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        log = ClientLog("c1", Records(asyncio.run(scenario(path))))
        for line in path.read_text().splitlines():
            log.feed(line)
    return log


def test_a_connection_that_ends_is_followed_by_another_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    log = played("active", 1.0, 3, monkeypatch)
    names = list(log.connections)
    assert names[:2] == ["c1-0.0", "c1-0.1"]
    assert len(names) > 3
    assert {one.failure.kind for one in log.connections.values() if one.failure} == {"eof"}
    assert {one.kind for one in log.connections.values()} == {"active"}


def test_a_brief_connection_is_proven_closed_and_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    log = played("brief", 1.0, 10_000, monkeypatch)
    assert len(log.connections) > 2
    assert all(one.proof and one.closed and not one.failure for one in log.connections.values())


def test_an_active_connection_lives_until_the_load_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    log = played("active", 0.6, 10_000, monkeypatch)
    (only,) = log.connections.values()
    assert only.proof is not None
    assert only.proof.server == "s1"


def test_places_go_round_clients_listeners_and_kinds(tmp_path: Path) -> None:
    specs = write_specs(stage(), SCALES[0], 1, 200, tmp_path)
    connections = [one for spec in specs for one in spec.connections]
    assert [spec.client for spec in specs] == ["c1", "c2"]
    assert len(connections) == 200
    assert {spec.echo_timeout for spec in specs} == {ECHO_TIMEOUT}
    for listener in {one.target.listener for one in connections}:
        kinds = [one.kind for one in connections if one.target.listener == listener]
        assert [kinds.count(kind) for kind in ("silent", "active", "brief")] == [20, 20, 10]
    assert {one.period for one in connections if one.kind == "silent"} == {SILENT}
    assert {one.period for one in connections if one.kind == "active"} == {ACTIVE}


# -- clock


def test_the_clock_is_the_real_one_and_what_the_file_says_or_stands(tmp_path: Path) -> None:
    file, now = tmp_path / "clock", [0.0]
    clock = SteppedClock(file, lambda: 5_000_000_000, lambda: now[0])
    assert clock.time() == 5.0
    step(file, -3.5)
    now[0] = 1.0
    assert clock.time_ns() == 1_500_000_000
    stop(file, 7.5)
    now[0] = 2.0
    assert clock.time() == 7.5


@pytest.mark.parametrize("text", ["", "=", "12 minutes"])
def test_a_file_without_a_number_changes_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "clock").write_text(text)
    assert read_setting(tmp_path / "clock", Setting(7)) == Setting(7)


def test_a_program_under_it_sees_a_wall_clock_that_steps_and_others_that_do_not(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    step(file, 86_400.0)
    script = (
        "import json, sys, time; from pathlib import Path; from topo.soak.steppedclock import SteppedClock, install;"
        "install(SteppedClock(Path(sys.argv[1])));"
        "print(json.dumps([time.time(), time.time_ns() / 1e9, time.clock_gettime(time.CLOCK_REALTIME),"
        " time.monotonic(), time.clock_gettime(time.CLOCK_MONOTONIC)]))"
    )
    out = subprocess.run(
        [sys.executable, "-c", script, str(file)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    *wall, passing, passing_too = json.loads(out.stdout)
    # A minute for a machine that is busy.
    assert all(abs(one - time.time() - 86_400) < 60 for one in wall)
    assert all(abs(one - time.monotonic()) < 60 for one in (passing, passing_too))


def test_timeouts_of_grpc_are_what_they_are_on_a_machine_whose_clock_is_stepped(tmp_path: Path) -> None:
    """Its C part sees the machine's clock: calls ended at once when the clock went back, or never."""
    step(tmp_path / "clock", -86_400.0)
    script = (
        "import sys, time; from pathlib import Path; from topo.soak.steppedclock import *; real = time.time;"
        "install(SteppedClock(Path(sys.argv[1]))); spare_grpc(real);"
        "from grpc.aio._utils import _timeout_to_deadline as aio; from grpc._channel import _deadline as sync;"
        "print(aio(10) - real(), sync(10) - real(), real() - time.time())"
    )
    argv = [sys.executable, "-c", script, str(tmp_path / "clock")]
    out = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    *timeouts, stepped = map(float, out.stdout.split())
    assert all(9 < one < 11 for one in timeouts)
    assert stepped > 86_000


def test_the_controller_runs_under_it(tmp_path: Path) -> None:
    argv = [
        sys.executable,
        "-m",
        "topo.soak.steppedclock",
        str(tmp_path / "clock"),
        "--",
        "check",
        "nothing.yaml",
    ]
    out = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert out.returncode == 2
    assert "nothing.yaml" in out.stdout + out.stderr


# -- pauses


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def await_state(pid: int, wanted: bool) -> None:
    end = time.monotonic() + 20
    while (state_of(pid) == "T") != wanted:
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait(10)


def test_a_pause_ends_by_itself(child: subprocess.Popen[bytes]) -> None:
    pauses = Pauses()
    pauses.pause([child.pid], 0.3)
    await_state(child.pid, True)
    await_state(child.pid, False)


def test_all_pauses_end_with_the_run(child: subprocess.Popen[bytes]) -> None:
    pauses = Pauses()
    pauses.pause([child.pid], 600.0)
    await_state(child.pid, True)
    pauses.end()
    await_state(child.pid, False)


def test_what_a_process_started_is_paused_with_it() -> None:
    shell = subprocess.Popen(["sh", "-c", "sleep 600 & wait"])
    try:
        end = time.monotonic() + 20
        while len(family := descendants(shell.pid)) < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert family[0] == shell.pid
    finally:
        for pid in descendants(shell.pid):
            os.kill(pid, 9)
        shell.wait(10)


# -- what is read


def test_a_window_that_ended_and_pins_that_were_made_are_counted() -> None:
    passing = Passing()
    for moving, pins in ((0, 0), (300, 5), (120, 9), (0, 4), (0, 6)):
        passing.status({"pools": {"web/tcp": {"moving": moving}}, "pins": pins})
        passing.status({})
    assert (passing.windows, passing.pins) == (1, 9 + 2)


def test_turns_of_memory_are_counted() -> None:
    passing = Passing()
    for what in ("memory_turned", "table", "memory_turned"):
        passing.event({"event": what, "vip": "shop", "generation": 3})
    assert passing.generations == 2


def test_the_journal_gives_tables_of_tcp_admissions_and_verdicts() -> None:
    events = [
        {"t": 1.0, "at": 5.0, "event": "table", "pool": "web/tcp", "moving": 3},
        {"t": 1.0, "at": 5.0, "event": "table", "pool": "web/udp", "moving": 3},
        {"t": 2.0, "at": 6.0, "event": "admitted", "switch": "lb1"},
        {"t": 3.0, "at": 7.0, "event": "verdict", "backend": "s1", "up": False},
        {"t": 4.0, "at": 8.0, "event": "converged", "switch": "lb1"},
        {"t": 5.0, "at": 9.0, "event": "link_up", "switch": "lb2", "port": 1, "to": "edge1"},
        {"t": 6.0, "at": 9.5, "event": "link_down", "switch": "lb3", "port": 1, "to": "edge1"},
    ]
    assert [(one.pool, one.t) for one in table_changes(events)] == [("web", 1.0)]
    assert admissions(events) == ((2.0, "lb1"),)
    assert relinked(events) == ((5.0, "lb2"),)
    assert departures(events) == ((6.0, "lb3"),)
    assert notes(events)[-1] == (3.0, "event=verdict backend=s1 up=False")


def test_the_journal_gives_tables_that_listeners_have_to_themselves() -> None:
    names = ["api/tcp/7000 web/tcp", "api/tcp/80 app/tcp drains", "api/udp/53 web/udp"]
    events = [{"t": 1.0, "event": "table", "pool": name, "moving": 9} for name in names]
    events.append({"t": 2.0, "event": "table", "pool": names[0], "moving": 0})
    found = [(one.pool, one.t, one.vip, one.port) for one in table_changes(events)]
    assert found == [("web", 1.0, "api", 7000), ("app", 1.0, "api", 80)]


def test_a_table_is_written_when_the_slowest_switch_has_it() -> None:
    def write(t: float, switch: str, ms: float) -> dict[str, Any]:
        return {"t": t, "event": "converged", "switch": switch, "ms": ms}

    events = [
        {"t": 1.0, "event": "table", "pool": "web/tcp"},
        write(1.1, "lb1", 200.0),  # of what was before
        write(1.3, "lb2", 100.0),
        write(4.5, "lb1", 300.0),
        write(5.0, "lb2", 300.0),  # of what came after
        write(9.0, "edge1", 10.0),
    ]
    assert [one.written for one in table_changes(events, ("lb1", "lb2"))] == [4.5]
    assert [one.written for one in table_changes(events[:2], ("lb1", "lb2"))] == [1.0]


def wrote(t: float, switch: str, ms: float) -> dict[str, Any]:
    return {"t": t, "event": "converged", "switch": switch, "ms": ms}


TABLE = {"t": 1.0, "event": "table", "pool": "web/tcp"}


def test_a_write_that_takes_long_keeps_the_next_one_waiting() -> None:
    events = [TABLE, wrote(2.0, "lb1", 500.0), wrote(20.0, "lb2x", 19_500.0), wrote(22.0, "lb2", 1_500.0)]
    assert [one.written for one in table_changes(events, ("lb1", "lb2"))] == [22.0]


@pytest.mark.parametrize(
    ("event", "written"),
    [
        ({"t": 30.0, "event": "started"}, 30.0),
        ({"t": 31.0, "event": "switch_down", "switch": "lb2"}, 31.0),
        ({"t": 31.0, "event": "switch_down", "switch": "lb1"}, float("inf")),
        ({"t": 0.6, "event": "switch_down", "switch": "lb2"}, 2.0),
    ],
    ids=["its controller ends", "it ends", "it is still at it", "it was not there"],
)
def test_a_switch_that_is_busy_until_the_end_was_not_written(event: dict[str, Any], written: float) -> None:
    events = [wrote(0.5, "lb2", 100.0), TABLE, wrote(2.0, "lb1", 500.0), event]
    assert [one.written for one in table_changes(events, ("lb1", "lb2"))] == [written]


def test_a_controller_that_held_itself_up_was_not_starved() -> None:
    events = [
        {"t": 10.0, "event": "paused", "seconds": 4.0, "worked": 1.9},
        {"t": 20.0, "event": "paused", "seconds": 4.0, "worked": 3.9},
        {"t": 30.0, "event": "paused", "seconds": 4.0},
    ]
    assert starved(events) == ((6.0, 10.0),)


# -- command


def test_a_plan_is_printed_without_building_anything() -> None:
    words = ["soak", "--plan", "--seed", "4", "--minutes", "1", "--switch", "embedded"]
    text = CliRunner().invoke(app, words)
    listed = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert text.exit_code == 0
    assert len(text.stdout.splitlines()) == len(listed) + 1 > 10
    assert set(listed[0]) == {"at", "kind", "action", "target", "value"}


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (0, 0),
        (1, 1),
        (DemoError("no"), 2),
        (LabError("no"), 2),
        (NoVictimError("no"), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_the_exit_code_says_how_the_run_ended(
    ending: int | BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_options: Options, _console: object) -> int:
        if isinstance(ending, BaseException):
            raise ending
        return ending

    monkeypatch.setattr(soak_command, "run", run)
    assert CliRunner().invoke(app, ["soak"]).exit_code == code


def test_options_reach_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[Options] = []

    def run(options: Options, _console: object) -> int:
        seen.append(options)
        return 0

    monkeypatch.setattr(soak_command, "run", run)
    words = [
        "--seed",
        "9",
        "--minutes",
        "2",
        "--switch",
        "bmv2",
        "--topology",
        "pair",
        "--out",
        str(tmp_path),
    ]
    CliRunner().invoke(app, ["soak", *words, "--without", "clock,lb", "--sabotage", "--connections", "12"])
    kinds = tuple(kind for kind in KINDS if kind not in ("clock", "lb"))
    assert seen == [Options(tmp_path, 9, 2.0, SCALES[1], "pair", kinds, True, 12)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--switch", "tofino"], "--switch tofino: choose one of ovs, bmv2, embedded"),
        (["--only", "floods"], "no kind of step is called floods; there are weights"),
        (["--topology", "nothing"], "nothing"),
    ],
)
def test_what_cannot_be_carried_out_is_said_with_exit_code_2(words: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["soak", "--plan", *words])
    assert result.exit_code == 2
    assert said in result.stdout.replace("\n", " ")
