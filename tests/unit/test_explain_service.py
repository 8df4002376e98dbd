"""``evenkeel explain-service``: what clients are told, by a file or by a running controller."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from controller.cli import asking, explainservice
from controller.cli.asking import NoAnswer
from controller.cli.codes import ExplainService
from controller.cli.explainservice import explain_by_file, explain_live
from controller.cli.output import Output
from controller.exits.xds.offline import by_intent
from controller.model.load import load_text
from controller.spec.codec import encode
from tests.fakes import core

SERVICES = """discovery:
  listen: 127.0.0.1:7460
  services:
  - name: shop
    port: 8080
    limits: {requests: 100}
    routes:
    - headers: [{name: x-env, value: canary}]
      to: [{pool: rpc, subset: canary}]
    - to: [{pool: rpc}]
  - {name: idle, port: 8080, pool: old}
"""
POOLS = """- name: rpc
  split: [{name: stable, weight: 90}, {name: canary, weight: 10}]
  backends:
  - {name: r1, address: 10.1.0.81, at: leafe, subset: stable}
  - {name: r2, address: 10.1.0.82, at: leafw, subset: stable, weight: 3}
  - {name: r3, address: "fd00:0:0:1::83", at: leafw, subset: canary, zone: z1}
- name: old
  backends: [{name: r4, address: 10.1.0.84, drain: true}]
vips:
"""
TEXT = core.text("two-site-small").replace("vips:\n", POOLS) + SERVICES
EXPECTED = """shop, to clients at west
  / [x-env: canary] -> 1 shop/rpc/canary
  / -> 0.1 shop/rpc/canary, 0.9 shop/rpc/stable
shop/rpc/canary: pool rpc, version V; at most requests 100
  west z1, 100.0% of priority 0: r3 [fd00:0:0:1::83]:8080 unknown
shop/rpc/stable: pool rpc, version V; at most requests 100
  west, 100.0% of priority 0: r2 10.1.0.82:8080 unknown
  east, 100.0% of priority 1: r1 10.1.0.81:8080 unknown
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "intent.yaml"
    path.write_text(TEXT)
    return path


def _plain(text: str) -> str:
    """Without versions."""
    words = text.split("version ")
    return "version V".join([words[0], *(each[16:] for each in words[1:])])


def test_a_file_says_routes_shares_and_servers_in_their_order(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain_by_file(file, "shop", "west", Output.TEXT) == ExplainService.SERVED
    assert _plain(capsys.readouterr().out) == EXPECTED + explainservice.PRESUMED + "\n"


def test_a_service_that_none_serves_is_another_code(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain_by_file(file, "idle", "", Output.JSON) == ExplainService.NOT_SERVED
    said = json.loads(capsys.readouterr().out)
    assert said["clusters"][0]["places"][0]["servers"][0]["state"] == "draining"


@pytest.mark.parametrize(
    ("service", "region", "says"),
    [
        ("shap", "", 'there is no service "shap"; services: shop, idle'),
        ("shop", "north", 'there is no site "north"; sites: east, west'),
    ],
)
def test_what_is_not_there_is_said(
    file: Path, service: str, region: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain_by_file(file, service, region, Output.TEXT) == ExplainService.BAD_INPUT
    assert says in capsys.readouterr().err


def test_a_running_controller_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[dict[str, str]] = []

    def answers(path: Path, request: dict[str, str]) -> dict[str, Any]:
        asked.append(request)
        if request["service"] == "shap":
            return {"ok": False, "refused": ["no such service"]}
        return {"ok": True, "explanation": encode(by_intent(load_text(TEXT, "f"), "shop", "west"))}

    monkeypatch.setattr(asking, "ask", answers)
    assert explain_live(tmp_path / "db", "shop", "west", Output.TEXT) == ExplainService.SERVED
    assert _plain(capsys.readouterr().out) == EXPECTED
    assert asked == [{"command": "explain_service", "service": "shop", "region": "west"}]
    assert explain_live(tmp_path / "db", "shap", "", Output.TEXT) == ExplainService.BAD_INPUT
    assert "no such service" in capsys.readouterr().err


def test_no_controller_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(path: Path, request: dict[str, str]) -> dict[str, Any]:
        raise NoAnswer("nothing there")

    monkeypatch.setattr(asking, "ask", fails)
    assert explain_live(tmp_path / "db", "shop", "", Output.TEXT) == ExplainService.NO_ANSWER
    assert "nothing there; is a controller running" in capsys.readouterr().err
