"""One part's failure ends or stops no other: the real controller process, with switches, disks and clocks that fail.

Each test is one row of what was found, and failed before it was mended.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.openflow import FakeSwitch
from tests.fakes.p4client import Client
from tests.fakes.p4switches import DEVICE, EmbeddedSwitch
from tests.fakes.process import PATIENCE, Running, quiet_intent

VIPS = 200
EDGE, LB1, LB2, LEAF = 0x11, 0x21, 0x22, 0x31
STRANGER = 0x99
CANNOT_START = 2
SOON = 2.0
"""Seconds; what is noticed at once takes a tenth of that."""


def _many_vips(document: Any) -> None:
    """So many more VIPs, each with one listener."""
    mac = document["vips"][0]["mac"]
    for number in range(VIPS):
        row = {"protocol": "tcp", "port": 80, "pool": "web", "mode": "dr"}
        vip = {"name": f"many{number}", "address": f"10.0.200.{number + 1}", "mac": mac, "listeners": [row]}
        document["vips"].append(vip)
    document["sites"][0]["subnets"][0]["prefixes"].append("10.0.200.0/24")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A controller of four switches and many VIPs; its switches are up to the tests."""
    with Running(tmp_path_factory.mktemp("running"), quiet_intent("pair", _many_vips)) as process:
        process.wait_event("started")
        yield process


@pytest.fixture
def switches(running: Running) -> Iterator[dict[str, FakeSwitch]]:
    """All four, synced."""
    made = {
        name: FakeSwitch(number, running.port)
        for name, number in (("edge1", EDGE), ("lb1", LB1), ("lb2", LB2), ("leaf1", LEAF))
    }
    for one in made.values():
        one.connect()
    try:
        running.wait(lambda: _synced(running, set(made)), "all synced")
        yield made
    finally:
        for one in made.values():
            one.hang_up()


def _synced(running: Running, names: set[str]) -> bool:
    status = running.status().get("switches", {})
    return all(status.get(name, {}).get("synced") for name in names)


def test_a_switch_may_go_away_while_its_vips_are_announced(
    running: Running, switches: dict[str, FakeSwitch]
) -> None:
    """FAULTS 6.1: the error of the send ended the controller."""
    edge = switches["edge1"]
    for _ in range(3):
        edge.packets_out.clear()
        edge.connect()
        running.wait(lambda: len(edge.packets_out) > 5, "announcements")
        edge.hang_up()
    edge.connect()
    running.wait(lambda: _synced(running, {"edge1"}), "it is back")
    assert not [event for event in running.events() if event["event"] == "failure"]


def test_a_switch_that_does_not_read_holds_up_no_other_ones_news(
    running: Running, switches: dict[str, FakeSwitch]
) -> None:
    """FAULTS 6.5: while one switch's socket was full, another one's death was noticed after 4.4 s."""
    switches["lb1"].listening.clear()
    text = running.intent.read_text(encoding="utf-8")
    running.intent.write_text(text.replace("weight: 2", "weight: 7"), encoding="utf-8")
    said = len(running.events())
    running.wait(
        lambda: [e for e in running.events()[said:] if e["event"] == "converged" and e["switch"] == "lb2"],
        "the other one has the new table",
    )
    began = time.monotonic()
    switches["leaf1"].hang_up()
    gone = running.wait(
        lambda: [
            e for e in running.events()[said:] if e["event"] == "switch_down" and e["switch"] == "leaf1"
        ],
        "noticed",
    )
    assert isinstance(gone, list)
    assert gone[0]["t"] - began < SOON


def test_a_switch_that_no_intent_names_is_said(running: Running) -> None:
    """FAULTS 7: an unknown datapath id was answered by nothing, anywhere."""
    stranger = FakeSwitch(STRANGER, running.port)
    stranger.connect()
    try:
        event = running.wait_event("stranger", id=f"{STRANGER:016x}")
        assert "no switch of the intent" in event["why"]
        running.wait(
            lambda: any(f"{STRANGER:016x}" in each for each in running.status()["strangers"]), "shown"
        )
    finally:
        stranger.hang_up()
    running.wait(lambda: not running.status()["strangers"], "no longer shown")


def test_two_switches_of_one_id_are_said(running: Running) -> None:
    """FAULTS 7: they took turns, up and synced every second, without a word."""
    twins = [FakeSwitch(LEAF, running.port) for _ in range(2)]
    try:
        said = len(running.events())

        def noticed() -> bool:
            for one in twins:
                one.connect()
            return any(event["event"] == "switch_twice" for event in running.events()[said:])

        running.wait(noticed, "said")
    finally:
        for one in twins:
            one.hang_up()


def test_a_hangup_signal_makes_it_look_at_its_file(running: Running) -> None:
    """FAULTS 6.2: it ended the controller."""
    said = len(running.events())
    text = running.intent.read_text(encoding="utf-8")
    running.intent.write_text(text.replace("name: many1\n", "name: other\n"), encoding="utf-8")
    running.process.send_signal(signal.SIGHUP)
    running.wait(lambda: [e for e in running.events()[said:] if e["event"] == "intent_accepted"], "accepted")
    assert running.process.poll() is None


# -- the journal -----------------------------------------------------------------------------------------------


def test_a_full_disk_under_the_journal_costs_lines_alone(tmp_path: Path) -> None:
    """FAULTS 6.2: the controller ended, and blamed ``--listen``."""
    with Path("/dev/full").open("wb") as full, Running(tmp_path, quiet_intent(), full) as process:
        process.wait(lambda: process.status().get("events_dropped"), "it serves, and counts what was lost")
        assert process.stop() == 0


def test_a_journal_that_is_not_read_holds_up_nothing(tmp_path: Path) -> None:
    """FAULTS 6.2: the event loop hung for good, and SIGTERM with it."""
    there, here = os.pipe()
    room = fcntl.fcntl(here, fcntl.F_SETPIPE_SZ, 4096)
    os.write(here, b" " * room)
    try:
        with Running(tmp_path, quiet_intent(), here) as process:
            switch = FakeSwitch(LEAF, process.port)
            process.wait(lambda: process.status().get("switches"), "it serves")
            switch.connect()
            process.wait(lambda: process.status()["switches"]["leaf1"]["synced"], "a switch is served")
            assert process.stop() == 0
            switch.hang_up()
    finally:
        os.close(there)
        os.close(here)


# -- the store -------------------------------------------------------------------------------------------------


def test_two_controllers_do_not_share_a_state_file(tmp_path: Path) -> None:
    """FAULTS 4.6: the older one wrote over what the newer one knew."""
    with Running(tmp_path, quiet_intent()) as first:
        first.wait_event("started")
        other = tmp_path / "other"
        other.mkdir()
        other.joinpath("state.db").symlink_to(first.state)
        with Running(other, quiet_intent()) as second:
            assert second.ended() == CANNOT_START
            assert len(second.errors) == 1
            assert "in use by another controller" in second.errors[0]
            assert str(first.process.pid) in second.errors[0]


def _garbage(path: Path) -> None:
    path.write_bytes(b"\x13" * 8192)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _half(path: Path) -> None:
    """A store whose intent was cut off."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE value (name TEXT PRIMARY KEY, data BLOB NOT NULL)")
        db.executemany("INSERT INTO value VALUES (?, ?)", [("format", b"2"), ("intent", b"[{")])
    db.close()


def _text(path: Path) -> None:
    """A store that another program wrote into."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE value (name TEXT PRIMARY KEY, data BLOB NOT NULL)")
        db.execute("INSERT INTO value VALUES ('format', '2')")
    db.close()


@pytest.mark.parametrize("damage", [_garbage, _empty, _half, _text])
def test_a_damaged_state_file_is_named_in_one_line(tmp_path: Path, damage: Any) -> None:
    """FAULTS 6.7: 52 lines of traceback without the file's name; an empty one was taken for a new one."""
    damage(tmp_path / "state.db")
    with Running(tmp_path, quiet_intent()) as process:
        assert process.ended() == CANNOT_START
        assert len(process.errors) == 1
        assert str(process.state) in process.errors[0]
        assert "--listen" not in process.errors[0]


# -- terms -----------------------------------------------------------------------------------------------------


def test_a_switch_that_knows_a_greater_term_is_outdone_in_a_few_claims(tmp_path: Path) -> None:
    """FAULTS 1.4: the term grew by one, 400 times a second; from a clock that was a year ahead, for 22 hours."""
    switch = EmbeddedSwitch(tmp_path)
    switch.start()
    ahead = int(time.time()) + 365 * 86_400

    def dialled(document: Any) -> None:
        document["switches"][0].update(id=DEVICE, p4runtime=switch.address)

    try:
        with Client(switch.address, device_id=DEVICE) as former:
            former.become_primary(ahead << 64)
        with Running(tmp_path, quiet_intent("single", dialled, "embedded")) as process:
            process.wait_event("switch_up", switch="sw1", timeout=PATIENCE)
            claims = [event for event in process.events() if event["event"] == "backup"]
            assert len(claims) <= 3
            assert process.status().get("term", ahead + 1) <= ahead + 3
    finally:
        switch.stop()
