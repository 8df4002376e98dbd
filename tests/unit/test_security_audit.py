"""The audit log: on disk before it is acknowledged, every change of it found, no change without it."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.cli import codes
from controller.cli.audit import verify as verify_command
from controller.security import auditfile
from controller.security.audit import AuditLog
from controller.security.auditfile import renamed
from controller.security.auditrecord import (
    LONGEST,
    LONGEST_END,
    NO_HASH,
    Change,
    Step,
    cut,
    digest,
    ended,
    line,
    read,
)
from controller.security.auditverify import Break, verify
from controller.security.errors import AuditError
from tests.fakes.core import SetClock

CHANGE = Change(
    who="certificate 'alice'",
    source="10.0.0.9:40000",
    method="SetWeights",
    what=("pool 'web'",),
    why="s1 is slow",
    request="r1",
    before=digest(b"before"),
    after=digest(b"after"),
)


def with_log(
    path: Path, body: Callable[[AuditLog], Awaitable[None]], limit: int = 1 << 20, keep: int = 4
) -> None:
    async def whole() -> None:
        log = AuditLog(path, SetClock(), limit, keep)
        try:
            await body(log)
        finally:
            log.close()

    asyncio.run(whole())


async def changes(log: AuditLog, count: int) -> None:
    for revision in range(count):
        await log.done(await log.asked(CHANGE), "done", revision)


def records(path: Path) -> list[dict[str, object]]:
    return [json.loads(text) for text in path.read_text().splitlines()]


def test_a_change_is_recorded_before_it_is_made_and_how_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"

    async def body(log: AuditLog) -> None:
        number = await log.asked(CHANGE)
        assert records(path)[-1]["step"] == "asked"
        await log.done(number, "done", 7)
        await log.refused(CHANGE, "certificate 'bob' is a viewer")

    with_log(path, body)
    begun, asked, done, refused = records(path)
    assert (begun["step"], begun["prev"], begun["seq"]) == ("begun", NO_HASH, 0)
    said = {
        key: asked[key] for key in ("who", "source", "method", "what", "why", "request", "before", "after")
    }
    assert said == {**CHANGE.fields()}
    assert (done["step"], done["of"], done["result"], done["revision"]) == ("done", asked["seq"], "done", 7)
    assert (refused["step"], refused["result"]) == ("refused", "certificate 'bob' is a viewer")
    assert path.stat().st_mode & 0o777 == 0o600
    assert verify(path).last.seq == 3


def test_the_log_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    for _ in range(3):
        with_log(path, lambda log: changes(log, 2))
    assert verify(path).last.seq == 12


def test_half_a_record_is_dropped_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    with_log(path, lambda log: changes(log, 1))
    with path.open("ab") as file:
        file.write(b'{"seq":3,"at":')
    with_log(path, lambda log: changes(log, 1))
    assert [row["step"] for row in records(path)] == ["begun", "asked", "done", "recovered", "asked", "done"]
    assert records(path)[3]["dropped"] == 14
    assert verify(path).last.seq == 5


def test_files_follow_each_other_and_only_so_many_stay(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    with_log(path, lambda log: changes(log, 40), limit=4000, keep=3)
    assert len(renamed(path)) == 3
    found = verify(path)
    assert (found.files, found.first > 0) == (4, True)
    assert all(each.stat().st_size < 5000 for each in [path, *renamed(path)])
    with_log(path, lambda log: changes(log, 1), limit=4000, keep=3)
    assert verify(path).last.seq > found.last.seq
    # A file that is gone from among them is a gap.
    renamed(path)[-1].unlink()
    with pytest.raises(Break, match=r"audit\.log:1: this line does not follow record"):
        verify(path)


def test_a_controller_that_died_between_two_files_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    with_log(path, lambda log: changes(log, 2))
    path.rename(tmp_path / "audit.log.000000000000")
    (tmp_path / "audit.log.new").write_bytes(b"anything")
    with_log(path, lambda log: changes(log, 20), limit=4000)
    assert verify(path).first == 0


def _change(lines: list[bytes], how: str) -> None:
    match how:
        case "a word":
            lines[4] = lines[4].replace(b'"result":"done"', b'"result":"none"')
        case "left out":
            del lines[4]
        case "put in":
            lines.insert(4, lines[2])
        case "swapped":
            lines[4], lines[5] = lines[5], lines[4]
        case "made again":
            record = json.loads(lines[4])
            fields = {k: v for k, v in record.items() if k not in ("seq", "at", "step", "prev", "hash")}
            fields["who"] = "certificate 'carol'"
            lines[4], _ = line(record["seq"], record["at"], Step(record["step"]), record["prev"], fields)
        case "no record":
            lines[4] = b"hello\n"
        case "empty":
            lines[4] = b"\n"
        case "too long":
            lines[4] = b"x" * 2 * LONGEST + b"\n"


@pytest.mark.parametrize(
    ("how", "at", "says"),
    [
        ("a word", 5, "was changed: it does not have the hash that it shows"),
        ("left out", 5, "does not follow record 3: records were changed, left out or put in between"),
        ("put in", 5, "does not follow record 3"),
        ("swapped", 5, "does not follow record 3"),
        ("made again", 6, "does not follow record 4"),
        ("no record", 5, "is no record: it does not end with a hash"),
        ("empty", 5, "is no record: it does not end with a hash"),
        ("too long", 5, f"is longer than {LONGEST} octets"),
    ],
)
def test_the_first_line_that_is_not_as_written_is_named(
    tmp_path: Path, how: str, at: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "audit.log"
    with_log(path, lambda log: changes(log, 5))
    lines = path.read_bytes().splitlines(keepends=True)
    _change(lines, how)
    path.write_bytes(b"".join(lines))
    assert verify_command(path, None) == codes.Audit.BROKEN
    assert capsys.readouterr().err.startswith(f"{path}:{at}: this line {says}")


def test_what_was_cut_off_at_the_end_is_told_by_a_hash_that_was_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "audit.log"
    with_log(path, lambda log: changes(log, 3))
    assert verify_command(path, None) == codes.Audit.GOOD
    noted = capsys.readouterr().out.split()[-1]
    assert verify_command(path, noted) == codes.Audit.GOOD
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert verify_command(path, None) == codes.Audit.GOOD
    assert verify_command(path, noted) == codes.Audit.BROKEN
    assert "the log was cut off, or made again" in capsys.readouterr().err
    assert verify_command(tmp_path / "other", None) == codes.Audit.UNREADABLE


def test_a_changed_end_keeps_the_log_from_going_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    with_log(path, lambda log: changes(log, 1))
    path.write_bytes(path.read_bytes().replace(b'"revision":0', b'"revision":9'))
    with pytest.raises(AuditError, match="its last line was changed"):
        AuditLog(path, SetClock())


def test_one_file_has_one_writer(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log", SetClock())
    with pytest.raises(AuditError, match="another process writes it"):
        AuditLog(tmp_path / "audit.log", SetClock())
    log.close()


def test_refusals_beyond_a_rate_are_counted(tmp_path: Path) -> None:
    path, clock = tmp_path / "audit.log", SetClock()

    async def whole() -> None:
        log = AuditLog(path, clock)
        for _ in range(1000):
            await log.refused(CHANGE, "no")
        clock.time += 1.0
        await log.refused(CHANGE, "no")
        log.close()

    asyncio.run(whole())
    rows = records(path)
    assert len(rows) == 102
    assert rows[-1]["unrecorded"] == 900


def test_many_at_once_are_written_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = tmp_path / "audit.log", os.fdatasync
    syncs: list[int] = []

    def counted(descriptor: int) -> None:
        syncs.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", counted)

    async def body(log: AuditLog) -> None:
        numbers = await asyncio.gather(*(log.asked(CHANGE) for _ in range(2000)))
        assert sorted(numbers) == list(range(1, 2001))
        await asyncio.gather(*(log.done(number, "done", 1) for number in numbers))

    with_log(path, body, limit=1 << 30)
    assert verify(path).last.seq == 4000
    assert len(syncs) < 400


texts = st.text(st.characters(codec=None), max_size=3000)


@given(texts, texts, st.lists(texts, max_size=100), texts, st.dictionaries(texts, texts, max_size=12))
def test_a_record_is_bounded_whatever_it_holds(
    who: str, why: str, what: list[str], result: str, more: dict[str, str]
) -> None:
    change = Change(who, who, tuple(what), why, who, who, who, who, more)
    text, own = line(2**60, 1e10, Step.ASKED, NO_HASH, change.fields())
    assert len(text) < LONGEST
    assert read(text[:-1]).hash == own
    text, _ = line(2**60, 1e10, Step.DONE, NO_HASH, ended(2**60, result, 2**60))
    assert len(text) < LONGEST_END


@given(st.text(), st.integers(3, 200))
def test_a_text_is_cut_to_octets_and_keeps_its_beginning(text: str, most: int) -> None:
    short = cut(text, most)
    assert len(json.dumps(short)) - 2 <= most
    assert short == text or (short.endswith("...") and text.startswith(short[:-3]))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no room on a disk."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    assert os.statvfs(folder).f_bavail == 0
    return filler


async def refused(log: AuditLog, under_way: list[int]) -> str:
    """Ask until that is refused, and why."""
    for _ in range(2000):
        try:
            under_way.append(await log.asked(CHANGE))
        except AuditError as error:
            return str(error)
    return "never"


@pytest.mark.needs_root
def test_a_full_disk_refuses_the_change_and_records_how_those_under_way_ended(small_disk: Path) -> None:
    path = small_disk / "audit.log"

    async def body(log: AuditLog) -> None:
        under_way = [await log.asked(CHANGE) for _ in range(20)]
        filler = fill(small_disk)
        assert "No space left on device; free some space. Changes are refused" in await refused(
            log, under_way
        )
        for number in under_way:
            await log.done(number, "done", 5)
        filler.unlink()
        await changes(log, 1)

    with_log(path, body)
    rows = records(path)
    asked = {row["seq"] for row in rows if row["step"] == "asked"}
    assert asked == {row["of"] for row in rows if row["step"] == "done"}
    verify(path)


@pytest.mark.needs_root
def test_a_disk_that_is_full_when_a_file_should_end_refuses_too(small_disk: Path) -> None:
    path = small_disk / "audit.log"

    async def body(log: AuditLog) -> None:
        number = await log.asked(CHANGE)
        while path.stat().st_size < 8000:
            await changes(log, 1)
        filler = fill(small_disk)
        with pytest.raises(AuditError, match="No space left on device"):
            await log.asked(CHANGE)
        await log.done(number, "done", 5)
        filler.unlink()
        await changes(log, 1)

    with_log(path, body, limit=8000)
    assert verify(path).files == 2


def test_where_no_room_can_be_set_aside_what_was_written_of_a_record_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditfile, "allocate", lambda *_: errno.EOPNOTSUPP)
    real, path = os.write, tmp_path / "audit.log"
    written: list[int] = []

    def full(descriptor: int, data: bytes) -> int:
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(real(descriptor, data[:10]))
        return 10

    async def body(log: AuditLog) -> None:
        await changes(log, 1)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(AuditError, match="No space left"):
                await log.asked(CHANGE)
        await changes(log, 1)

    with_log(path, body)
    assert verify(path).last.seq == 4


def test_a_disk_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.log"

    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def body(log: AuditLog) -> None:
        await changes(log, 1)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", broken)
            with pytest.raises(AuditError, match="Input/output error; make it writable"):
                await log.asked(CHANGE)
        await changes(log, 1)

    with_log(path, body)
    assert verify(path).last.seq == 4
