"""The driver against every P4Runtime server that is installed: writing, reading, refusals."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from controller.southbound.errors import SwitchGone, WriteRefused
from controller.spec.slots import SlotTable
from p4src.diff import diff
from p4src.target import Changes, EntryBody, EntryKey, P4Target, Rate
from tests.fakes.p4driven import MAC, driven, entries, target
from tests.fakes.p4switches import Startable, each_kind

switch = each_kind()


def test_what_is_written_is_read_back_equal(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch)
            assert (await session.read()).target == P4Target()
            await session.write(diff(P4Target(), target()))
            found = await session.read()
            assert found.target.entries == target().entries
            assert found.target == target()
            assert found.packets == {(1, 1): (0, 0), (1, 300): (0, 0)}
            assert found.sessions == {(1, 1): (0, 0), (1, 300): (0, 0)}
            assert found.drops == {}
            assert (await session.read()).target == target()

    asyncio.run(body())


def test_a_change_is_written_as_its_difference(switch: Startable) -> None:
    """Every table modified, deleted from and added to; slots that settle, move, come and go."""

    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch)
            await session.write(diff(P4Target(), target()))
            want = changed(target())
            changes = diff(target(), want)
            assert changes.added
            assert changes.modified
            assert changes.deleted
            await session.write(changes)
            assert (await session.read()).target == want
            bare = P4Target({}, want.configuration, want.limits, {})
            await session.write(diff(want, bare))
            assert (await session.read()).target == bare

    asyncio.run(body())


def changed(have: P4Target) -> P4Target:
    """Another target of the same size."""
    kept = dict(list(have.entries.items())[::2])
    guard = EntryKey("guard_source", (1, (0, 0)))
    kept[guard] = EntryBody("limit_source", (2,), meter=Rate(251, 8))
    kept[EntryKey("pin", (1, 1 << 127, 65535))] = EntryBody("pinned", (16383,), idle=1)
    kept[EntryKey("backend", (1, 1))] = EntryBody("nat4", (MAC, 2, 0xFFFFFFFF, 80, 1))
    old = have.slots[1]
    table = SlotTable(np.roll(old.now, 1), np.roll(old.before, 3))
    assert have.configuration is not None
    return P4Target(
        kept,
        have.configuration._replace(cells_mask=1023),
        {1: Rate(5, 5), 15: Rate(20000, 2000)},
        {1: table, 2: old},
    )


def test_a_large_pool_is_read_back_equal(switch: Startable) -> None:
    """More slots than a write holds, backends of both lengths, then all of them moving."""

    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch)
            rng = np.random.default_rng(3)
            first = SlotTable(rng.integers(1, 400, 16384).astype(np.uint16), np.zeros(16384, np.uint16))
            then = SlotTable(rng.permutation(first.now), first.now)
            have = P4Target()
            for table in (first, then):
                want = P4Target(slots={9: table})
                await session.write(diff(have, want))
                have = (await session.read()).target
                assert have == want

    asyncio.run(body())


def test_every_refused_entry_is_named_and_all_others_stand(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch)
            have = P4Target(slots={1: SlotTable(np.ones(16, np.uint16), np.zeros(16, np.uint16))})
            await session.write(diff(P4Target(), have))
            drain = EntryBody("drain")
            missing, fresh = EntryKey("fate", (1, 0x99)), EntryKey("fate", (1, 3))
            more = SlotTable(np.ones(20, np.uint16), np.zeros(20, np.uint16))
            changes = Changes(put=((missing, drain, False), (fresh, drain, True)), slots=((1, None, more),))
            with pytest.raises(WriteRefused) as refused:
                await session.write(changes)
            errors = refused.value.errors
            assert len(errors) == 17
            assert "NOT_FOUND" in errors[0]
            assert errors[0].endswith("for fate(0x1, 0x99)")
            assert {e.rpartition(" for ")[2] for e in errors[1:]} == {f"slot(0x1, {n:#x})" for n in range(16)}
            assert all("ALREADY_EXISTS" in error for error in errors[1:])
            found = (await session.read()).target
            assert set(found.entries) == {fresh}
            assert np.count_nonzero(found.slots[1].now) == 20

    asyncio.run(body())


def test_a_batch_refused_as_a_whole_names_every_entry(switch: Startable) -> None:
    """Thousands of errors in one answer."""

    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch)
            table = SlotTable(np.ones(4096, np.uint16), np.zeros(4096, np.uint16))
            await session.write(diff(P4Target(), P4Target(slots={1: table})))
            with pytest.raises(WriteRefused) as refused:
                await session.write(diff(P4Target(), P4Target(slots={1: table})))
            assert len(set(refused.value.errors)) == 4096

    asyncio.run(body())


def test_a_closed_session_says_that_its_switch_is_gone(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch)
            await it.driver.close()
            assert not session.alive
            for call in (
                session.read(),
                session.write(Changes()),
                session.clock(),
                session.authorize(1, 1.0),
            ):
                with pytest.raises(SwitchGone):
                    await call

    asyncio.run(body())


def test_meters_of_any_rate_are_read_back_as_written(switch: Startable) -> None:
    """BMv2 keeps rates as fractions: 249 becomes 248.99..."""

    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch)
            rates = [Rate(rate, 1 + rate // 3) for rate in (*range(2, 600), 978, 1001, 128_597, 264_204_100)]
            want = P4Target(
                {
                    EntryKey("guard_listener", (number,)): EntryBody("limit_listener", (number,), meter=rate)
                    for number, rate in enumerate(rates, 1)
                }
            )
            await session.write(diff(P4Target(), want))
            assert (await session.read()).target == want

    asyncio.run(body())


def test_pins_keep_their_idle_timeouts(switch: Startable) -> None:
    async def body() -> None:
        async with driven() as it:
            session = await it.session(switch)
            kept = {key: value for key, value in entries().items() if key.table == "pin"}
            times = (1, 15, 900, 86_400)
            kept |= {
                EntryKey("pin", (2, n, n)): EntryBody("pinned", (n,), idle=s) for n, s in enumerate(times, 1)
            }
            await session.write(diff(P4Target(), P4Target(kept)))
            found = (await session.read()).target
            assert found == P4Target(kept)
            longer = {key: replace_idle(value) for key, value in kept.items()}
            await session.write(diff(found, P4Target(longer)))
            assert (await session.read()).target == replace(found, entries=longer)

    asyncio.run(body())


def replace_idle(body: EntryBody) -> EntryBody:
    return body._replace(idle=2 * body.idle) if body.idle else body
