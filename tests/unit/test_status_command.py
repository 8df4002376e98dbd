"""``evenkeel status`` shows what the controller wrote, and says when that is old or missing."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from controller.cli.status import status


def shown(at: float) -> dict[str, object]:
    """A small status."""
    return {
        "at": at,
        "term": 7,
        "intent_errors": ["fabric.yaml:3:1: wrong"],
        "switches": {
            "lb1": {
                "connected": True,
                "admitted": True,
                "synced": True,
                "entries": 9,
                "repairs": 1,
                "problem": "",
            },
            "lb2": {"connected": False, "admitted": False},
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
                "watched": 85,
                "panicked": False,
            }
        },
        "pins": 4,
        "unsynced": 1,
        "at_risk": {"moving_slots": {"web/tcp": 85}, "pins_refused": 0, "memory_short": ["lb1"]},
        "counters": {"shop/tcp/80": {"pool": "web/tcp", "backends": {"s1": {"packets": 12345, "bytes": 9}}}},
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
    for part in ("fabric.yaml:3:1: wrong", "away", "in use", "12345", "refused", "85 moving slots", "lb1"):
        assert part in out


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
