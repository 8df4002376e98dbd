"""From what a HAProxy has to what it should: one end from every beginning, and no server with sessions is deleted."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.exits.tier.diff import Commands, Reload, diff
from controller.exits.tier.drains import Drains
from controller.exits.tier.parse import ServerHas
from controller.exits.tier.render import render
from controller.exits.tier.wanted import Marks, Wanted
from controller.spec import tier as t
from tests.examples import examples
from tests.fakes.tierplans import SERVERS, Worker, tiers

LOOKS = 8
FEW = settings(max_examples=examples(12, 400))


def wanted_of(tier: t.Tier, marks: Marks = Marks()) -> Wanted:  # noqa: B008
    return render(tier, tier.instances[0], [ip_address("10.9.0.1")], marks)


def plain(tier: t.Tier, servers: tuple[t.TierServer, ...]) -> t.Tier:
    """With these servers in a pool that can change without a reload."""
    some = tuple(replace(each, backup=False) for each in servers)
    pools = tuple(
        replace(each, servers=some, sticky=None) if each.name == "web" else each for each in tier.pools
    )
    return replace(tier, pools=pools)


def brought(worker: Worker, wanted: Wanted) -> Commands:
    """Looks until nothing is said; what is left then."""
    for _ in range(LOOKS):
        found = diff(wanted, worker.has)
        assert isinstance(found, Commands), found
        if not found.lines and not found.last:
            return found
        for line in (*found.lines, *found.last):
            worker.take(line)
    raise AssertionError("it does not come to rest")


@FEW
@given(tiers(), SERVERS, SERVERS, st.booleans())
def test_commands_lead_from_any_servers_to_any_others(
    tier: t.Tier, before: tuple[t.TierServer, ...], after: tuple[t.TierServer, ...], leaving: bool
) -> None:
    worker = Worker.of(wanted_of(plain(tier, before)))
    wanted = wanted_of(plain(tier, after), Marks(leaving))
    brought(worker, wanted)
    assert worker.servers == Worker.of(wanted).servers


@FEW
@given(tiers(), SERVERS, st.data())
def test_a_server_that_leaves_takes_nothing_and_stays_until_its_sessions_end(
    tier: t.Tier, before: tuple[t.TierServer, ...], data: st.DataObject
) -> None:
    before = tuple(replace(each, weight=max(1, each.weight), drain=False) for each in before)
    worker = Worker.of(wanted_of(plain(tier, before)))
    busy = data.draw(st.lists(st.sampled_from(before), unique=True)) if before else []
    worker.sessions = {("web", each.name): 2 for each in busy}
    wanted = wanted_of(plain(tier, ()))
    left = brought(worker, wanted)
    assert set(left.waits) == set(worker.sessions)
    assert {ref: each.weight for ref, each in worker.servers.items() if ref[0] == "web"} == dict.fromkeys(
        worker.sessions, 0
    )
    worker.sessions.clear()
    assert brought(worker, wanted).waits == ()
    assert worker.servers == Worker.of(wanted).servers


@FEW
@given(tiers(), st.data())
def test_what_anyone_did_at_run_time_is_put_right(tier: t.Tier, data: st.DataObject) -> None:
    wanted = wanted_of(tier)
    worker = Worker.of(wanted)
    for ref in worker.servers:
        port, weight = data.draw(st.integers(1, 65535)), data.draw(st.integers(0, 256))
        worker.servers[ref] = ServerHas(
            "192.0.2.1",
            port,
            weight,
            maint := data.draw(st.booleans()),
            not maint and data.draw(st.booleans()),
        )
    brought(worker, wanted)
    assert worker.servers == Worker.of(wanted).servers


def test_another_file_or_other_servers_of_a_fixed_pool_take_a_reload() -> None:
    server = t.TierServer("s1", ip_address("10.1.0.11"), 80)
    pool = t.TierPool("web", (server,), sticky=t.Sticky("SRV"))
    tier = t.Tier(
        "web", (t.Instance("h", "unix:/m", "/c"),), (t.Frontend("http", (t.Bind(80),), pool="web"),), (pool,)
    )
    wanted = wanted_of(tier)
    worker = Worker.of(wanted)
    assert diff(wanted, worker.has) == Commands()
    assert diff(wanted, replace(worker.has, digest="")) == Reload("it was not made of a file of ours")
    assert diff(wanted, replace(worker.has, digest="other")) == Reload("it was made of another configuration")
    del worker.servers["web", "s1"]
    assert diff(wanted, worker.has) == Reload("pool web has other servers, which takes a reload there")


def test_weights_that_an_agent_of_the_server_sets_are_its_own() -> None:
    server = t.TierServer("s1", ip_address("10.1.0.11"), 80, weight=10)
    pool = t.TierPool("web", (server,), raw_server=("agent-check agent-port 9999",))
    tier = t.Tier(
        "web", (t.Instance("h", "unix:/m", "/c"),), (t.Frontend("http", (t.Bind(80),), pool="web"),), (pool,)
    )
    worker = Worker.of(wanted_of(tier))
    worker.take("set server web/s1 weight 3")
    assert diff(wanted_of(tier), worker.has) == Commands()


def test_a_draining_server_of_a_sticky_pool_is_retired_when_its_time_is_over() -> None:
    server = t.TierServer("s1", ip_address("10.1.0.11"), 80, drain=True)
    pool = t.TierPool("web", (server,), sticky=t.Sticky("SRV"), drain_timeout=30.0)
    tier = t.Tier("web", (), (), (pool,))
    drains = Drains()
    assert drains.follow(tier, 100.0) == frozenset()
    assert drains.deadline(tier) == 130.0
    assert drains.follow(tier, 129.0) == frozenset()
    assert drains.follow(tier, 130.0) == {("web", "s1")}
    assert drains.deadline(tier) is None
    back = replace(tier, pools=(replace(pool, servers=(replace(server, drain=False),)),))
    assert drains.follow(back, 131.0) == frozenset()
    assert drains.follow(tier, 140.0) == frozenset(), "the time begins again"


def test_a_controller_that_starts_again_knows_who_had_their_time() -> None:
    server = t.TierServer("s1", ip_address("10.1.0.11"), 80, drain=True)
    tier = t.Tier("web", (), (), (t.TierPool("web", (server,), sticky=t.Sticky("SRV")),))
    drains = Drains()
    drains.found(tier, {("web", "s1"): ServerHas("10.1.0.11", 80, 0, True, False)})
    assert drains.follow(tier, 5.0) == {("web", "s1")}
