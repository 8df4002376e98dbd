"""Parts of a lab are run in, broken, repaired and reported one by one."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.lab.conftest import MakeLab, eventually
from topo.cli.lab import app
from topo.errors import LabError
from topo.lab import Lab
from topo.ovs import MAX_IDLE_MS

pytestmark = pytest.mark.lab

PAGE = Path(__file__).parents[2] / "docs" / "own-switches.md"


def get(lab: Lab, path: str, server: str = "10.1.0.11") -> bytes | None:
    """Status line and body, or None when there is no answer."""
    try:
        with lab.socket("c1") as connection:
            connection.settimeout(0.5)
            connection.connect((server, 80))
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    except OSError:
        return None
    return answer.split(b"\r\n")[0] + b" " + answer.rpartition(b"\r\n\r\n")[2]


def test_programs_run_in_the_namespace_of_their_node_with_its_switch_at_hand(single_lab: Lab) -> None:
    done = single_lab.exec(
        "s2", ["ip", "-o", "address", "show", "dev", "eth0"], capture_output=True, text=True
    )
    assert "10.1.0.12/24" in done.stdout
    done = single_lab.exec("sw1", ["ovs-vsctl", "get-fail-mode", "br0"], capture_output=True, text=True)
    assert done.stdout.strip() == "secure"
    assert single_lab.exec("c1", ["false"]).returncode == 1


def test_switches_forget_unused_decisions_as_soon_as_the_docs_recommend(single_lab: Lab) -> None:
    set_to = single_lab.vsctl("sw1", "get", "Open_vSwitch", ".", "other_config:max-idle").strip()
    advised = re.search(r"other_config:max-idle=(\d+)", PAGE.read_text(encoding="utf-8"))
    assert advised
    assert set_to.strip('"') == advised[1] == str(MAX_IDLE_MS)


def test_the_calling_thread_is_back_in_its_own_namespace_after_an_error(single_lab: Lab) -> None:
    before = os.readlink("/proc/thread-self/ns/net")
    with pytest.raises(FileNotFoundError):
        single_lab.exec("c1", ["no-such-program"])
    assert os.readlink("/proc/thread-self/ns/net") == before


def test_a_killed_server_refuses_and_a_healed_one_answers(single_lab: Lab) -> None:
    assert get(single_lab, "/") == b"HTTP/1.1 200 OK s1\n"
    single_lab.fail("s1")
    assert get(single_lab, "/") is None
    assert get(single_lab, "/", "10.1.0.12") is not None
    single_lab.heal("s1")
    assert get(single_lab, "/") == b"HTTP/1.1 200 OK s1\n"


def test_an_ill_server_keeps_serving_all_but_its_health(single_lab: Lab) -> None:
    single_lab.fail("s1", unhealthy=True)
    eventually(lambda: get(single_lab, "/healthz") == b"HTTP/1.1 503 Service Unavailable ill\n", "ill")
    assert get(single_lab, "/") == b"HTTP/1.1 200 OK s1\n"
    single_lab.heal("s1")
    eventually(lambda: get(single_lab, "/healthz") == b"HTTP/1.1 200 OK ok\n", "healthy")


def test_an_unplugged_host_keeps_its_addresses_for_when_it_is_plugged_in_again(single_lab: Lab) -> None:
    single_lab.fail("s1", link=True)
    assert single_lab.status()["links"]["s1-sw1"] is False
    assert get(single_lab, "/") is None
    single_lab.heal("s1")
    eventually(lambda: get(single_lab, "/") is not None, "s1 serves again")
    eventually(lambda: get(single_lab, "/healthz") is not None, "s1 again")
    with single_lab.socket("c1", socket.AF_INET6) as connection:
        connection.settimeout(5)
        connection.connect(("fd00:0:0:1::11", 80))


def test_a_restarted_switch_has_its_own_forwarding_before_any_controller(single_lab: Lab) -> None:
    single_lab.fail("sw1")
    assert get(single_lab, "/") is None
    single_lab.heal("sw1")
    assert get(single_lab, "/") is not None


def test_connections_are_logged_with_their_ends(single_lab: Lab) -> None:
    with single_lab.socket("c1") as ended, single_lab.socket("c1") as broken:
        for connection in (ended, broken):
            connection.settimeout(5)
            connection.connect(("10.1.0.13", 7000))
            connection.sendall(b"one\ntwo\n")
            assert connection.makefile().readline() == "s3 one\n"
        ports = {ended.getsockname()[1]: "eof", broken.getsockname()[1]: "reset"}
        broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def ends() -> dict[int, str]:
        log = [json.loads(line) for line in (single_lab.logs / "s3.jsonl").read_text().splitlines()]
        return {entry["peer"][1]: entry["reason"] for entry in log if entry["event"] == "close"}

    eventually(lambda: ports.items() <= ends().items(), f"{ports} in the log")


def test_switch_daemons_come_before_everything_else_on_this_machine(single_lab: Lab) -> None:
    for daemon in ("ovs-vswitchd", "ovsdb-server"):
        pid = (single_lab.switches["sw1"].directory / f"{daemon}.pid").read_text().strip()
        threads = os.listdir(f"/proc/{pid}/task")
        assert {os.sched_getscheduler(int(thread)) for thread in threads} == {os.SCHED_RR}


def test_logs_outlive_the_lab(single_lab: Lab, tmp_path: Path) -> None:
    for _ in range(2):
        single_lab.keep_logs(tmp_path)
    assert {path.name for path in (tmp_path / "servers").iterdir()} == {"s1.jsonl", "s2.jsonl", "s3.jsonl"}
    assert "ovs-vswitchd" in (tmp_path / "switches" / "sw1" / "ovs-vswitchd.log").read_text()


def test_large_transfers_pass_with_segmentation_offload(make_lab: MakeLab) -> None:
    lab = make_lab("single", tso=True)
    with lab.socket("c1") as connection:
        connection.settimeout(10)
        connection.connect(("10.1.0.11", 80))
        connection.sendall(b"GET /size/5000000 HTTP/1.0\r\n\r\n")
        assert sum(len(part) for part in iter(lambda: connection.recv(1 << 20), b"")) > 5_000_000


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("lb9", "no 'lb9' in lab"),
        ("s1-lb9", "no link s1-lb9; there are "),
        ("c1", "c1 runs no server program; unplug it with --link"),
    ],
)
def test_breaking_what_is_not_there_says_what_is(single_lab: Lab, target: str, message: str) -> None:
    with pytest.raises(LabError, match=message):
        single_lab.fail(target)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_program_run_in_a_node_hears_signals_and_is_waited_for(
    single_lab: Lab, number: signal.Signals
) -> None:
    name = number.name.removeprefix("SIG")
    script = (
        f"trap 'sleep 0.3; echo told; exit 7' {name}; echo ready; for n in $(seq 200); do sleep 0.05; done"
    )
    command = [sys.executable, "-m", "controller", "lab", "exec", "--lab", single_lab.name, "c1"]
    # Whatever runs the tests may ignore SIGINT, or have a terminal.
    with subprocess.Popen(
        ["env", f"--default-signal={name}", *command, "sh", "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.send_signal(number)
        assert running.stdout.read() == "told\n"
    assert running.returncode == 7


def test_the_command_line_reports_breaks_and_mends(single_lab: Lab) -> None:
    def run(*words: str) -> str:
        done = CliRunner().invoke(app, [words[0], "--lab", single_lab.name, *words[1:]])
        assert done.exit_code == 0, done.output
        return done.output

    run("fail", "s2")
    assert json.loads(run("status", "--json"))["nodes"]["s2"]["running"] is False
    run("heal", "s2")
    assert json.loads(run("status", "--json"))["nodes"]["s2"]["running"] is True
    refused = CliRunner().invoke(app, ["up", "single", "--switch", "tofino"])
    assert refused.exit_code == 2
    assert "--switch tofino: choose one of ovs, bmv2, embedded" in refused.output
