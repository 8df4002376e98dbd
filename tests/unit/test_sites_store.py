"""The embedded store: batches are whole, one controller to a file, and whatever is wrong with a file is named."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from controller.sites.base import StoreError
from controller.sites.store import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some" / "folder" / "evenkeel.db"


def test_values_outlive_the_store_and_none_deletes(path: Path) -> None:
    store = SqliteStore(path)
    assert store.load() == {}
    store.put({"a": b"1", "b": b"\x00\xff", "c": b""})
    asyncio.run(store.commit({"a": b"2", "b": None, "never": None}))
    assert store.load() == {"a": b"2", "c": b""}
    store.close()
    again = SqliteStore(path)
    assert again.load() == {"a": b"2", "c": b""}
    again.close()


def test_a_batch_is_all_or_nothing(path: Path) -> None:
    store = SqliteStore(path)
    store.put({"a": b"1"})
    with pytest.raises(StoreError, match=f"{path}: cannot be written"):
        store.put({"a": b"2", "b": {"no": "bytes"}})  # type: ignore[dict-item]
    assert store.load() == {"a": b"1"}
    store.put({"a": b"3"})
    assert store.load() == {"a": b"3"}
    store.close()


def test_a_reader_that_holds_the_file_for_too_long_is_an_error_and_the_next_batch_is_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.sites.store.BUSY", 0.01)
    store = SqliteStore(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="cannot be written: database is locked"):
        asyncio.run(store.commit({"a": b"1"}))
    other.execute("ROLLBACK")
    other.close()
    asyncio.run(store.commit({"a": b"2"}))
    assert store.load() == {"a": b"2"}
    store.close()


def test_a_second_controller_is_refused_with_the_process_that_holds_the_file(path: Path) -> None:
    store = SqliteStore(path)
    with pytest.raises(StoreError) as caught:
        SqliteStore(path)
    assert str(caught.value) == (
        f"{path}: is in use by another controller (process {os.getpid()}); "
        "stop it, or give this one a file of its own"
    )
    store.close()
    SqliteStore(path).close()


def test_a_controller_that_was_killed_holds_nothing(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from controller.sites.store import SqliteStore\n"
        "store = SqliteStore(Path(sys.argv[1])); store.put({'a': b'1'}); print('held', flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(StoreError, match=rf"\(process {holder.pid}\)"):
        SqliteStore(path)
    holder.kill()
    holder.communicate()
    store = SqliteStore(path)
    assert store.load() == {"a": b"1"}
    store.close()


def test_an_empty_file_is_refused_for_what_it_held_is_lost(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(StoreError, match=f"{path}: is empty, so what it held is lost; remove the file"):
        SqliteStore(path)
    path.unlink()
    SqliteStore(path).close()


@pytest.mark.parametrize("damage", ["head", "middle", "no database"])
def test_a_damaged_file_is_named_and_not_written_to(path: Path, damage: str) -> None:
    store = SqliteStore(path)
    store.put({f"name{n}": bytes([n % 256]) * 500 for n in range(400)})
    store.close()
    data = bytearray(path.read_bytes())
    if damage == "head":
        data[:64] = b"x" * 64
    elif damage == "middle":
        data[4096 : len(data) // 2] = b"x" * (len(data) // 2 - 4096)
    else:
        data[:] = b"not a database at all, but as long as one" * 500
    path.write_bytes(data)
    with pytest.raises(StoreError) as caught:
        SqliteStore(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert path.read_bytes() == data
    path.unlink()
    SqliteStore(path).close()


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    path = tmp_path / "a file" / "evenkeel.db"
    with pytest.raises(StoreError, match=r"cannot be used as a store: .*give a writable SQLite file"):
        SqliteStore(path)


def test_a_store_that_could_not_be_opened_does_not_hold_the_file(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()
    errors: list[StoreError] = []
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            SqliteStore(path)
        errors.append(caught.value)
    path.unlink()
    SqliteStore(path).close()
    assert all("is empty" in str(error) for error in errors)
