"""The embedded store: batches are whole, one controller to a file, and whatever is wrong with a file is named."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from controller.sites.base import ABSENT, Batch, Guard, GuardFailed, OutcomeUnknown, Stored, StoreError
from controller.sites.store import SqliteStore, read_log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some" / "folder" / "evenkeel.db"


def put(store: SqliteStore, batch: Batch) -> int:
    return asyncio.run(store.commit(batch))


def data(store: SqliteStore) -> dict[str, bytes]:
    return store.read().data()


def test_values_outlive_the_store_and_none_deletes(path: Path) -> None:
    store = SqliteStore(path)
    assert data(store) == {}
    put(store, {"a": b"1", "b": b"\x00\xff", "c": b""})
    asyncio.run(store.commit({"a": b"2", "b": None, "never": None}))
    assert data(store) == {"a": b"2", "c": b""}
    store.close()
    again = SqliteStore(path)
    assert data(again) == {"a": b"2", "c": b""}
    again.close()


def test_a_batch_is_all_or_nothing(path: Path) -> None:
    store = SqliteStore(path)
    put(store, {"a": b"1"})
    with pytest.raises(StoreError, match=f"{path}: cannot be written"):
        put(store, {"a": b"2", "b": {"no": "bytes"}})  # type: ignore[dict-item]
    assert data(store) == {"a": b"1"}
    put(store, {"a": b"3"})
    assert data(store) == {"a": b"3"}
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
    assert data(store) == {"a": b"2"}
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
        "import asyncio, sys; from pathlib import Path; from controller.sites.store import SqliteStore\n"
        "store = SqliteStore(Path(sys.argv[1])); asyncio.run(store.commit({'a': b'1'}))\n"
        "print('held', flush=True); input()"
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
    assert data(store) == {"a": b"1"}
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
    put(store, {f"name{n}": bytes([n % 256]) * 500 for n in range(400)})
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


# -- files of earlier versions ------------------------------------------------------------------------------------


class Earlier:
    """A file as versions before wrote it: values alone, batches counted by the controller in one of them."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("CREATE TABLE IF NOT EXISTS value (name TEXT PRIMARY KEY, data BLOB NOT NULL)")

    def load(self) -> dict[str, bytes]:
        return dict(self.db.execute("SELECT name, data FROM value").fetchall())

    def put(self, batch: Batch) -> None:
        self.db.execute("BEGIN IMMEDIATE")
        for name, value in batch.items():
            if value is None:
                self.db.execute("DELETE FROM value WHERE name = ?", (name,))
            else:
                self.db.execute("INSERT OR REPLACE INTO value VALUES (?, ?)", (name, value))
        self.db.execute("COMMIT")


def test_a_file_of_an_earlier_version_is_taken_over_and_its_count_goes_on(path: Path) -> None:
    old = Earlier(path)
    old.put({"intent": b"{}", "term": b"7", "revision": b"41"})
    old.db.close()
    store = SqliteStore(path)
    loaded = store.read()
    assert loaded.revision == 41
    assert loaded.values == {"intent": Stored(b"{}", 41), "term": Stored(b"7", 41)}
    assert asyncio.run(store.commit({"term": b"8"}, Guard(41, {"intent": 41}))) == 42
    store.close()
    store = SqliteStore(path)
    assert store.read().values == {"intent": Stored(b"{}", 41), "term": Stored(b"8", 42)}
    store.close()


def test_a_file_of_an_earlier_version_that_counted_nothing_begins_at_one(path: Path) -> None:
    old = Earlier(path)
    old.put({"intent": b"{}"})
    old.db.close()
    store = SqliteStore(path)
    assert (store.read().values, store.read().revision) == ({"intent": Stored(b"{}", 1)}, 1)
    store.close()


def test_an_earlier_version_can_have_the_file_back_and_give_it_again(path: Path) -> None:
    store = SqliteStore(path)
    put(store, {"intent": b"{}", "gone": b"x"})
    put(store, {"term": b"8"})
    store.close()
    old = Earlier(path)
    assert old.load() == {"intent": b"{}", "gone": b"x", "term": b"8", "revision": b"2"}
    old.put({"intent": b"[]", "gone": None, "new": b"n", "revision": b"3"})
    old.db.close()
    store = SqliteStore(path)
    assert data(store) == {"intent": b"[]", "term": b"8", "new": b"n"}
    assert store.read().revision == 3
    with pytest.raises(GuardFailed, match="at revision 3, not at 2"):
        asyncio.run(store.commit({"term": b"9"}, Guard(head=2)))
    asyncio.run(store.commit({"gone": b"y"}, Guard(3, {"gone": ABSENT})))
    store.close()


def test_a_count_that_is_no_number_is_named(path: Path) -> None:
    old = Earlier(path)
    old.put({"intent": b"{}", "revision": b"soon"})
    old.db.close()
    with pytest.raises(
        StoreError, match=r"evenkeel\.db: the stored value 'revision' is damaged \(b'soon'\)"
    ) as caught:
        SqliteStore(path)
    assert str(caught.value).startswith(str(path))


# -- disks that are stuck -----------------------------------------------------------------------------------------


def test_a_commit_that_the_disk_holds_up_is_unknown_and_its_end_is_no_other_writer(path: Path) -> None:
    store = SqliteStore(path)
    first = put(store, {"a": b"1"})
    stuck = threading.Event()
    write = store._write

    def slowly(batch: Batch, revision: int) -> None:
        stuck.wait(60)
        write(batch, revision)

    async def story() -> None:
        store._write = slowly  # type: ignore[method-assign]
        with pytest.raises(
            OutcomeUnknown, match=r"could not be written within 0\.05 s; the disk may be stuck"
        ):
            await store.commit({"a": b"2"}, Guard(head=first), within=0.05)
        with pytest.raises(OutcomeUnknown, match=r"an earlier write is not over"):
            await store.commit({"a": b"3"}, Guard(head=first), within=0.05)
        stuck.set()
        assert await store.commit({"a": b"4"}, Guard(head=first)) == first + 2
        with pytest.raises(GuardFailed):
            await store.commit({"a": b"5"}, Guard(head=first))

    asyncio.run(story())
    assert data(store) == {"a": b"4"}
    store.close()


def test_a_commit_whose_caller_is_cancelled_is_no_other_writer(path: Path) -> None:
    store = SqliteStore(path)
    first = put(store, {"a": b"1"})
    there, go = threading.Event(), threading.Event()
    write = store._write

    def slowly(batch: Batch, revision: int) -> None:
        there.set()
        go.wait(60)
        write(batch, revision)

    async def story() -> None:
        store._write = slowly  # type: ignore[method-assign]
        gone = asyncio.create_task(store.commit({"a": b"2"}, Guard(head=first)))
        await asyncio.to_thread(there.wait, 60)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert gone.cancelled()
        go.set()
        assert await store.commit({"b": b"3"}, Guard(head=first)) == first + 2
        with pytest.raises(GuardFailed):
            await store.commit({"a": b"5"}, Guard(head=first))

    asyncio.run(story())
    assert data(store) == {"a": b"2", "b": b"3"}
    store.close()


def test_a_log_that_is_held_up_holds_up_no_batch(path: Path) -> None:
    store = SqliteStore(path)
    stuck = threading.Event()

    async def story() -> None:
        store._logger.submit(stuck.wait, 60)
        waits = asyncio.create_task(store.log.commit({"a/1-1": b"1"}, Guard(keys={"a/1-1": ABSENT})))
        first = await store.commit({"a": b"1"})
        assert not waits.done()
        stuck.set()
        await waits
        assert await store.commit({"a": b"2"}, Guard(head=first)) == first + 1

    asyncio.run(story())
    assert read_log(path).data() == {"a/1-1": b"1"}
    store.close()


# -- kill -9 ------------------------------------------------------------------------------------------------------

WRITERS = """
import asyncio, os, shutil, signal, sys
from pathlib import Path
from controller.sites.base import Guard
from controller.sites.store import SqliteStore

async def write(store, acknowledged, numbers):
    head = (await store.load()).revision
    lease = (await store.registers.load()).revision
    for number in numbers:
        batch = {"a": b"%d" % number, "b": b"%d" % number, f"n{number}": b"x", f"n{number - 1}": None}
        head = await store.commit(batch, Guard(head=head))
        print("values", number, file=acknowledged, flush=True)
        lease = await store.registers.commit({"lease": b"%d" % number}, Guard(keys={"lease": lease}))
        print("lease", number, file=acknowledged, flush=True)

def killed_at(folder, left):
    def traced(statement):
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
    with open(folder / f"{left}.acknowledged", "w") as acknowledged:
        store = SqliteStore(folder / f"{left}.db")
        store._db.set_trace_callback(traced)
        asyncio.run(write(store, acknowledged, [1]))

folder = Path(sys.argv[1])
store = SqliteStore(folder / "base.db")
asyncio.run(write(store, sys.stderr, [0]))
store.close()
statements, status = 0, signal.SIGKILL
while status == signal.SIGKILL:
    statements += 1
    shutil.copy(folder / "base.db", folder / f"{statements}.db")
    child = os.fork()
    if not child:
        killed_at(folder, statements)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
assert status == 0, status
print(statements)
"""
"""Each a process that is killed as it begins its n-th statement, until one gets to its end."""


def test_a_writer_killed_at_any_statement_loses_nothing_acknowledged_and_leaves_no_half(
    tmp_path: Path,
) -> None:
    argv = [sys.executable, "-c", WRITERS, str(tmp_path)]
    done = subprocess.run(
        argv, stdout=subprocess.PIPE, check=True, cwd=Path(__file__).parents[2], timeout=200
    )
    statements = int(done.stdout)
    assert statements > 20, "each batch has several"
    for number in range(1, statements):
        store = SqliteStore(tmp_path / f"{number}.db")
        _whole(store, (tmp_path / f"{number}.acknowledged").read_text().splitlines())
        store.close()


def _whole(store: SqliteStore, acknowledged: list[str]) -> None:
    told = [int(line.split()[1]) for line in acknowledged if line.startswith("values")]
    values, leases = data(store), store.registers.read().data()
    at = int(values.get("a", b"-1"))
    assert at >= max(told, default=0), "what was acknowledged is there"
    assert values == {"a": b"%d" % at, "b": b"%d" % at, f"n{at}": b"x"}
    told = [int(line.split()[1]) for line in acknowledged if line.startswith("lease")]
    assert int(leases.get("lease", b"-1")) >= max(told, default=0)
    assert store.read().revision == at + 1
