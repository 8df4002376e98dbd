"""Whatever ends a lab, nothing of it stays: no namespace, cable, process or file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.conftest import HEEDING, eventually
from topo import netns, ovs, process, state
from topo.errors import CommandError, LabError
from topo.lab import Lab

pytestmark = pytest.mark.lab

BUILDER = "import sys; from topo.lab import Lab; Lab.up('pair', name=sys.argv[1])"


def interfaces() -> set[str]:
    return set(os.listdir("/sys/class/net"))


def remains(name: str) -> list[str]:
    """Everything on the machine that is this lab's."""
    found = [f"namespace {space}" for space in state.spaces(name)]
    found += [
        str(path) for path in (state.ROOT / name, Path(f"/run/lock/evenkeel-{name}.lock")) if path.exists()
    ]
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                command = Path(f"/proc/{entry}/cmdline").read_bytes()
            except OSError:
                continue
            if f"{state.ROOT / name}/".encode() in command:
                found.append(f"process {entry} {command!r}")
    return found


def test_a_lab_that_was_up_leaves_nothing_after_down_not_even_strangers_in_its_namespaces(
    lab_name: str,
) -> None:
    before = interfaces()
    lab = Lab.up("pair", name=lab_name, temporary=True)
    assert remains(lab_name), "a running lab must be visible to this test's own search"
    stranger = lab.popen("c1", ["sleep", "600"])
    lab.down()
    assert stranger.wait(10) == -signal.SIGKILL
    assert remains(lab_name) == []
    assert interfaces() == before
    lab.down()  # once more is no error


def test_an_error_half_way_up_leaves_nothing(lab_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = ovs.OpenVSwitch.start

    def refuse(switch: ovs.OpenVSwitch) -> None:
        start(switch)
        if switch.switch.name == "lb2":
            raise CommandError("lb2 does not want to")

    monkeypatch.setattr(ovs.OpenVSwitch, "start", refuse)
    with pytest.raises(CommandError, match="lb2 does not want to"):
        Lab.up("pair", name=lab_name, temporary=True)
    assert remains(lab_name) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_builder_ended_half_way_leaves_nothing_after_down(lab_name: str, number: signal.Signals) -> None:
    builder = subprocess.Popen([*HEEDING, sys.executable, "-c", BUILDER, lab_name], stderr=subprocess.DEVNULL)
    pids = state.ROOT / lab_name / "pids"
    eventually(lambda: len(list(pids.glob("*.json"))) >= 2, "two daemons started")
    builder.send_signal(number)
    assert builder.wait(30) != 0
    if number is signal.SIGINT:
        assert remains(lab_name) == [], "an interrupted builder cleans up itself"
    else:
        assert remains(lab_name) != []
        with pytest.raises(LabError, match="half up after a crash: evenkeel lab down"):
            Lab.up("pair", name=lab_name, temporary=True)
        with pytest.raises(LabError, match="half up after a crash: evenkeel lab down"):
            Lab.load(lab_name)
    state.remove(lab_name)
    assert remains(lab_name) == []


def test_taking_one_lab_down_leaves_a_lab_with_a_longer_name_alone(lab_name: str) -> None:
    longer = lab_name[:11] + "x"
    netns.create(state.space_of(longer, "c1"))
    try:
        netns.create(state.space_of(lab_name, "c1"))
        state.remove(lab_name)
        assert state.spaces(lab_name) == []
        assert state.spaces(longer) == [state.space_of(longer, "c1")]
    finally:
        state.remove(longer)


def test_a_recycled_pid_is_not_mistaken_for_a_process_of_the_lab(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        known = process.remember(tmp_path, "x", sleeper.pid)
        assert known.alive
        assert not process.Process(known.name, known.pid, known.start - 1, known.command).alive
        sleeper.kill()
        eventually(lambda: not known.alive, "a killed process, though not reaped, counts as dead")
