"""Inside another os-ken process: what keeps the controller from its start stops the loading, the rest is logged."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.app.assembly import App
from controller.app.beginning import IntentRefused
from controller.app.guest import CONFIG, STATE, Guest
from controller.plan import ids as ids_module
from controller.sites.base import StoreError
from controller.sites.store import SqliteStore
from controller.southbound.openflow.connection import OpenFlowApp
from tests.fakes.process import PATIENCE, quiet_intent


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guest]:
    """Loaded, not started. Events of switches stay with those who had them before."""
    monkeypatch.setattr(OpenFlowApp, "hub", OpenFlowApp.hub)
    intent = tmp_path / "intent.yaml"
    intent.write_text(quiet_intent(), encoding="utf-8")
    monkeypatch.setenv(CONFIG, str(intent))
    monkeypatch.setenv(STATE, str(tmp_path / "state.db"))
    made = Guest()
    yield made
    made.stop()


def test_an_intent_that_cannot_be_carried_out_stops_the_loading(
    guest: Guest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ids_module, "LIMIT", 2)
    with pytest.raises(IntentRefused, match=r"intent\.yaml: ids for backends: 3 new ones are needed"):
        guest.start()
    SqliteStore(tmp_path / "state.db").close()  # it is free for the next attempt


def test_a_store_that_cannot_be_opened_stops_the_loading(guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"")
    with pytest.raises(StoreError, match=r"state\.db: is empty"):
        guest.start()


@pytest.mark.parametrize("error", [StoreError("the disk is full"), RuntimeError("a defect")])
def test_any_failure_before_there_is_a_controller_stops_the_loading(
    guest: Guest, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(app: App) -> None:
        raise error

    monkeypatch.setattr(App, "begin", fails)
    with pytest.raises(type(error), match=str(error)):
        guest.start()


@pytest.mark.parametrize("error", [StoreError("the disk is full"), RuntimeError("a defect")])
def test_a_failure_later_is_logged_and_leaves_the_process_alone(
    guest: Guest, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = threading.Event()

    async def fails(app: App, *files: Path) -> None:
        raise error

    monkeypatch.setattr(App, "run", fails)
    monkeypatch.setattr(guest.logger, "exception", lambda text: logged.set())
    guest.start()
    assert logged.wait(PATIENCE)
    assert OpenFlowApp.hub is None
