"""A P4 switch that has lost its primary controller gets a newer term; one that has another primary is left to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from controller.core.arrivals import Arrivals

from controller.core.controller import Controller, open_file
from controller.core.journal import Journal
from controller.sites.store import SqliteStore
from controller.southbound.p4.events import Backup
from tests.unit.spoil import DATA


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Controller]:
    shutil.copyfile(DATA / "good.yaml", tmp_path / "intent.yaml")
    store = SqliteStore(tmp_path / "e.db")
    yield Controller(open_file(tmp_path / "intent.yaml"), store, Journal(), lambda: 1000.0)
    store.close()


@pytest.mark.parametrize(("primary", "renewed"), [(None, True), (2000, False)])
def test_a_switch_without_primary_is_claimed_by_a_newer_term(
    core: Controller, primary: int | None, renewed: bool
) -> None:
    before, told = core.term, []
    core.on_switches.append(lambda: told.append(core.term))
    Arrivals(core).backup(Backup("lb1", primary))
    assert (core.term > before) is renewed
    assert told == ([core.term] if renewed else [])
