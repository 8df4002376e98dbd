"""The soak's operator: an edit is in force when the controller took it, and taken back when it was refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.unit.soaking import stage
from topo.soak.editor import SLOWLY, Editor, lines_of
from topo.soak.steps import Step

WEIGHT = Step(1.0, "weights", "weight", "web/s1", "4")
DRAIN = Step(2.0, "drains", "drain", "web/s2", "on")
Digest = Callable[[], str]


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


@pytest.fixture
def digest(tmp_path: Path) -> Digest:
    """Of what the file holds now."""
    return lambda: sha256((tmp_path / "intent.yaml").read_bytes()).hexdigest()


def accepted(t: float, digest: str | None) -> dict[str, Any]:
    return {"t": t, "event": "intent_accepted", "pools": 2, "vips": 4, "digest": digest}


def refused(t: float, digest: str | None) -> dict[str, Any]:
    return {"t": t, "event": "intent_refused", "errors": ["no", "never"], "digest": digest}


def outcomes(editor: Editor) -> list[tuple[str, float | None]]:
    return [(one.outcome, one.resolved) for one in editor.done]


def test_an_edit_is_written_whole_and_accepted_when_the_controller_says_so(
    editor: Editor, digest: Digest, tmp_path: Path
) -> None:
    before = digest()
    editor.edit(WEIGHT)
    assert weight(in_file(tmp_path)) == 4
    editor.hear(accepted(100.3, before))
    editor.hear(accepted(100.3, None))
    assert (outcomes(editor), editor.pending) == ([("unresolved", None)], True)
    editor.hear(accepted(100.4, digest()))
    assert (outcomes(editor), editor.pending) == ([("accepted", 100.4)], False)


def test_what_is_said_of_an_older_text_is_not_said_of_the_newer_one(
    editor: Editor, clock: Clock, digest: Digest, tmp_path: Path
) -> None:
    editor.edit(WEIGHT)
    first = digest()
    clock.now = 103.0
    editor.edit(DRAIN)
    editor.hear(accepted(103.1, first))
    assert (outcomes(editor), editor.pending) == ([("accepted", 103.1), ("unresolved", None)], True)
    editor.hear(refused(104.5, digest()))
    assert outcomes(editor) == [("accepted", 103.1), ("refused", 104.5)]
    assert weight(in_file(tmp_path)) == 4, "what is taken back is the edit that was refused"


def test_a_refusal_of_an_older_text_leaves_its_edit_to_what_is_said_of_the_newer_one(
    editor: Editor, clock: Clock, digest: Digest
) -> None:
    editor.edit(WEIGHT)
    first = digest()
    clock.now = 103.0
    editor.edit(DRAIN)
    editor.hear(refused(103.1, first))
    assert editor.pending
    editor.hear(accepted(104.5, digest()))
    assert outcomes(editor) == [("accepted", 104.5)] * 2


def test_of_equal_texts_the_one_is_meant_that_was_there(editor: Editor, clock: Clock, digest: Digest) -> None:
    editor.edit(WEIGHT)
    first = digest()
    clock.now = 101.0
    editor.edit(replace(WEIGHT, value="6"))
    clock.now = 102.0
    editor.edit(WEIGHT)
    assert digest() == first
    editor.hear(accepted(100.9, first))
    assert outcomes(editor) == [("accepted", 100.9), ("unresolved", None), ("unresolved", None)]
    editor.hear(accepted(103.0, first))
    assert outcomes(editor) == [("accepted", 100.9), ("accepted", 103.0), ("accepted", 103.0)]


def test_a_refused_edit_is_taken_back_and_said_to_have_changed_nothing(
    editor: Editor, digest: Digest, tmp_path: Path
) -> None:
    editor.edit(WEIGHT)
    editor.hear(refused(100.2, digest()))
    assert weight(in_file(tmp_path)) == weight(stage().document) == 2
    assert (editor.done[0].outcome, editor.done[0].why) == ("refused", "no; never")


def test_the_next_edit_builds_on_what_is_in_force(
    editor: Editor, clock: Clock, digest: Digest, tmp_path: Path
) -> None:
    editor.edit(WEIGHT)
    editor.hear(refused(100.2, digest()))
    clock.now = 100.5
    editor.edit(DRAIN)
    assert weight(in_file(tmp_path)) == 2
    assert [one.outcome for one in editor.done] == ["refused", "unresolved"]


def test_a_controller_that_starts_says_which_text_it_takes(
    editor: Editor, clock: Clock, digest: Digest
) -> None:
    editor.edit(WEIGHT)
    clock.now = 103.0
    editor.edit(DRAIN)
    editor.hear({"t": 104.9, "event": "started"})
    assert editor.pending, "it may go on with what was stored"
    editor.hear(accepted(105.0, digest()))
    assert outcomes(editor) == [("accepted", 105.0)] * 2


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


def test_what_is_said_of_half_a_file_is_not_the_answer(
    editor: Editor, clock: Clock, digest: Digest, tmp_path: Path
) -> None:
    halves: list[str] = []
    clock.asleep = lambda: halves.append(digest())
    slow = editor.edit(Step(1.0, "slow", "weight", "web/s1", "4"))
    editor.hear(refused(slow.start + 0.5, halves[10]))
    editor.hear(refused(slow.end + 0.1, halves[-2]))  # read just before the last line came
    assert editor.pending
    editor.hear(accepted(slow.end + 0.4, digest()))
    assert outcomes(editor) == [("accepted", slow.end + 0.4)]
    assert weight(in_file(tmp_path)) == 4
