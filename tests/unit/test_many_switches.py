"""What many switches and pools cost: who comes and goes steps no pool, and what is shown holds nothing up."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.app.showing import STATUS_PAUSE_FACTOR, STATUS_PERIOD, Showing
from controller.core import announce
from controller.core.announce import Announcer
from controller.core.cells import Cell
from controller.core.fleet import Fleet
from controller.core.shown import Snapshot
from controller.core.storedcells import Links
from controller.core.switchtask import SwitchTask
from controller.core.targets import Targets
from controller.plan import accept, p4needs, segments
from controller.plan import progress as rules
from controller.plan.duty import PlanInput, ports_towards, world_of
from controller.plan.ids import Space
from controller.plan.paths import cables
from controller.plan.pins import PinBook
from controller.plan.tables import Tables, Verdicts
from controller.spec.kinds import Protocol
from controller.spec.types import Intent, Listener, Port, Role, Site, Switch
from tests.fakes.core import PlainDriver, SetClock, Watching, intent_file, journal, play, until, whole


def test_who_goes_and_comes_steps_no_pool_and_gets_its_groups_their_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = whole(intent_file(tmp_path / "intent.yaml", "demo", "embedded"))
    advance, steps = rules.advance, []

    def counted(tables: Tables, intent: Intent, verdicts: Verdicts, now: float, *rest: Any) -> Tables:
        steps.append(now)
        return advance(tables, intent, verdicts, now, *rest)

    monkeypatch.setattr(rules, "advance", counted)
    state = core.app.state
    before = state.tables.value.ids.ids(Space.GROUP).keys()

    def names(dead: Links) -> set[str]:
        intent, tables = state.intent.value, state.tables.value
        return p4needs.group_names(world_of(intent, tables, PinBook(), frozenset(), {}, frozenset(), dead))

    ends = ((end.switch, end.port) for end in cables(state.intent.value))
    cut = next(frozenset({end}) for end in ends if names(frozenset({end})) - before)
    state.dead_links.put(cut)
    assert names(cut) <= state.tables.value.ids.ids(Space.GROUP).keys()
    number = next(s.id for s in state.intent.value.switches if s.name == "lb2")
    core.app.presence.set_absent(number)
    core.app.presence.set_present(number)
    assert not steps
    core.app.pools.step()
    assert len(steps) == 1


def test_ports_to_servers_are_those_of_each_server_asked_for_alone(tmp_path: Path) -> None:
    core = whole(intent_file(tmp_path / "intent.yaml", "demo", "embedded"))
    world = core.world
    reals = p4needs._Reals(world)
    p4 = [s for s in world.intent.switches if s.of_kind.protocol is Protocol.P4RUNTIME]
    members = {m.backend for state in world.pools.values() for m in state.members}
    found = {switch.name: reals.seen_from(switch) for switch in p4}
    for switch in p4:
        to = {port.to for port in switch.ports}
        ways = [[each if each in to else None for each in (real.at, real.name)] for real in members]
        assert found[switch.name] == {ports_towards(switch, *each) for each in ways}
    assert len({len(ports) for ports in found.values()}) > 1


def test_where_to_announce_is_found_once_until_the_intent_or_who_is_here_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mac = "02:45:56:01:00:01"
    edge = Switch("edge1", "bmv2", 1, "east", frozenset({Role.EDGE}), mac, (Port(2, "segment"),))
    intent = Intent((Site("east"),), (edge,), (), ())
    committed: Cell[PlanInput | None] = Cell("committed", None)

    def commit(intent: Intent, absent: frozenset[str] = frozenset()) -> None:
        committed.put(world_of(intent, Tables(), PinBook(), frozenset(), {}, absent))

    commit(intent)
    asked: list[frozenset[str]] = []
    looks = 0
    find = segments.announced_on

    def counted(of: Intent, switch: Switch, absent: frozenset[str]) -> list[int]:
        asked.append(absent)
        return find(of, switch, absent)

    monkeypatch.setattr(announce, "announced_on", counted)
    monkeypatch.setattr(announce, "LOOK", 0.001)
    targets = Targets(committed, PinBook())
    fleet = Fleet(targets, journal()[0], SetClock())
    announcer = Announcer(targets, fleet, SetClock())
    say = announcer._say

    def look(task: SwitchTask) -> None:
        nonlocal looks
        looks += 1
        say(task)

    monkeypatch.setattr(announcer, "_say", look)

    async def more() -> None:
        seen = looks
        await until(lambda: looks > seen + 3, "some looks more")

    async def body() -> None:
        fleet.connect(PlainDriver(edge), Watching()).synced = True
        await more()
        assert len(asked) == 1
        commit(intent)
        await more()
        assert len(asked) == 1
        commit(intent, frozenset({"edge2"}))
        await more()
        assert len(asked) == 2
        commit(replace(intent, sites=(Site("east"), Site("west"))), frozenset({"edge2"}))
        await more()
        assert len(asked) == 3

    play(body, fleet.run, announcer.run)


def test_what_is_shown_becomes_text_beside_the_loop_and_the_rarer_the_longer_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = whole(intent_file(tmp_path / "intent.yaml"))
    take, threads, pauses = core.app.snapshot, set(), []

    def slow() -> Snapshot:
        core.clock.time += 0.25
        return take()

    def text(shown: Snapshot) -> dict[str, object]:
        threads.add(threading.get_ident())
        return {"revision": shown.revision}

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(core.app, "snapshot", take)
    monkeypatch.setattr(Snapshot, "as_json", text)
    monkeypatch.setattr(asyncio, "sleep", pause)
    path = tmp_path / "status.json"

    async def show() -> None:
        with pytest.raises(asyncio.CancelledError):
            await Showing(lambda: core.app.snapshot(), core.app.journal, core.clock).run(path)

    asyncio.run(show())
    assert pauses == [STATUS_PERIOD] * 2
    monkeypatch.setattr(core.app, "snapshot", slow)
    pauses.clear()
    asyncio.run(show())
    assert pauses == [0.25 * STATUS_PAUSE_FACTOR] * 2
    assert threading.get_ident() not in threads
    assert threads
    assert json.loads(path.read_text()) == {"revision": 1}


def test_an_edit_looks_at_all_listeners_as_often_whatever_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listeners that stay where they are, and the ports of pools, are not looked for among all others."""
    core = whole(intent_file(tmp_path / "intent.yaml"))
    intent = core.app.state.intent.value
    pool = intent.pools[0]
    listed = Intent.listeners
    asked = 0

    def counted(of: Intent) -> tuple[Listener, ...]:
        nonlocal asked
        asked += 1
        return listed(of)

    class Bound(dict[str, str]):
        looked = 0

        def items(self) -> Any:
            Bound.looked += 1
            return super().items()

    monkeypatch.setattr(Intent, "listeners", counted)
    monkeypatch.setattr(accept, "dict", Bound, raising=False)
    counts = []
    for many in (1, 40):
        pools_ = tuple(replace(pool, name=f"{pool.name}{n}") for n in range(many))
        larger = replace(intent, pools=(*intent.pools, *pools_))
        items = listed(intent)
        spread = replace(
            larger,
            vips=tuple(
                replace(
                    vip, listeners=tuple(replace(items[0], vip=vip.name, port=80 + n) for n in range(many))
                )
                for vip in intent.vips
            ),
        )
        tables = rules.advance(Tables(), spread, {}, 0.0)
        asked = Bound.looked = 0
        made = accept.accept(tables, spread, replace(spread), 1.0)
        assert made.bound == tables.bound
        counts.append((asked, Bound.looked))
    assert counts[0] == counts[1]
