"""Everything about a tier changes under load, and no request fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.tier import free_port, in_loop, needs_haproxy, rig, servers, until
from tests.fakes.tierload import STEPS, Changer, Load

pytestmark = needs_haproxy


async def everything(folder: Path, seconds: float, clients: int, seed: int) -> None:
    port = free_port()
    async with servers("m1", "m2", "m3", "t1", "t2", "t3") as them, rig(folder) as made:
        changer = Changer(made, port, them[:3], them[3:], seed)
        changer.put()
        made.run()
        await until(made.config().exists, "the file")
        made.start()
        await made.ready()
        load = Load([port], clients)
        await changer.run(seconds)
        await load.end()
        print(f"{load.total} requests, {len(load.failures)} failed; changes: {dict(changer.done)}")
        print(f"{len(made.said('tier_reloaded'))} reloads, {len(made.said('tier_changed'))} by commands")
        assert not load.failures
        assert set(changer.done) == set(STEPS)
        assert load.total > 100
        assert set(load.answers) == {each.name for each in them}
        assert len(made.said("tier_reloaded")) > 4
        assert len(made.said("tier_changed")) > 1


@in_loop
async def test_no_request_fails_while_everything_changes(tmp_path: Path) -> None:
    await everything(tmp_path, 8.0, 8, 1)


@pytest.mark.long
@pytest.mark.parametrize("seed", [2, 3])
def test_no_request_fails_while_everything_changes_for_a_minute(tmp_path: Path, seed: int) -> None:
    in_loop(everything)(tmp_path, 60.0, 16, seed)
