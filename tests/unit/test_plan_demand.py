"""An intent that needs more numbers than there are is refused as a whole, with how many and what frees them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from controller.cli import run as cli
from controller.core.controller import Controller, open_file
from controller.core.journal import Journal
from controller.model.load import load_intent
from controller.plan import ids as numbers_module
from controller.plan.demand import WORDS, demand, highest, shortages
from controller.plan.ids import Numbers, Space
from controller.sites.store import SqliteStore
from controller.spec.types import (
    Guard,
    Intent,
    Listener,
    Mode,
    Pool,
    PrefixRate,
    Protocol,
    Role,
    Site,
    Switch,
    Vip,
)
from flows.tables import MOST_GUARDS, MOST_VIPS
from topo import intent, model
from topo.plan import plan

NOW = 1000.0


def write(path: Path, name: str = "pair") -> Path:
    path.write_text(intent.dump(intent.intent(plan(model.load(name)))))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "intent.yaml")


def test_every_space_is_asked_for_but_the_one_that_no_intent_decides(file: Path) -> None:
    assert set(demand(load_intent(file))) == set(Space) - {Space.GROUP}
    assert set(WORDS) == set(Space)


@pytest.mark.parametrize("space", sorted(set(Space) - {Space.GROUP}))
def test_each_space_that_is_full_is_named_with_what_is_needed_free_and_resting(
    file: Path, space: Space
) -> None:
    wanted = load_intent(file)
    new = len(demand(wanted)[space]) or 1
    numbers = Numbers()
    limit = highest(wanted, space) or numbers_module.LIMIT
    used = limit - 10
    numbers.given[space] = {f"old{n}": n for n in range(1, used + 1)}
    numbers.resting[space] = {used + n: NOW + 60.0 * n for n in range(1, 11)}
    found = shortages(wanted, numbers, NOW)
    if not demand(wanted)[space]:
        assert found == []
        return
    assert len(found) == 1
    assert f"numbers for {WORDS[space]}: {new} new ones are needed and 0 are free" in found[0]
    assert f"({used} in use, 10 resting, the next for 60 s, {limit} in all)" in found[0]


def test_what_has_its_number_needs_none_and_what_has_rested_is_free(file: Path) -> None:
    wanted = load_intent(file)
    names = sorted(demand(wanted)[Space.BACKEND])
    numbers = Numbers()
    numbers.given[Space.BACKEND] = {f"old{n}": n for n in range(len(names), numbers_module.LIMIT + 1)}
    numbers.given[Space.BACKEND][names[0]] = 1
    numbers.resting[Space.BACKEND] = dict.fromkeys(range(2, len(names)), NOW)
    assert len(shortages(wanted, numbers, NOW - 1)) == 1
    assert len(shortages(wanted, numbers, NOW)) == 1, "one is missing"
    numbers.keep_only(Space.BACKEND, set(numbers.given[Space.BACKEND]) - {"old99"}, NOW)
    assert shortages(wanted, numbers, NOW) == []
    for name in names:
        numbers.of(Space.BACKEND, name, NOW)


def test_numbers_of_vips_end_where_the_conntrack_zones_of_an_open_vswitch_do(file: Path) -> None:
    """Also while the VIPs that were removed rest: as many new ones would get numbers beyond."""
    wanted = load_intent(file)
    numbers = Numbers()
    numbers.resting[Space.VIP] = dict.fromkeys(range(1, MOST_VIPS - 2), NOW + 60.0)
    found = shortages(wanted, numbers, NOW)
    assert len(found) == 1
    assert "numbers for VIPs: 8 new ones are needed and 3 are free" in found[0]
    assert shortages(wanted, numbers, NOW + 60.0) == []
    p4 = tuple(replace(s, kind="embedded", p4runtime="192.0.2.1:9559") for s in wanted.switches)
    assert shortages(replace(wanted, switches=p4), numbers, NOW) == []


def test_meters_leave_no_id_that_is_not_ours_however_often_guards_are_replaced() -> None:
    """Numbers of meters rest when their guards are replaced: the ids go on, and are 10,000."""
    numbers = Numbers()
    for turn in range(3):
        wanted = guarded(f"10.{turn}")
        found = shortages(wanted, numbers, NOW)
        if turn == 2:
            assert len(found) == 1
            assert (
                f"{WORDS[Space.METER]}: 3600 new ones are needed and {MOST_GUARDS - 7200} are free"
                in found[0]
            )
            assert shortages(wanted, numbers, NOW + 60.0) == []
            return
        assert found == []
        for name in sorted(demand(wanted)[Space.METER]):
            numbers.of(Space.METER, name, NOW)
        numbers.keep_only(Space.METER, (), NOW + 60.0)


def guarded(first: str) -> Intent:
    """One Open vSwitch and 3,600 guarded prefixes."""
    prefixes = tuple(PrefixRate(ip_network(f"{first}.{n >> 4}.{(n & 15) << 4}/28"), 5) for n in range(3600))
    item = Listener("v", Protocol.TCP, 80, "p", Mode.DR, 80, guard=Guard(None, prefixes))
    vip = Vip("v", ip_address("10.0.0.100"), "02:45:56:00:01:01", ("east",), (item,))
    lb1 = Switch("lb1", "ovs", 1, "east", frozenset({Role.LB}), "02:45:56:01:00:21")
    return Intent((Site("east"),), (lb1,), (Pool("p", ()),), (vip,))


def test_a_change_that_needs_too_many_leaves_all_as_it_was(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controller goes on with the old intent, and takes a later one that fits."""
    said: list[tuple[str, dict[str, object]]] = []
    store = SqliteStore(tmp_path / "state.db")
    journal = Journal()
    monkeypatch.setattr(journal, "event", lambda name, **fields: said.append((name, fields)))
    core = Controller(open_file(file), store, journal, lambda: NOW)
    core.state.step(NOW)
    given = core.state.numbers.given[Space.BACKEND]
    given.update({f"old{n}": n for n in range(len(given) + 1, numbers_module.LIMIT + 1)})
    before = (core.state.intent, json.loads(core.state.numbers.dump()), dict(core.state.pools))
    taken: list[object] = []
    monkeypatch.setattr(core, "_take_intent", taken.append)
    monkeypatch.setattr("controller.core.controller.POLL", 0.01)
    good = file.read_text()

    async def body() -> None:
        watching = asyncio.create_task(core._watch_file())
        file.write_text(good.replace("s3", "s9"))
        while not said:
            await asyncio.sleep(0.01)
        assert (core.state.intent, json.loads(core.state.numbers.dump()), dict(core.state.pools)) == before
        file.write_text(good + "\n")
        while len(said) < 2:
            await asyncio.sleep(0.01)
        watching.cancel()

    asyncio.run(asyncio.wait_for(body(), 30))
    (first, refused), (second, _) = said
    assert (first, second) == ("intent_refused", "intent_accepted")
    assert "numbers for backends: 1 new ones are needed and 0 are free" in str(refused["errors"])
    assert len(taken) == 1
    store.close()


def test_a_controller_does_not_start_with_an_intent_that_needs_too_many(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(numbers_module, "LIMIT", 2)
    assert cli.run(file, tmp_path / "state.db", "127.0.0.1:1") == 2
    assert f"{file}: numbers for backends: 3 new ones are needed and 2 are free" in capsys.readouterr().err


def test_groups_of_a_switch_that_is_no_more_give_their_numbers_back(file: Path, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    core = Controller(open_file(file), store, Journal(), lambda: NOW)
    numbers = core.state.numbers
    kept, gone = "lb1 1,2 by 1", "lb7 1,2"
    for name in (kept, gone):
        numbers.of(Space.GROUP, name, NOW)
    core.state.step(NOW)
    assert set(numbers.given[Space.GROUP]) == {kept}
    assert set(numbers.resting[Space.GROUP]) == {2}
    store.close()
