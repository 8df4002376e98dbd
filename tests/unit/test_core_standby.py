"""A pool goes to its backup and returns: said once each way, and shown with the reason."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from controller.app.beginning import open_file
from controller.cli import codes
from controller.cli.explain import explain_by_file
from controller.cli.output import Output
from controller.core.shown import PoolStatus
from controller.plan.pool import Health
from controller.plan.standby import GroupStatus
from tests.fakes.core import Whole, whole

INTENT = """
sites: [{name: east}]
switches:
  - {name: lb1, site: east, kind: ovs, id: 0x21, roles: [lb, edge, leaf], mac: 02:45:56:01:00:21, ports: {1: segment}}
pools:
  - name: web
    health: {type: tcp}
    backup: far
    panic_threshold: 100%
    backends:
      - {name: s1, address: 10.1.0.11, mac: 02:45:56:02:00:01, zone: hall1}
      - {name: s2, address: 10.1.0.12, mac: 02:45:56:02:00:02}
      - {name: s3, address: 10.1.0.13, mac: 02:45:56:02:00:03, drain: true}
  - name: far
    backends:
      - {name: w1, address: 10.1.0.21, mac: 02:45:56:02:00:11, weight: 4}
vips:
  - name: shop
    address: 10.0.0.100
    mac: 02:45:56:00:01:01
    owners: [east]
    listeners: [{protocol: tcp, port: 80, pool: web, mode: nat}]
"""


def judge(core: Whole, *dead: str) -> PoolStatus:
    """What is shown once these are down."""
    verdicts = {name: Health(name not in dead, 0.0) for name in ("s1", "s2", "s3", "w1")}
    core.app.state.verdicts.put({"web": verdicts})
    asyncio.run(core.app.state.commit())
    return core.app.snapshot().pools["web/tcp"]


def test_a_pool_goes_to_its_backup_and_returns_and_both_are_said_and_shown(tmp_path: Path) -> None:
    (tmp_path / "intent.yaml").write_text(INTENT)
    core = whole(open_file(tmp_path / "intent.yaml"))
    assert judge(core).groups == {"0": GroupStatus("web", 3, 2, 1.0), "1": GroupStatus("far", 4, 4, 0.0)}
    assert core.said.of("groups") == []
    judge(core, "w1")
    assert core.said.of("groups") == [], "who stands by may die unnoticed"

    half = judge(core, "s1")
    assert half.groups == {"0": GroupStatus("web", 3, 1, 0.6667), "1": GroupStatus("far", 4, 4, 0.3333)}
    assert half.backends["w1"].slots / half.slots > 0.33
    assert [(real.group, real.zone) for real in half.backends.values()] == [
        (0, "hall1"),
        (0, None),
        (0, None),
        (1, None),
    ]
    (said,) = core.said.of("groups")
    assert (said["pool"], said["serving"], said["former"]) == ("web/tcp", [0, 1], [0])
    assert said["why"] == "1 of 3 of the weight of group 0 lives; 4 of 4 of the weight of group 1 lives"

    assert judge(core, "s1", "s2").backends["w1"].slots == half.slots
    assert judge(core, "s1", "s2", "w1").groups["0"].share == 1.0
    gone = core.said.of("groups")[1:]
    assert [(row["serving"], row["former"]) for row in gone] == [([1], [0, 1]), ([], [1])]

    judge(core)
    back = core.said.of("groups")[-1]
    assert (back["serving"], back["former"]) == ([0], [])
    assert back["why"] == "2 of 3 of the weight of group 0 lives"
    assert judge(core).backends["w1"].slots == 0


def test_decide_presumes_that_the_first_group_lives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "intent.yaml").write_text(INTENT)
    found = set()
    for port in range(40000, 40008):
        source = f"192.0.2.7:{port}"
        assert (
            explain_by_file(tmp_path / "intent.yaml", source, "10.0.0.100:80", output=Output.JSON)
            == codes.Explain.BACKEND
        )
        found.add(json.loads(capsys.readouterr().out)["switches"][0]["now"])
    assert found == {"s1", "s2"}
