"""A running controller follows its file once it is written, and a bad file changes nothing but what is reported."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.model.errors import ConfigErrors
from controller.model.reload import LOOK, QUIET, IntentFile
from controller.spec.types import Intent
from tests.unit.spoil import DATA

GOOD = (DATA / "base.yaml").read_text()
BAD = GOOD.replace("weight: 2", "weight: two")
OTHER = GOOD.replace("weight: 2", "weight: 3")


def write(path: Path, text: str) -> None:
    """Replaces the file as editors do: by another inode."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)


class Watch:
    """A file and who looks at it, with a clock of its own."""

    def __init__(self, directory: Path, text: str | None = GOOD) -> None:
        self.path = directory / "fabric.yaml"
        if text is not None:
            write(self.path, text)
        self.now = 100.0
        self.file = IntentFile(self.path, clock=lambda: self.now)

    def look(self, after: float = 0.1) -> Intent | ConfigErrors | None:
        self.now += after
        return self.file.poll(self.now)

    def rest(self) -> list[Intent | ConfigErrors]:
        """What comes of looks until the file has been at rest for long."""
        looks = (self.look() for _ in range(int(3 * QUIET / 0.1)))
        return [news for news in looks if news is not None]


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    made = Watch(tmp_path)
    assert isinstance(made.file.poll(), Intent)
    return made


def weight(news: object) -> int:
    assert isinstance(news, Intent)
    return news.pool("web").backends[0].weight


def test_an_unchanged_file_is_read_once(watch: Watch) -> None:
    assert watch.rest() == []


def test_a_file_replaced_by_a_rename_is_taken_once(watch: Watch) -> None:
    write(watch.path, OTHER)
    (news,) = watch.rest()
    assert weight(news) == 3
    assert watch.rest() == []


def test_a_change_is_taken_no_sooner_than_the_file_is_quiet(watch: Watch) -> None:
    write(watch.path, OTHER)
    assert watch.look() is None
    assert watch.look(QUIET - 0.01) is None
    assert weight(watch.look(0.02)) == 3


def test_one_look_after_a_long_time_is_not_enough(watch: Watch) -> None:
    write(watch.path, OTHER)
    assert watch.look(1000.0) is None
    assert weight(watch.look(QUIET)) == 3


def test_a_bad_file_leaves_the_last_good_intent_until_it_is_mended(watch: Watch) -> None:
    first = watch.file.intent
    write(watch.path, BAD)
    (errors,) = watch.rest()
    assert isinstance(errors, ConfigErrors)
    assert [error.message for error in errors] == ['weight is "two"']
    assert watch.file.intent is first
    assert watch.file.errors is errors
    write(watch.path, OTHER)
    (mended,) = watch.rest()
    assert weight(mended) == 3
    assert watch.file.intent is mended
    assert watch.file.errors is None


def test_a_change_in_place_within_the_same_size_is_seen(watch: Watch) -> None:
    before = watch.path.stat()
    watch.path.write_text(GOOD.replace("weight: 2", "weight: 4"))
    os.utime(watch.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    (news,) = watch.rest()
    assert weight(news) == 4


@pytest.mark.parametrize("start", ["truncated", "new"])
def test_a_text_written_slowly_is_taken_only_when_it_is_whole(watch: Watch, start: str) -> None:
    if start == "new":
        watch.path.unlink()
    with watch.path.open("w") as file:
        for line in OTHER.splitlines(keepends=True):
            file.write(line)
            file.flush()
            assert watch.look(0.3 * QUIET) is None
            assert watch.look(0.5 * QUIET) is None
    (news,) = watch.rest()
    assert weight(news) == 3


@settings(deadline=None, max_examples=25)
@given(steps=st.lists(st.tuples(st.integers(1, 50), st.floats(0.0, 0.95 * QUIET)), min_size=1, max_size=40))
def test_no_prefix_is_ever_taken_however_it_is_written(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, float]]
) -> None:
    watch = Watch(tmp_path_factory.mktemp("slow"))
    watch.file.poll()
    at = 0
    with watch.path.open("w") as file:
        assert watch.look(0.0) is None
        for size, pause in steps:
            file.write(OTHER[at : at + size])
            file.flush()
            at += size
            assert watch.look(0.0) is None
            assert watch.look(pause) is None
        file.write(OTHER[at:])
    (news,) = watch.rest()
    assert weight(news) == 3


def test_a_file_that_changes_while_it_is_read_is_not_taken(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(watch.path, BAD)
    watch.look()
    with monkeypatch.context() as patched:

        def slow(_text: str, _name: str) -> Intent:
            write(watch.path, OTHER)
            raise ConfigErrors([])

        patched.setattr("controller.model.reload.load_text", slow)
        assert watch.look(QUIET) is None
    assert watch.file.errors is None
    (news,) = watch.rest()
    assert weight(news) == 3


def test_the_digest_is_that_of_the_text_that_was_read(watch: Watch) -> None:
    def digests() -> tuple[str | None, str | None]:
        return watch.file.digest, watch.file.intent_digest

    good = sha256(watch.path.read_bytes()).hexdigest()
    assert digests() == (good, good)
    write(watch.path, BAD)
    assert digests() == (good, good), "it has not been read yet"
    watch.rest()
    assert digests() == (sha256(watch.path.read_bytes()).hexdigest(), good)
    watch.path.unlink()
    watch.rest()
    assert digests() == (None, good)


def test_a_vanished_file_is_reported_once_and_read_when_it_is_back(watch: Watch) -> None:
    first = watch.file.intent
    watch.path.unlink()
    (errors,) = watch.rest()
    assert isinstance(errors, ConfigErrors)
    assert watch.rest() == []
    assert watch.file.intent is first
    write(watch.path, GOOD)
    assert watch.rest() == [first]
    assert watch.file.errors is None


def test_a_file_that_is_away_for_a_moment_is_not_reported(watch: Watch) -> None:
    watch.path.unlink()
    assert watch.look() is None
    write(watch.path, OTHER)
    (news,) = watch.rest()
    assert weight(news) == 3


def test_what_cannot_be_read_is_reported_once_and_the_last_good_one_stays(watch: Watch) -> None:
    first = watch.file.intent
    watch.path.unlink()
    watch.path.mkdir()
    (errors,) = watch.rest()
    assert isinstance(errors, ConfigErrors)
    assert [error.message for error in errors] == ["cannot be read (Is a directory)"]
    assert watch.rest() == []
    assert watch.file.intent is first


def test_a_file_that_was_never_good_has_errors_and_no_intent(tmp_path: Path) -> None:
    watch = Watch(tmp_path, None)
    assert isinstance(watch.file.poll(), ConfigErrors)
    assert watch.file.intent is None


def test_at_start_a_file_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    watch = Watch(tmp_path, "")
    texts = [OTHER[: len(OTHER) * number // 10] for number in range(1, 11)]

    def sleep(seconds: float) -> None:
        watch.now += seconds
        if texts:
            watch.path.write_text(texts.pop(0))

    assert weight(watch.file.read_when_quiet(sleep)) == 3
    assert watch.rest() == []


def test_at_start_a_file_that_never_comes_to_rest_is_an_error(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    turns: list[float] = []

    def sleep(seconds: float) -> None:
        watch.now += seconds
        turns.append(watch.now)
        watch.path.write_text(GOOD + "#" * len(turns))

    errors = watch.file.read_when_quiet(sleep, patience=5.0)
    assert isinstance(errors, ConfigErrors)
    assert [error.message for error in errors] == ["was being written for 5 s"]
    assert len(turns) <= 5.0 / LOOK + 2
