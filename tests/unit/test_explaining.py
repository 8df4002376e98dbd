"""Explain: by the oracle and by what each switch holds; what differs is said."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from controller.api.answers import explanation
from controller.api.listening import Where
from controller.api.parts import parts_of
from controller.api.server import ApiServer
from controller.client import AsyncClient, Tls
from controller.core.explaining import UnknownSwitch
from controller.explain import Explanation, listener_of, pin_key
from controller.security.certificates import Role
from controller.security.credentials import Credentials, Paths
from controller.spec.codec import encode
from controller.spec.policy import Amount, Budget
from controller.spec.slots import SlotTable
from controller.spec.types import Intent, Protocol
from controller.tuples import packet_of
from tests.edits.generator import beginning
from tests.fakes.certificates import Authority
from tests.fakes.core import Whole, intent_file, play, until, whole
from tests.fakes.targets import Held, HeldFlows, connect, converged, unasked

CLIENT, VIP = "192.0.2.7:40000", "10.0.0.100:80"
PACKET = packet_of(CLIENT, VIP)
Story = Callable[[Whole, dict[str, Held]], Awaitable[None]]


def run(tmp_path: Path, kind: str, story: Story) -> None:
    """Tell a story of a controller whose switches hold their plans."""
    address = None if kind == "ovs" else "127.0.0.1:1"
    wanted: Intent = beginning(Random(1))
    switches = tuple(replace(each, kind=kind, p4runtime=address) for each in wanted.switches)
    file = intent_file(tmp_path / "intent.yaml")
    file.intent = replace(wanted, switches=switches)
    core = whole(file)
    unasked(core.app.fleet)

    async def told() -> None:
        drivers = {s.name: connect(core.app, s) for s in core.app.state.intent.value.switches}
        core.app.pools.step()
        await settled(core)
        await until(lambda: len(core.app.presence.admitted) == 3)
        await settled(core)
        await story(core, drivers)

    play(told, core.app.state.run, core.app.fleet.run)


async def settled(core: Whole) -> None:
    await core.app.state.commit()
    await until(lambda: converged(core.app))


async def explained(core: Whole, switch: str | None = None) -> Explanation:
    return await core.app.explaining.explain(PACKET, flags=False, switch=switch)


def drained(intent: Intent, name: str) -> Intent:
    pools = (
        replace(p, backends=tuple(replace(b, drain=b.name == name) for b in p.backends)) for p in intent.pools
    )
    return replace(intent, pools=tuple(pools))


@pytest.mark.parametrize("kind", ["ovs", "embedded"])
def test_switches_that_hold_their_plans_agree_with_the_oracle(tmp_path: Path, kind: str) -> None:
    async def story(core: Whole, _: dict[str, Held]) -> None:
        before = await explained(core)
        assert before.differences == ()
        assert [each.switch for each in before.switches] == ["lb1", "lb2", "lb3"]
        (goes,) = {each.backend for switch in before.switches for each in switch.decisions}
        assert goes is not None
        assert {row.state for switch in before.switches for row in switch.checked or ()} == {"as planned"}
        core.app.intents.propose(drained(core.app.state.intent.value, goes))
        await settled(core)
        moved = await explained(core)
        assert moved.differences == ()
        for switch in moved.switches:
            new, old = switch.decisions
            assert (switch.tracked, switch.base, old.backend) == (True, goes, goes)
            assert new.backend == switch.now != goes
            assert {hop.backend: hop.fate for hop in switch.hops} == {goes: "drain", switch.now: "normal"}
        assert moved.table == before.table + 1

    run(tmp_path, kind, story)


@pytest.mark.parametrize("kind", ["ovs", "embedded"])
def test_a_slot_that_a_switch_lacks_is_a_difference(tmp_path: Path, kind: str) -> None:
    async def story(core: Whole, drivers: dict[str, Held]) -> None:
        slot = (await explained(core)).switches[0].slot
        assert slot is not None
        holds = drivers["lb2"].holds
        found = listener_of(core.world.intent, PACKET)
        assert found is not None
        number = core.world.ids.id("pool", core.world.state_key(found[1]))  # type: ignore[arg-type]
        table = holds.slots[number]
        now = table.now.copy()
        now[slot] = 0
        spoilt = replace(holds, slots={**holds.slots, number: SlotTable(now, table.before)})
        drivers["lb2"].holds = spoilt
        made = await explained(core)
        (difference,) = made.differences
        assert difference.startswith("switch lb2: slot missing: ")
        assert (await explained(core, "lb1")).differences == ()

    run(tmp_path, kind, story)


@pytest.mark.parametrize("kind", ["ovs", "embedded"])
def test_a_pin_outranks_the_slot_and_is_looked_for_on_every_switch(tmp_path: Path, kind: str) -> None:
    async def story(core: Whole, drivers: dict[str, Held]) -> None:
        found = listener_of(core.world.intent, PACKET)
        assert found is not None
        state = core.world.state_of(found[1])
        now = (await explained(core)).switches[0].now
        other = next(member for member in state.members if member.backend.name != now)
        core.app.pinning.exception("lb1", pin_key(core.world, found[1], PACKET), Protocol.TCP, other.id)
        await until(lambda: all(t.pins_version == core.app.pinning.version for t in core.app.fleet))
        made = await explained(core)
        assert made.differences == ()
        for switch in made.switches:
            new, old = switch.decisions
            assert (switch.pin, switch.reporter, old.backend, old.by) == (
                other.backend.name,
                "lb1",
                switch.pin,
                "pin",
            )
            assert new.backend == now, "a SYN retracts the pin"
            assert "pin" in {row.what for row in switch.checked or ()}
        assert isinstance(drivers["lb3"], HeldFlows) == (kind == "ovs")

    run(tmp_path, kind, story)


@pytest.mark.parametrize("kind", ["ovs", "embedded"])
def test_over_the_network_it_is_the_same_with_what_switches_hold_now(tmp_path: Path, kind: str) -> None:
    async def story(core: Whole, drivers: dict[str, Held]) -> None:
        authority = Authority(tmp_path / "pki")
        own, eve = (
            authority.sign("api", "127.0.0.1", role=Role.SERVER),
            authority.sign("eve", role=Role.VIEWER),
        )
        where = Where(tmp_path / "api.sock", "127.0.0.1:0", Credentials(Paths(own.cert, own.key, own.ca)))
        server = ApiServer(where, core.app.journal, core.app.clock)
        await server.start()
        serving = asyncio.create_task(server.serve(parts_of(core.app)))
        try:
            async with AsyncClient(f"127.0.0.1:{server.port}", Tls(eve.ca, eve.cert, eve.key)) as client:
                made = explanation(await client.explain(CLIENT, VIP))
                assert made == encode(await explained(core))
                rows = [row for switch in made["switches"] for row in switch["checked"]]
                assert {row["state"] for row in rows} == {"as planned"}
                drivers["lb2"].holds = replace(drivers["lb2"].holds, slots={})
                (difference,) = (await client.explain(CLIENT, VIP)).differences
                assert difference.startswith("switch lb2: slot missing: ")
        finally:
            serving.cancel()
            await asyncio.wait([serving])
            await server.stop()

    run(tmp_path, kind, story)


def test_a_switch_that_is_away_is_said_and_one_that_is_unknown_refused(tmp_path: Path) -> None:
    async def story(core: Whole, _: dict[str, Held]) -> None:
        gone = core.world.intent.switch_named("lb3")
        assert gone is not None
        core.app.fleet.disconnect(gone.id)
        made = await explained(core)
        assert [each.connected for each in made.switches] == [True, True, False]
        assert made.switches[2].checked is None
        with pytest.raises(UnknownSwitch, match="those that do: lb1, lb2, lb3"):
            await explained(core, "edge1")
        nothing = await core.app.explaining.explain(packet_of(CLIENT, "10.0.0.99:80"), flags=False)
        assert (nothing.listener, nothing.differences) == (None, ())

    run(tmp_path, "ovs", story)


def test_a_budget_is_no_reason_to_differ(tmp_path: Path) -> None:
    async def story(core: Whole, _: dict[str, Held]) -> None:
        now = core.app.state.intent.value
        pools = tuple(replace(pool, budget=Budget(Amount(1.0))) for pool in now.pools)
        assert core.app.intents.propose(replace(now, pools=pools)) == []
        await settled(core)
        assert (await explained(core)).differences == ()

    run(tmp_path, "embedded", story)
