"""A P4 switch that has lost its primary controller gets a greater term; one that has another primary is left to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.southbound.p4.events import Backup
from tests.fakes.core import Whole, intent_file, whole


@pytest.fixture
def core(tmp_path: Path) -> Whole:
    return whole(intent_file(tmp_path / "intent.yaml"))


@pytest.mark.parametrize(("primary", "renewed"), [(None, True), (2_000_000_000, False)])
def test_a_switch_without_primary_is_claimed_by_a_greater_term(
    core: Whole, primary: int | None, renewed: bool
) -> None:
    terms, called = core.app.terms, []
    before = terms.now
    core.app.controller.on_switches = lambda: called.append(terms.now)
    core.app.controller.handle(Backup("lb1", primary, before + 5))
    assert (terms.now > before + 5) is renewed, "greater than any that the switch has seen"
    assert called == ([terms.now] if renewed else [])
    assert core.said.of("backup") == [{"switch": "lb1", "primary": primary}]
