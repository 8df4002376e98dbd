"""An intent that needs more ids than there are is refused as a whole, with how many and what frees them."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from controller.cli import codes
from controller.cli import run as cli
from controller.cli.stores import Where
from controller.core import intents as intents_module
from controller.core.authority import leased
from controller.model.load import load_intent
from controller.model.reload import IntentFile
from controller.plan import ids as ids_module
from controller.plan.demand import demand
from controller.plan.ids import Allocated, IdAllocator, Quarantined, Space
from controller.plan.places import WORDS, highest, shortages
from controller.plan.progress import with_groups
from controller.plan.tables import Tables
from controller.spec.types import (
    Backend,
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
from tests.fakes.core import Leads, intent_file, play, text, until, whole
from tests.fakes.stores import MemoryStore

NOW = 1000.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "intent.yaml"
    path.write_text(text("pair"))
    return path


def test_every_space_is_asked_for_but_the_one_that_no_intent_decides(file: Path) -> None:
    assert set(demand(load_intent(file))) == set(Space) - {Space.GROUP}
    assert set(WORDS) == set(Space)


def test_the_same_intent_gives_the_same_ids_in_each_run() -> None:
    """In the order of the intent, or of names: strings of a set come in another order each time Python starts."""
    names = [f"pool{n}" for n in range(20)]
    pools = tuple(
        Pool(name, (Backend(f"{name}-s", (ip_address("10.1.0.1"),), None, "lb1"),)) for name in names
    )
    items = tuple(Listener("v", Protocol.TCP, 80 + n, name, Mode.DR, 80) for n, name in enumerate(names))
    vip = Vip("v", ip_address("10.0.0.100"), "02:45:56:00:01:01", ("east",), items)
    wanted = demand(Intent((Site("east"),), (), pools, (vip,)))
    assert list(wanted[Space.BACKEND]) == [f"{name}-s" for name in names]
    groups = with_groups(Tables(), set(names), NOW).ids.ids(Space.GROUP)
    assert list(groups) == sorted(names)
    assert list(groups.values()) == list(range(1, 21))


def full(space: Space, used: int, resting: int, memory: float = 20.0) -> IdAllocator:
    """``used`` ids in use, the next ``resting`` ones quarantined, each for a minute longer than the one before."""
    given = {f"old{n}": Allocated(n, memory) for n in range(1, used + 1)}
    waiting = {used + n: Quarantined(f"gone{n}", NOW + 60.0 * n, memory) for n in range(1, resting + 1)}
    return IdAllocator({space: given}, {space: waiting})


@pytest.mark.parametrize("space", sorted(set(Space) - {Space.GROUP}))
def test_each_space_that_is_full_is_named_with_what_is_needed_free_and_quarantined(
    file: Path, space: Space
) -> None:
    wanted = load_intent(file)
    new = len(demand(wanted)[space]) or 1
    limit = highest(wanted, space) or ids_module.LIMIT
    used = limit - 10
    found = shortages(wanted, full(space, used, 10), NOW)
    if not demand(wanted)[space]:
        assert found == []
        return
    assert len(found) == 1
    assert f"ids for {WORDS[space]}: {new} new ones are needed and 0 are free" in found[0]
    assert f"({used} in use, 10 quarantined, the next for 60 s, {limit} in all)" in found[0]


def test_what_has_its_id_or_would_have_it_again_needs_none_and_what_has_rested_is_free(file: Path) -> None:
    wanted = load_intent(file)
    names = sorted(demand(wanted)[Space.BACKEND])
    last = ids_module.LIMIT
    given = {f"old{n}": Allocated(n, 20.0) for n in range(len(names) + 1, last + 1)} | {
        names[0]: Allocated(1, 20.0)
    }
    resting = {n: Quarantined(f"gone{n}", NOW, 20.0) for n in range(2, len(names))}
    ids = IdAllocator({Space.BACKEND: given}, {Space.BACKEND: resting | {len(names): _rests(names[1])}})
    assert len(names) == 3
    assert len(shortages(wanted, ids, NOW - 1)) == 1
    assert shortages(wanted, ids, NOW) == []
    strange = IdAllocator({Space.BACKEND: given}, {Space.BACKEND: resting | {len(names): _rests("else")}})
    assert len(shortages(wanted, strange, NOW)) == 1, "one is missing"
    made = ids.step({Space.BACKEND: demand(wanted)[Space.BACKEND]}, NOW)
    assert made.id(Space.BACKEND, names[1]) == len(names)
    assert set(made.ids(Space.BACKEND)) == set(names)


def _rests(name: str) -> Quarantined:
    return Quarantined(name, NOW + 1e6, 20.0)


def test_ids_of_vips_end_where_the_conntrack_zones_of_an_open_vswitch_do(file: Path) -> None:
    """Also while the VIPs that were removed rest: as many new ones would get ids beyond."""
    wanted = load_intent(file)
    resting = {n: Quarantined(f"gone{n}", NOW + 60.0, 20.0) for n in range(1, MOST_VIPS - 2)}
    ids = IdAllocator({}, {Space.VIP: resting})
    found = shortages(wanted, ids, NOW)
    assert len(found) == 1
    assert "ids for VIPs: 8 new ones are needed and 3 are free" in found[0]
    assert shortages(wanted, ids, NOW + 60.0) == []
    p4 = tuple(replace(s, kind="embedded", p4runtime="192.0.2.1:9559") for s in wanted.switches)
    assert shortages(replace(wanted, switches=p4), ids, NOW) == []


def test_meters_leave_no_id_that_is_not_ours_however_often_guards_are_replaced() -> None:
    """No switch remembers a guard that is no more: its id is free at once, and there are 10,000."""
    ids = IdAllocator()
    for turn in range(5):
        wanted = guarded(f"10.{turn}")
        assert shortages(wanted, ids, NOW) == []
        ids = ids.step({Space.METER: demand(wanted)[Space.METER]}, NOW)
        assert max(ids.ids(Space.METER).values()) <= MOST_GUARDS


def test_meters_that_rest_are_not_given_to_others() -> None:
    resting = {n: Quarantined(f"gone{n}", NOW + 60.0, 20.0) for n in range(1, 7201)}
    ids = IdAllocator({}, {Space.METER: resting})
    found = shortages(guarded("10.9"), ids, NOW)
    assert len(found) == 1
    assert f"{WORDS[Space.METER]}: 3600 new ones are needed and {MOST_GUARDS - 7200} are free" in found[0]
    assert shortages(guarded("10.9"), ids, NOW + 60.0) == []


def guarded(first: str) -> Intent:
    """One Open vSwitch and 3,600 guarded prefixes."""
    prefixes = tuple(PrefixRate(ip_network(f"{first}.{n >> 4}.{(n & 15) << 4}/28"), 5) for n in range(3600))
    item = Listener("v", Protocol.TCP, 80, "p", Mode.DR, 80, guard=Guard(None, prefixes))
    vip = Vip("v", ip_address("10.0.0.100"), "02:45:56:00:01:01", ("east",), (item,))
    lb1 = Switch("lb1", "ovs", 1, "east", frozenset({Role.LB}), "02:45:56:01:00:21")
    return Intent((Site("east"),), (lb1,), (Pool("p", ()),), (vip,))


def test_a_change_that_needs_too_many_leaves_all_as_it_was(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controller goes on with the old intent, and takes a later one that fits."""
    monkeypatch.setattr(intents_module, "POLL", 0.01)
    watched = IntentFile(file, quiet=0.05)
    watched.poll()
    core = whole(watched)
    app, said = core.app, core.said
    monkeypatch.setattr(ids_module, "LIMIT", len(app.state.tables.value.ids.ids(Space.BACKEND)))
    said.rows.clear()
    before = (app.state.intent.value, app.state.tables.value)
    good = file.read_text()

    def digest() -> str:
        return sha256(file.read_bytes()).hexdigest()

    digests = list[str]()

    async def body() -> None:
        file.write_text(good.replace("s3", "s9"))
        digests.append(digest())
        await until(lambda: "intent_refused" in said.names(), "it is refused")
        assert app.state.intent.value is before[0]
        assert app.state.tables.value is before[1]
        assert app.intents.errors
        file.write_text(good + "\n")
        digests.append(digest())
        await until(lambda: "intent_accepted" in said.names(), "it is accepted")
        assert app.intents.errors == ()

    play(body, lambda: intents_module.follow_file(watched, app.intents, app.journal, app.reload))
    (first, refused), (second, accepted) = (row for row in said.pairs() if row[0].startswith("intent"))
    assert (first, second) == ("intent_refused", "intent_accepted")
    assert [refused["digest"], accepted["digest"]] == digests, "they name the text that they are about"
    assert "ids for backends: 1 new ones are needed and 0 are free" in str(refused["errors"])


def test_the_stored_intent_stays_in_force_where_the_file_of_a_new_leader_differs(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be older. An operator's word puts it in force, as an edit does."""
    monkeypatch.setattr(intents_module, "POLL", 0.01)
    watched = IntentFile(file, quiet=0.05)
    watched.poll()
    store = MemoryStore()
    first = whole(watched, store, lead=Leads())
    assert "intent_accepted" in first.said.names(), "nothing was stored"
    file.write_text(file.read_text().replace("s3", "s9"))
    other = IntentFile(file)
    other.poll()
    again = whole(other, store, lead=Leads())
    assert again.app.state.intent.value == first.app.state.intent.value
    (kept,) = again.said.of("intent_kept")
    assert again.app.intents.errors == (f"{file}: {kept['why']}",)
    assert whole(watched, store, lead=Leads()).said.of("intent_kept") == [], "it is the same"
    app = again.app

    async def body() -> None:
        app.reload.set()
        await until(lambda: "intent_accepted" in again.said.names(), "it is accepted")
        assert app.intents.errors == ()
        assert app.state.intent.value != first.app.state.intent.value

    play(body, lambda: intents_module.follow_file(other, app.intents, app.journal, app.reload))


def test_an_intent_that_was_stored_by_a_controller_alone_is_kept_as_a_leader_can_carry_it_out(
    tmp_path: Path,
) -> None:
    store = MemoryStore()
    alone = whole(intent_file(tmp_path / "old.yaml", "two-site-small"), store).app.state.intent.value
    assert {vip.authority for vip in alone.vips} == {Vip.authority}
    led = whole(intent_file(tmp_path / "new.yaml", "pair"), store, lead=Leads())
    assert led.said.of("intent_kept")
    assert led.app.state.intent.value == leased(alone) != alone


def test_a_controller_does_not_start_with_an_intent_that_needs_too_many(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ids_module, "LIMIT", 2)
    ended: list[int] = []
    monkeypatch.setattr(cli, "_end", ended.append)
    assert cli.run(file, Where(tmp_path / "state.db"), "127.0.0.1:1") == codes.Run.CANNOT_START
    assert ended == [codes.Run.CANNOT_START]
    assert f"{file}: ids for backends: 3 new ones are needed and 2 are free" in capsys.readouterr().err


def test_groups_of_a_switch_that_is_no_more_give_their_ids_back(tmp_path: Path) -> None:
    core = whole(intent_file(tmp_path / "intent.yaml", "demo", "embedded"))
    tables = core.app.state.tables
    before = tables.value.ids.ids(Space.GROUP)
    lb2 = {name: number for name, number in before.items() if name.startswith("lb2 ")}
    assert lb2
    old = core.app.state.intent.value
    rest = tuple(s for s in old.switches if s.name != "lb2")
    assert core.app.intents.propose(replace(old, switches=rest)) == []
    after = tables.value.ids
    assert not any(name.startswith("lb2 ") for name in after.ids(Space.GROUP))
    assert {number: after.quarantined[Space.GROUP][number].name for number in lb2.values()} == {
        number: name for name, number in lb2.items()
    }
