"""What an agent reads from the store is what the controller that leads has stored; and what the leader reads of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from controller.agent.facts import NAMES, Facts, facts_of
from controller.agent.following import FollowingFacts
from controller.core.agentview import AgentView, agents_refused
from controller.core.cells import Cell
from controller.core.telling import CONFLICTS, UNSYNCED
from controller.plan.tables import Tables
from controller.sites.base import ABSENT, Guard
from controller.sites.leasestate import Record
from controller.spec.agents import Agent
from controller.spec.types import Intent, Role
from tests.fakes.core import intent_file, journal, loaded, play, until, whole
from tests.fakes.stores import MemoryStore


def by_agents(intent: Intent) -> Intent:
    """The same with an agent at each site."""
    sites = (
        replace(site, agents=(Agent(f"{site.name}-a", (f"127.0.0.1:{n}",)),))
        for n, site in enumerate(intent.sites, start=7654)
    )
    return replace(intent, sites=tuple(sites))


def stored(path: Path) -> dict[str, bytes]:
    made = whole(intent_file(path / "intent.yaml", "two-site-small", "ovs"))
    return made.store.loaded().data()


def test_facts_are_what_was_committed(tmp_path: Path) -> None:
    values = stored(tmp_path)
    facts = facts_of({name: values[name] for name in NAMES})
    assert facts.intent == loaded("two-site-small", "ovs")
    assert set(facts.numbers) == {vip.name for vip in facts.intent.vips}
    assert [each.name for each in facts.switches("west", Role.EDGE)] == ["edgew"]
    assert facts_of({}) == Facts()


def test_an_agent_finds_its_site_by_its_name() -> None:
    facts = Facts(by_agents(loaded("two-site-small")))
    assert facts.site_of("west-a") == "west"
    assert facts.site_of("other") is None
    assert facts.names_of("east") == ("east-a",)


@pytest.mark.parametrize("name", ["intent", "ids", "orders", "retained"])
def test_what_is_damaged_is_said_and_what_was_read_before_counts(tmp_path: Path, name: str) -> None:
    store, seen = MemoryStore(), list[Facts]()
    written, said = journal()
    following = FollowingFacts(store, written, seen.append)
    values = stored(tmp_path)

    async def body() -> None:
        await store.commit(values)
        await until(lambda: seen and seen[-1].intent.vips)
        count = len(seen)
        await store.commit({name: b"{"})
        await until(lambda: following.problem)
        assert "the stored intent cannot be read" in said.of("facts_refused")[0]["why"]
        assert len(seen) == count
        await store.commit({name: values[name]})
        await until(lambda: len(seen) == count + 1 and not following.problem)

    play(body, following.run)


def record(site: str, released: bool = False) -> bytes:
    return Record(site, f"{site}-a", "life", 1, 1, 0.8, (), released).encode()


def test_the_leader_shows_who_owns_vips_by_their_leases_and_tells_what_is_not_safe() -> None:
    intent = by_agents(loaded("two-site-small"))
    store, cell = MemoryStore(), Cell("intent", intent)
    view = AgentView(store.registers, cell, Cell("tables", Tables()), journal()[0])
    changes: list[int] = []
    view.on_change = lambda: changes.append(1)
    view.unsynced = lambda site: {"east": 0, "west": 3}[site]
    view.conflicts = lambda: {"shop": 7}
    key = f"owner/{intent.vips[0].mac}"
    others = [vip.name for vip in intent.vips if vip.mac == intent.vips[0].mac]

    async def body() -> None:
        first = await store.registers.commit({key: record("west")}, Guard(keys={key: ABSENT}))
        await until(lambda: view.owners() == dict.fromkeys(others, "west"))
        second = await store.registers.commit({key: record("west", released=True)}, Guard(keys={key: first}))
        await until(lambda: not view.owners(), "a released group has no owner")
        await store.registers.commit({key: b"damaged"}, Guard(keys={key: second}))
        assert not view.owners()
        assert changes
        async with asyncio.timeout(20):
            while not {UNSYNCED, CONFLICTS} <= (values := (await store.registers.load()).values).keys():
                await asyncio.sleep(0.02)
        assert json.loads(values[UNSYNCED].data) == {"east": 0, "west": 3}
        assert json.loads(values[CONFLICTS].data) == {"shop": 7}

    play(body, view.run)


def test_agents_need_a_shared_store_and_are_not_taken_away_while_they_own() -> None:
    before = loaded("two-site-small")
    after = by_agents(before)
    (why,) = agents_refused(False)(before, after)
    assert "run --store etcd://" in why
    assert not agents_refused(True)(before, after)
    (why,) = agents_refused(True)(after, before)
    assert "stop all agents" in why
    assert not agents_refused(True)(after, after)
