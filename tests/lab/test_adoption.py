"""Adoption: one os-ken process runs us and a plain learning switch, on one switch, and neither touches the other's."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.app.guest import CONFIG, STATE
from controller.core.switchtask import AUDIT
from controller.spec.types import OpenFlowPlacement
from flows.messages import COOKIE_SHIFT
from tests.lab.conftest import MakeLab, eventually
from tests.lab.learning_switch import COOKIE
from tests.lab.long_connections import LongConnections
from tests.lab.tuned import tune, weights
from topo.lab import Lab
from topo.plan import CONTROL_ADDRESS, CONTROLLER, OPENFLOW_PORT
from topo.underlay import COOKIE as UNDERLAY

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[2]
FLAT = Path(__file__).parent / "data" / "flat.yaml"
OURS = OpenFlowPlacement().cookie


class Process:
    """Their process with us in it."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self._output = directory / "output.jsonl"
        self._status = directory / "status.json"
        environment = {CONFIG: str(lab.intent_path), STATE: str(directory / "evenkeel.db")}
        argv = [sys.executable, "-m", "tests.lab.learning_switch", str(CONTROL_ADDRESS), str(OPENFLOW_PORT)]
        with self._output.open("wb") as out, (directory / "errors").open("wb") as err:
            self.running: subprocess.Popen[Any] = lab.popen(
                CONTROLLER,
                [*argv, "controller.app.guest"],
                stdout=out,
                stderr=err,
                env=environment,
                cwd=ROOT,
            )

    def rows(self, key: str) -> list[dict[str, Any]]:
        """Lines with that key: "event" are ours, "cookie" theirs."""
        lines = io.StringIO(self._output.read_text(encoding="utf-8"))
        return [row for row in (json.loads(line) for line in lines if line.endswith("\n")) if key in row]

    def status(self) -> dict[str, Any]:
        """Our status file."""
        value: dict[str, Any] = json.loads(self._status.read_text(encoding="utf-8"))
        return value

    def flows(self, owner: int, mask: int = -1) -> set[str]:
        """Flows on the switch by cookie."""
        option = f"cookie={owner:#x}/{mask}"
        return set(self.lab.ofctl("sw1", "--no-stats", "dump-flows", "br0", option).splitlines())


@pytest.fixture(scope="module")
def process(make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    lab = make_lab(FLAT)
    lab.ofctl("sw1", "del-flows", "br0", f"cookie={UNDERLAY:#x}/-1")
    for host in lab.fabric.hosts:
        # The lab's router is gone with its flows: hosts of one segment find each other by ARP.
        lab.exec(host, ["ip", "neigh", "flush", "nud", "permanent", "dev", "eth0"], check=True)

    def on_their_flows(document: Any) -> None:
        for switch in document["switches"]:
            switch["openflow"].pop("next_table")

    tune(lab, on_their_flows)
    started = Process(lab, tmp_path_factory.mktemp("guest"))
    try:
        eventually(lambda: [row for row in started.rows("event") if row["event"] == "synced"], "synced", 30)
        yield started
    finally:
        started.running.kill()
        started.running.wait(10)


def _ping(lab: Lab, host: str, address: str) -> bool:
    done = lab.exec(host, ["ping", "-c", "2", "-i", "0.2", "-W", "2", address], capture_output=True)
    return done.returncode == 0


def test_vip_traffic_is_ours_and_the_rest_is_theirs(process: Process) -> None:
    lab = process.lab
    assert _ping(lab, "c1", "10.0.0.12"), "host to host is learned by the other application"
    assert process.flows(COOKIE)
    with LongConnections(lab) as long:
        made = long.open(20, ["dr", "nat"], idle_of_three=0)
        assert long.broken() == []
        assert {one.server for one in made if one.mode == "dr"} == {"s1", "s2", "s3"}
        assert {one.server for one in made if one.mode == "nat"} == {"s1", "s2", "s3"}


def test_neither_touches_the_others_flows_nor_sees_its_packets(process: Process) -> None:
    lab = process.lab
    with LongConnections(lab) as long:
        long.open(30, ["dr", "nat"], idle_of_three=0)
        long.talk()
        theirs = process.flows(COOKIE)
        assert theirs
        tune(lab, weights("web", s1=4))
        eventually(lambda: process.status()["pins"], "our switch reports exceptions, and we answer")
        time.sleep(2 * AUDIT + 1)
        assert theirs <= process.flows(COOKIE)
        assert long.broken() == []
    told = [row["event"] for row in process.rows("event")]
    assert not {"repaired", "conflict", "switch_error", "refused"} & set(told)
    assert {row["cookie"] for row in process.rows("cookie")} == {COOKIE}
    assert not {row for row in process.rows("cookie") if row["cookie"] >> COOKIE_SHIFT == OURS}
    assert process.running.poll() is None
