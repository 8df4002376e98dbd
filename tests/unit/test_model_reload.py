"""A running controller follows its file, and a bad file changes nothing but what is reported."""

from __future__ import annotations

import os
from pathlib import Path

from controller.model.errors import ConfigErrors
from controller.model.reload import IntentFile
from controller.spec.types import Intent
from tests.unit.spoil import DATA

GOOD = (DATA / "base.yaml").read_text()
BAD = GOOD.replace("weight: 2", "weight: two")


def write(path: Path, text: str) -> None:
    """Replaces the file as editors do: by another inode."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)


def test_an_unchanged_file_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "fabric.yaml"
    write(path, GOOD)
    file = IntentFile(path)
    assert isinstance(file.poll(), Intent)
    assert file.poll() is None


def test_a_bad_file_leaves_the_last_good_intent_until_it_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "fabric.yaml"
    write(path, GOOD)
    file = IntentFile(path)
    first = file.poll()
    write(path, BAD)
    errors = file.poll()
    assert isinstance(errors, ConfigErrors)
    assert [error.message for error in errors] == ['weight is "two"']
    assert file.intent is first
    assert file.errors is errors
    assert file.poll() is None
    write(path, GOOD.replace("weight: 2", "weight: 3"))
    mended = file.poll()
    assert isinstance(mended, Intent)
    assert mended.pool("web").backends[0].weight == 3
    assert file.intent is mended
    assert file.errors is None


def test_a_change_in_place_within_the_same_size_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "fabric.yaml"
    path.write_text(GOOD)
    file = IntentFile(path)
    file.poll()
    path.write_text(GOOD.replace("weight: 2", "weight: 4"))
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    intent = file.poll()
    assert isinstance(intent, Intent)
    assert intent.pool("web").backends[0].weight == 4


def test_a_vanished_file_is_reported_once_and_read_when_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "fabric.yaml"
    write(path, GOOD)
    file = IntentFile(path)
    first = file.poll()
    path.unlink()
    assert isinstance(file.poll(), ConfigErrors)
    assert file.poll() is None
    assert file.intent is first
    write(path, GOOD)
    assert file.poll() == first
    assert file.errors is None


def test_a_file_that_was_never_good_has_errors_and_no_intent(tmp_path: Path) -> None:
    file = IntentFile(tmp_path / "fabric.yaml")
    assert isinstance(file.poll(), ConfigErrors)
    assert file.intent is None
