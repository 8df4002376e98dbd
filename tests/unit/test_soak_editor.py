"""The soak's operator: an edit is in force when the controller took it, and taken back when it was refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.unit.soaking import stage
from topo.soak.editor import REGRET, SLOWLY, Editor, lines_of
from topo.soak.steps import Step

WEIGHT = Step(1.0, "weights", "weight", "web/s1", "4")
DRAIN = Step(2.0, "drains", "drain", "web/s2", "on")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.asleep: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.asleep()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def editor(tmp_path: Path, clock: Clock) -> Editor:
    return Editor(tmp_path / "intent.yaml", stage().document, clock, clock.sleep)


def in_file(tmp_path: Path) -> Any:
    return YAML(typ="safe").load((tmp_path / "intent.yaml").read_text())


def weight(document: Any) -> int:
    return next(int(row.get("weight", 1)) for row in document["pools"][0]["backends"] if row["name"] == "s1")


def accepted(t: float) -> dict[str, Any]:
    return {"t": t, "event": "intent_accepted", "pools": 2, "vips": 4}


def refused(t: float) -> dict[str, Any]:
    return {"t": t, "event": "intent_refused", "errors": ["no", "never"]}


def test_an_edit_is_written_whole_and_accepted_when_the_controller_says_so(
    editor: Editor, clock: Clock, tmp_path: Path
) -> None:
    editor.edit(WEIGHT)
    assert weight(in_file(tmp_path)) == 4
    assert (editor.done[0].outcome, editor.pending) == ("unresolved", True)
    editor.hear(accepted(clock.now - 1))  # of what was there before
    assert editor.pending
    editor.hear(accepted(clock.now + 0.4))
    assert (editor.done[0].outcome, editor.done[0].resolved) == ("accepted", 100.4)
    assert not editor.pending


def test_a_refused_edit_is_taken_back_after_a_while_and_said_to_have_changed_nothing(
    editor: Editor, clock: Clock, tmp_path: Path
) -> None:
    editor.edit(WEIGHT)
    editor.hear(refused(100.2))
    editor.tick()
    assert weight(in_file(tmp_path)) == 4
    clock.now = 100.2 + REGRET + 0.1
    editor.tick()
    assert weight(in_file(tmp_path)) == weight(stage().document) == 2
    assert (editor.done[0].outcome, editor.done[0].why) == ("refused", "no; never")


def test_the_next_edit_builds_on_what_is_in_force(editor: Editor, clock: Clock, tmp_path: Path) -> None:
    editor.edit(WEIGHT)
    editor.hear(refused(100.2))
    clock.now = 100.5
    editor.edit(DRAIN)
    assert weight(in_file(tmp_path)) == 2
    assert [one.outcome for one in editor.done] == ["refused", "unresolved"]


def test_a_controller_that_starts_with_what_was_stored_has_not_taken_the_file(
    editor: Editor, clock: Clock, tmp_path: Path
) -> None:
    editor.edit(WEIGHT)
    editor.hear(refused(104.9))
    editor.hear({"t": 105.0, "event": "started"})
    clock.now = 104.9 + REGRET + 0.1
    editor.tick()
    assert (weight(in_file(tmp_path)), editor.done[0].outcome) == (2, "refused")


def test_edits_without_an_answer_are_accepted_together_when_the_controller_starts(
    editor: Editor, clock: Clock
) -> None:
    editor.edit(WEIGHT)
    clock.now = 103.0
    editor.edit(DRAIN)
    editor.hear({"t": 105.0, "event": "started"})
    assert [(one.outcome, one.resolved) for one in editor.done] == [("accepted", 105.0)] * 2


def test_an_edit_that_does_not_fit_is_skipped(editor: Editor) -> None:
    skipped = editor.edit(Step(1.0, "members", "restore", "web/s1"))
    assert (skipped.outcome, editor.pending) == ("skipped", False)
    assert "was not taken out" in skipped.why


def test_a_file_is_written_slowly_line_by_line_into_its_place(
    editor: Editor, clock: Clock, tmp_path: Path
) -> None:
    sizes: list[int] = []
    clock.asleep = lambda: sizes.append((tmp_path / "intent.yaml").stat().st_size)
    inode = (tmp_path / "intent.yaml").stat().st_ino
    slow = editor.edit(Step(1.0, "slow", "weight", "web/s1", "4"))
    assert sizes == sorted(set(sizes))
    assert len(sizes) > 100
    assert 1.0 < slow.end - slow.start <= SLOWLY + 0.1
    assert (tmp_path / "intent.yaml").stat().st_ino == inode
    assert weight(in_file(tmp_path)) == 4


def test_the_text_says_what_the_document_says() -> None:
    document = stage("embedded").document
    text = "".join(lines_of(document))
    assert YAML(typ="safe").load(text) == document
    assert max(map(len, text.splitlines())) < 120


def test_what_is_said_of_half_a_file_is_not_the_answer(editor: Editor, clock: Clock) -> None:
    slow = editor.edit(Step(1.0, "slow", "weight", "web/s1", "4"))
    editor.hear(refused(slow.start + 0.5))
    editor.hear(accepted(slow.start + 0.8))
    assert editor.pending
    editor.hear(refused(slow.end + 0.1))  # read just before the last line came
    editor.hear(accepted(slow.end + 0.4))
    clock.now = slow.end + 2 * REGRET
    editor.tick()
    assert editor.done[0].outcome == "accepted"
