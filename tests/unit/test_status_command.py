"""``evenkeel status`` shows what the controller wrote, and says when that is old or missing."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from controller.cli.status import status
from tests.fakes.core import intent_file, whole


def shown(at: float) -> dict[str, object]:
    """A small status."""
    return {
        "at": at,
        "term": 7,
        "intent_errors": ["fabric.yaml:3:1: wrong"],
        "store": "",
        "strangers": ["00000000000000ff at 192.0.2.9:4711"],
        "probe_problems": ["no more than 64 probes run at a time"],
        "switches": {
            "lb1": {
                "connected": True,
                "admitted": True,
                "synced": True,
                "entries": 9,
                "repairs": 1,
                "problem": "",
                "leaving": False,
            },
            "lb2": {"connected": False, "admitted": False, "synced": False, "leaving": False},
        },
        "pools": {
            "web/tcp": {
                "backends": {
                    "s1": {"id": 1, "weight": 2, "slots": 171, "state": "normal", "up": True, "reason": ""},
                    "s2": {
                        "id": 2,
                        "weight": 1,
                        "slots": 0,
                        "state": "drain",
                        "up": False,
                        "reason": "refused",
                    },
                },
                "revision": 3,
                "slots": 256,
                "moving": 85,
                "tracked": 120,
                "settles_in": 412.3,
                "settles_after": "connections that were silent since the last move may still speak",
                "watched": 85,
                "panicked": False,
            }
        },
        "vips": {"shop": {"owner": "east", "belongs": "east", "why": "east is fit"}},
        "drained_sites": [],
        "sites": None,
        "pins": 4,
        "unsynced": 1,
        "at_risk": {
            "moving_slots": {"web/tcp": 85},
            "tracked_slots": {"web/tcp": 120},
            "pins_refused": 0,
            "memory_short": ["lb1"],
        },
        "listeners": {
            "shop/tcp/80": {
                "pool": "web/tcp",
                "draining": True,
                "backends": {"s1": {"packets": 12345, "bytes": 9}},
            }
        },
    }


def written(folder: Path, at: float) -> Path:
    """The store's path, a status beside it."""
    (folder / "status.json").write_text(json.dumps(shown(at)))
    return folder / "evenkeel.db"


def test_a_current_status_is_shown_with_risks_and_counters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(written(tmp_path, time.time()), json_out=False) == 0
    out = capsys.readouterr().out
    for part in (
        "fabric.yaml:3:1: wrong",
        "away",
        "in use",
        "12345",
        "refused",
        "120 tracked slots, 85 of them",
        "85 moving, 120 tracked",
        "slots of web/tcp settle in 412 s",
        "lb1",
    ):
        assert part in " ".join(out.split())
    assert "draining: shop/tcp/80" in out
    assert "connected, but not in the intent: 00000000000000ff at 192.0.2.9:4711" in out
    assert "probes: no more than 64 probes run at a time" in out
    assert "nothing can be stored" not in out


def test_a_store_that_cannot_be_written_is_said_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = shown(time.time()) | {"store": "/x/e.db: disk is full", "intent_errors": []}
    (tmp_path / "status.json").write_text(json.dumps(now))
    assert status(tmp_path / "evenkeel.db", json_out=False) == 0
    out = capsys.readouterr().out
    assert out.startswith("nothing can be stored, so nothing changes: /x/e.db: disk is full")


def test_priority_groups_and_what_lives_of_them_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now: Any = shown(time.time())
    now["pools"]["web/tcp"]["groups"] = {
        "0": {"pool": "web", "weight": 4, "living": 1, "share": 0.5},
        "1": {"pool": "far", "weight": 2, "living": 2, "share": 0.5},
        "2": {"pool": "sorry", "weight": 1, "living": 1, "share": 0.0},
    }
    now["pools"]["web/tcp"]["backends"]["s1"]["zone"] = "hall2"
    (tmp_path / "status.json").write_text(json.dumps(now))
    assert status(tmp_path / "evenkeel.db", json_out=False) == 0
    out = capsys.readouterr().out
    assert (
        "web/tcp: group 0 of web takes 50% (1 of 4 of its weight lives), group 1 of far takes 50% (2 of 2 of its "
        "weight lives), group 2 of sorry stands by (1 of 1 of its weight lives)"
    ) in out
    assert "s1 in hall2" in out


def test_the_one_writer_and_who_waits_for_a_command_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now: dict[str, Any] = shown(time.time())
    now["pools"]["web/tcp"] |= {"writer": "s2", "waits_for_command": "s1"}
    (tmp_path / "status.json").write_text(json.dumps(now))
    assert status(tmp_path / "evenkeel.db", json_out=False) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "writer s2, s1 waits for evenkeel failback" in out


def standing_by(folder: Path, at: float) -> Path:
    """The store's path, the status of a controller that stands by beside it."""
    standby = {
        "name": "[west]",
        "leader": "east",
        "store": "no member answered",
        "intent_errors": ["x.yaml:1: bad"],
    }
    (folder / "status.json").write_text(json.dumps({"at": at, "standby": standby}))
    return folder / "evenkeel.db"


def test_one_that_stands_by_says_so_and_for_whom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = standing_by(tmp_path, time.time())
    assert status(state, json_out=False) == 3
    assert capsys.readouterr().out.splitlines() == [
        "[west] stands by and serves nothing; east leads",
        "the store does not answer: no member answered",
        "would not be taken over: x.yaml:1: bad",
    ]
    assert status(state, json_out=True) == 3
    assert json.loads(capsys.readouterr().out)["standby"]["leader"] == "east"


def test_one_that_stood_by_and_runs_no_longer_is_stale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(standing_by(tmp_path, time.time() - 60), json_out=False) == 1
    assert "the controller is not running" in capsys.readouterr().err


def test_a_switch_that_leaves_is_shown_as_emptied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = shown(time.time())
    now["switches"] = {"lb1": {"connected": True, "admitted": False, "synced": True, "leaving": True}}
    (tmp_path / "status.json").write_text(json.dumps(now))
    assert status(tmp_path / "evenkeel.db", json_out=False) == 0
    assert "is emptied" in capsys.readouterr().out


def test_what_a_controller_shows_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The keys of the snapshot are those that the command reads."""
    core = whole(intent_file(tmp_path / "intent.yaml"))
    core.clock.unix = time.time()
    (tmp_path / "status.json").write_text(json.dumps(core.app.snapshot().as_json()))
    assert status(tmp_path / "evenkeel.db", json_out=False) == 0
    out = capsys.readouterr().out
    for name in core.world.intent.switches:
        assert name.name in out
    for key in core.world.pools:
        assert f"pool {key}" in out


def test_an_old_status_is_told_apart_from_a_running_controller(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(written(tmp_path, time.time() - 60), json_out=True) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["term"] == 7
    assert "the controller is not running" in captured.err


def test_a_missing_status_names_the_file_that_was_looked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(tmp_path / "evenkeel.db", json_out=False) == 2
    assert str(tmp_path / "status.json") in capsys.readouterr().err


@pytest.mark.parametrize(("push", "says"), [("waiting", "waits for its push"), ("turn", "is pushed")])
def test_a_switch_that_runs_another_program_is_told_apart_from_one_that_is_away(
    push: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = shown(time.time())
    now["switches"] = {
        "lb1": {"connected": push == "waiting", "admitted": True, "synced": False, "push": push}
    }
    (tmp_path / "status.json").write_text(json.dumps(now))
    assert status(tmp_path / "evenkeel.db", json_out=False) == 0
    out = capsys.readouterr().out
    assert says in out
    assert "away" not in out


def test_each_fence_is_shown_with_what_is_claimed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now: dict[str, Any] = shown(time.time())
    claimed = {"up": True, "claim": True, "age": 12.3, "left": 2.25, "why": "", "open": False}
    silent = {"up": False, "claim": False, "age": None, "left": 0.0, "why": "no authority", "open": True}
    now["switches"]["lb1"]["fence"] = {"f0": claimed, "f1": silent}
    (tmp_path / "status.json").write_text(json.dumps(now))
    assert status(tmp_path / "evenkeel.db", json_out=False) == 0
    out = capsys.readouterr().out
    assert "fence f0 of lb1: claimed for 2.2 s, BFD up for 12 s" in out
    assert "fence f1 of lb1: silent: no authority, but open, BFD down" in out


def test_vips_are_shown_where_not_one_site_owns_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = shown(time.time())
    (tmp_path / "status.json").write_text(json.dumps(state))
    status(tmp_path / "evenkeel.db", False)
    assert "belongs to" not in capsys.readouterr().out
    moving = {"owner": None, "belongs": "west", "why": "east: drained"}
    state |= {"vips": {"shop": moving}, "drained_sites": ["east"]}
    (tmp_path / "status.json").write_text(json.dumps(state))
    status(tmp_path / "evenkeel.db", False)
    out = capsys.readouterr().out
    assert "drained: east" in out
    assert "conditions" not in out
    assert "none: it moves" in out


def test_sites_are_shown_where_one_of_them_is_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = {"fit": True, "conditions": {"edges": "1 of 1"}, "fit_for": 7.0, "unsynced": 0, "drained": False}
    dead = site | {"fit": False, "conditions": {"edges": "NOT MET: 0 of 1"}, "fit_for": None}
    for west, said in (site, False), (dead, True):
        state = shown(time.time()) | {"sites": {"east": site, "west": west}}
        (tmp_path / "status.json").write_text(json.dumps(state))
        status(tmp_path / "evenkeel.db", False)
        assert ("edges: NOT MET: 0 of 1" in capsys.readouterr().out) == said
