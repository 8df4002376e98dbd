"""Authority is renewed three times before it ends, also when an edit makes it shorter."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import cast

from controller.clock import SystemClock
from controller.core.authority import LEASED, Authority, leased
from controller.core.cells import Cell
from controller.core.fleet import Fleet
from controller.core.switchtask import SwitchTask
from controller.plan.duty import PlanInput
from tests.fakes.core import intent_file, whole


class Renewed:
    """A fleet that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[dict[int, float]] = []
        self.again = asyncio.Event()

    def renew(self, until: dict[int, float]) -> None:
        self.told.append(until)
        self.again.set()


class Still(SystemClock):
    """A clock that stands."""

    def now(self) -> float:
        return 100.0


def test_a_shorter_authority_is_renewed_at_once_and_not_when_the_longer_one_was_due(tmp_path: Path) -> None:
    core = whole(intent_file(tmp_path / "intent.yaml", "demo", "embedded"))
    world = core.world
    vips = tuple(replace(vip, authority=3600.0) for vip in world.intent.vips)
    cell: Cell[PlanInput | None] = Cell("committed", replace(world, intent=replace(world.intent, vips=vips)))

    async def play() -> list[dict[int, float]]:
        fleet = Renewed()
        task = asyncio.create_task(Authority(cell, cast(Fleet, fleet), Still()).run())
        await fleet.again.wait()
        fleet.again.clear()
        short = tuple(replace(vip, authority=3.0) for vip in vips)
        cell.put(replace(world, intent=replace(world.intent, vips=short)))
        await asyncio.wait_for(fleet.again.wait(), 5)
        task.cancel()
        return fleet.told

    first, second = asyncio.run(play())
    assert set(first.values()) == {3700.0}
    assert set(second.values()) == {103.0}


def test_a_switch_that_is_in_step_now_has_its_whole_authority_though_no_renewal_is_due(
    tmp_path: Path,
) -> None:
    core = whole(intent_file(tmp_path / "intent.yaml", "demo", "embedded"))
    asyncio.run(core.app.begin())
    core.clock.time += 9.0
    task = Renewed()
    core.app.authority.begin(cast(SwitchTask, task))
    (until,) = task.told
    authorities = {vip.authority for vip in core.world.intent.vips}
    assert set(until.values()) == {core.clock.time + each for each in authorities}


def test_what_several_sites_may_own_ends_with_the_lease_and_the_rest_does_not(tmp_path: Path) -> None:
    core = whole(intent_file(tmp_path / "intent.yaml", "demo", "embedded"))
    world = core.world
    first, *rest = (replace(vip, authority=5.0) for vip in world.intent.vips)
    assert rest
    vips = (replace(first, owners=("east", "west")), *rest)
    world = replace(world, intent=replace(world.intent, vips=vips))
    for lease, lasts in ((103.0, 103.0), (110.0, 105.0), (float("-inf"), float("-inf"))):
        cell: Cell[PlanInput | None] = Cell("committed", world)
        authority = Authority(cell, cast(Fleet, Renewed()), Still(), lambda lease=lease: lease)  # type: ignore[misc]
        until = authority.until(world)
        assert sorted(set(until.values())) == sorted({lasts, 105.0})
        assert authority.lasts(vips[0]) == (lease > 100.0)
        assert authority.lasts(vips[1])
        assert authority.granted(vips[0].name) == 105.0, "a flow runs in full"


def test_authorities_are_cut_to_what_a_lease_can_cover_where_several_sites_may_own_a_vip(
    tmp_path: Path,
) -> None:
    core = whole(intent_file(tmp_path / "intent.yaml", "demo", "embedded"))
    first, second, *_ = core.world.intent.vips
    intent = replace(core.world.intent, vips=(replace(first, owners=("east", "west")), second))
    assert [vip.authority for vip in leased(intent).vips] == [LEASED, second.authority]
