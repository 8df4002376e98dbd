"""What the containers of compose.yaml run, and how their first process ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from controller.model.load import load_intent
from topo.containers import fabric, programs
from topo.containers.node import attend, main
from topo.errors import LabError, TopologyError
from topo.plan import CONTROLLER


def test_switches_are_embedded_unless_the_environment_says_otherwise() -> None:
    assert {switch.kind for switch in fabric.chosen({}).switches.values()} == {"embedded"}
    assert {switch.kind for switch in fabric.chosen({fabric.SWITCH: "bmv2"}).switches.values()} == {"bmv2"}


def test_another_kind_of_switch_is_refused() -> None:
    with pytest.raises(TopologyError, match=r"EVENKEEL_SWITCH=ovs: .* embedded or bmv2"):
        fabric.chosen({fabric.SWITCH: "ovs"})


def test_a_server_serves_and_ends_its_tunnels() -> None:
    serve, tunnel = programs.commands(fabric.chosen({}), "s1")
    assert {"--http=80", "--echo=7000", f"--log={programs.LOGS}/s1.jsonl"} <= set(serve)
    assert tunnel[-1] == "tun0"


def test_a_switch_has_the_ports_of_the_topology_and_the_address_of_the_intent() -> None:
    chosen = fabric.chosen({})
    (command,) = programs.commands(chosen, "lb1")
    assert command[command.index("-i") : command.index("-i") + 4] == ["-i", "1@edge1", "-i", "2@leaf1"]
    assert f"{chosen.switches['lb1'].control}:9559" in command


def test_a_client_runs_nothing_and_a_stranger_is_refused() -> None:
    assert programs.commands(fabric.chosen({}), "c1") == []
    with pytest.raises(LabError, match="no node 'x'"):
        programs.commands(fabric.chosen({}), "x")


def test_the_controller_finds_an_intent_that_it_takes_and_an_edited_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    programs.prepare(fabric.chosen({}), CONTROLLER)
    assert {switch.name for switch in load_intent(programs.INTENT).switches} == set(
        fabric.chosen({}).switches
    )
    programs.INTENT.write_text("mine")
    programs.prepare(fabric.chosen({}), CONTROLLER)
    assert programs.INTENT.read_text() == "mine"


def _attend(*commands: list[str], then: str = "") -> int:
    with ExitStack() as stack:
        ours, theirs = (stack.enter_context(each) for each in socket.socketpair())
        ours.setblocking(False)

        async def body() -> int:
            attending = asyncio.create_task(attend(list(commands), ours))
            if then:
                asyncio.get_running_loop().call_soon(theirs.close if then == "gone" else _term)
            return await attending

        return asyncio.run(body())


def _term() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


FOREVER = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_a_container_ends_with_its_first_program_that_ends() -> None:
    assert _attend(FOREVER, [sys.executable, "-c", "raise SystemExit(7)"]) == 7


def test_a_program_that_is_killed_counts_as_in_a_shell() -> None:
    assert _attend([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], FOREVER) == 137


def test_a_container_whose_wiring_is_gone_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert _attend(FOREVER, then="gone") == 1
    assert "the wiring service is gone" in capsys.readouterr().err


def test_a_container_told_to_end_ends_its_programs_and_succeeds() -> None:
    assert _attend(FOREVER, then="term") == 0


def test_the_first_process_wants_one_name() -> None:
    assert main([]) == 2
