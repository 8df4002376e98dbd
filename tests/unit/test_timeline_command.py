"""``evenkeel timeline``: a failover in one screen, from either store, with or without controllers; errors in a line."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from controller.cli import codes
from controller.cli.stores import Where
from controller.cli.timeline import Asked, timeline
from controller.cli.timelinetext import lines
from controller.core.events import EVENTS
from controller.core.eventtypes import Line
from controller.core.eventwords import text_of
from controller.sites.causes import Cause
from controller.sites.eventlog import EventLog, Made
from controller.sites.store import SqliteStore
from controller.sites.timeline import Entry, Value


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


NOON = 1_700_049_600.0


def entry(
    controller: str, ms: float, change: int, event: str, cause: str, boot: str = "one", /, **fields: Value
) -> Entry:
    return Entry(controller, int(ms), boot, ms / 1000, NOON + ms / 1000, change, 0, event, cause, fields)


def written(ms: float, switch: str, added: int, took: float) -> Entry:
    counts: dict[str, Value] = {"switch": switch, "added": added, "modified": 1, "deleted": 0, "ms": took}
    return entry("east", ms, 6, "converged", "plan", **counts)


STORY = [
    entry("east", 0, 4, "switch_down", "stream", switch="lb1"),
    entry("east", 1, 5, "withdrawn", "gone", switch="lb1", why="control stream lost"),
    written(10, "edge1", 3, 4.0),
    written(12, "edge2", 4, 9.5),
    entry("west", 3100, 40, "leads", "claimed_silent", controller="west", after="east"),
    entry("west", 3150, 41, "switch_up", "stream", switch="lb1"),
    entry("west", 3151, 41, "switch_up", "stream", switch="lb2"),
    entry("north", 60_000, 50, "happened", "later", "two", what="more", n=3),
    entry(
        "north",
        13 * 3_600_000,
        0,
        "verdict",
        "probe",
        "two",
        pool="web",
        backend="s1",
        up=False,
        reason="",
    ),
]


def test_a_failover_is_a_few_lines_in_order_with_gaps_in_milliseconds() -> None:
    assert [re.split("  +", line.strip()) for line in lines(STORY)] == [
        ["time", "+ms", "controller", "change", "what", "cause"],
        ["2023-11-15 UTC"],
        ["12:00:00.000", "east", "4", "lb1: disconnected", "stream"],
        ["12:00:00.001", "1", "east", "5", "lb1: left out by edges, control stream lost", "gone"],
        ["12:00:00.010", "9", "east", "6", "edge1, edge2: written, 7 added, 2 modified, 9.5 ms", "plan"],
        ["12:00:03.100", "3088", "west", "40", "leads, east was silent for too long", "claimed_silent"],
        ["12:00:03.150", "50", "west", "41", "lb1, lb2: connected", "stream"],
        ["12:01:00.000", "~56849", "north", "50", "happened what=more n=3", "later"],
        ["2023-11-16 UTC"],
        ["01:00:00.000", "46740000", "north", "-", "web: s1 down", "probe"],
    ]  # fmt: skip


def test_columns_are_aligned() -> None:
    heading, *rest = lines(STORY)
    for name, words in (("what", "leads, east"), ("controller", "west"), ("cause", "claimed_silent")):
        (row,) = [line for line in rest if "claimed_silent" in line]
        assert heading.index(name) == row.index(words)


def test_many_switches_are_counted() -> None:
    rows = [entry("east", n, 1, "switch_up", "stream", switch=f"s{n}") for n in range(9)]
    assert "s0, s1, s2, s3, s4, s5 and 3 more: connected" in list(lines(rows))[-1]


def test_what_differs_in_more_than_its_switch_is_a_line_of_its_own() -> None:
    rows = [
        entry("east", 1, 1, "withdrawn", "gone", switch="lb1", why="a"),
        entry("east", 2, 1, "withdrawn", "gone", switch="lb2", why="b"),
        entry("east", 3, 1, "verdict", "probe", pool="web", backend="s1", up=True, reason=""),
        entry("east", 4, 1, "verdict", "probe", pool="mail", backend="s1", up=True, reason=""),
    ]
    assert len(list(lines(rows))) == 2 + 4


GONE = (("shop", 20.1), ("shop6", 20.5))


def test_vips_of_a_group_and_servers_of_a_site_are_one_line_each() -> None:
    moves: dict[str, Value] = {"site": "west", "former": "east"}
    rows = [
        *(entry("east", 1, 1, "vip_moves", "moved", vip=vip, **moves) for vip in ("shop", "shop6")),
        *(entry("east", 2, 2, "verdict", "probe", pool="web", backend=s, up=False, reason="") for s in "ab"),
        *(entry("east", 3, 3, "vip_moved", "silent", vip=vip, unowned_ms=ms, **moves) for vip, ms in GONE),
    ]
    said = [re.split("  +", line)[-2] for line in list(lines(rows))[2:]]
    assert said == [
        "VIP shop, shop6: moves from east to west",
        "web: a, b down",
        "VIP shop, shop6: owned by west, before by east, unowned for 20.5 ms",
    ]


@pytest.mark.parametrize(
    ("text", "fields", "words"),
    [
        ("{a} and {b}", {"a": 1, "b": ["x", "y"]}, "1 and x, y"),
        ("{a:up|down}", {"a": True}, "up"),
        ("{a:, panics|}", {"a": False}, ""),
        ("x[, {a} ms]", {"a": 0}, "x"),
        ("x[, {a} to {b}]", {"a": "1"}, "x"),
        ("x[, {a}]", {"a": "{b} [c]"}, "x, {b} [c]"),
        ("{missing}", {}, "-"),
    ],
)
def test_the_words_of_an_event(text: str, fields: dict[str, Value], words: str) -> None:
    assert text_of(Line(text, Cause.TIME), fields) == words


@pytest.mark.parametrize("name", [name for name, event in EVENTS.items() if event.line])
def test_every_line_names_fields_that_its_event_has(name: str) -> None:
    event = EVENTS[name]
    assert event.line is not None
    known = {field.name for field in event.fields}
    asked: set[str] = set()

    class Asks(dict[str, Value]):
        def get(self, key: str, default: object = None) -> Value:
            asked.add(key)
            return "x"

    assert text_of(event.line, Asks())
    assert asked <= known


def kept(path: Path, *events: tuple[str, str, dict[str, object]]) -> None:
    async def body() -> None:
        store = SqliteStore(path)
        log = EventLog(store.log, "east", "boot")
        now = time.time()
        for number, (event, cause, fields) in enumerate(events):
            await log.append([Made(float(number), now, number + 1, 0, event, cause, fields)], 5.0)
        store.close()

    asyncio.run(body())


def shown(capsys: pytest.CaptureFixture[str], path: Path, asked: Asked = Asked()) -> tuple[int, str, str]:  # noqa: B008
    code = timeline(Where(path), asked)
    said = capsys.readouterr()
    return code, said.out, said.err


EVENTS_KEPT: Sequence[tuple[str, str, dict[str, object]]] = (
    ("started", "started", {"term": 1}),
    ("switch_up", "stream", {"switch": "lb1"}),
    ("vip_moves", "moved", {"vip": "shop", "site": "west", "former": "east"}),
)


def test_the_log_of_a_file_is_read_after_the_controller_and_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "evenkeel.db"
    kept(path, *EVENTS_KEPT)
    code, out, err = shown(capsys, path)
    assert (code, err) == (codes.Timeline.SHOWN, "")
    said = [re.split("  +", line.strip())[-2] for line in out.splitlines()[2:]]
    assert said == ["serves switches, term 1", "lb1: connected", "VIP shop: moves from east to west"]
    store = SqliteStore(path)
    assert shown(capsys, path)[1] == out, "a controller that runs does not keep it from being read"
    store.close()


def test_what_is_asked_for_is_shown_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "evenkeel.db"
    kept(path, *EVENTS_KEPT)
    _, out, _ = shown(capsys, path, Asked(since="10m", vip="shop", json_out=True))
    first, second = map(json.loads, out.splitlines())
    assert (first["event"], first["term"], first["controller"], first["seq"]) == ("started", 1, "east", 1)
    assert (second["event"], second["cause"], second["change"], second["vip"]) == (
        *("vip_moves", "moved", 3, "shop"),
    )


def test_nothing_that_fits_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "evenkeel.db"
    kept(path, ("switch_up", "stream", {"switch": "lb1"}))
    assert shown(capsys, path, Asked(switch="lb2")) == (
        *(codes.Timeline.NOTHING, "", "no such events among the 1 in the log\n"),
    )


def test_a_file_of_an_earlier_version_has_no_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "evenkeel.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE value (name TEXT PRIMARY KEY, data BLOB NOT NULL)")
    db.commit()
    db.close()
    assert shown(capsys, path) == (codes.Timeline.NOTHING, "", "no such events among the 0 in the log\n")


@pytest.mark.parametrize(
    ("where", "asked", "why"),
    [
        (Where(Path("/none.db")), Asked(), "/none.db: No such file or directory; give the --state of a controller"),
        (Where(Path("/none.db")), Asked(since="soon"), "--since soon: write a number and s, m, h or d, such as 10m"),
        (Where(Path("/none.db"), "etcd://nowhere"), Asked(), "etcd://nowhere: is no address of etcd with a prefix"),
        (
            Where(Path("/none.db"), "etcd://127.0.0.1:1/x", ca=Path("ca.pem")),
            Asked(),
            "--store-cert, --store-key: missing; TLS needs all of --store-ca, --store-cert, --store-key",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line(
    where: Where, asked: Asked, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert timeline(where, asked) == codes.Timeline.BAD_INPUT
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(why)
    assert said.err.count("\n") == 1


def test_a_file_that_is_no_store_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "evenkeel.db"
    path.write_bytes(b"not a database" * 500)
    code, out, err = shown(capsys, path)
    assert (code, out, err.count("\n")) == (codes.Timeline.BAD_INPUT, "", 1)
    assert err.startswith(f"{path}: cannot be read: file is not a database")
    path.write_bytes(b"")
    assert shown(capsys, path) == (2, "", f"{path}: is empty, so what it held is lost\n")
