"""What a plan says is what the run then does: slots, entries and owners, over random edits on both kinds of switch."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from controller.app.offline import stored_preview
from controller.cli.plantext import text
from controller.core import previews
from controller.plan import spreads
from controller.plan.preview import Preview
from controller.sites.base import StoreError
from controller.spec.codec import encode
from controller.spec.types import Intent, Role
from tests.edits.generator import BACKUPS, EDITS, as_read, beginning
from tests.fakes.core import PATIENCE, Whole, intent_file, play, until, whole
from tests.fakes.stores import MemoryStore
from tests.fakes.targets import Held, Written, connect, converged, unasked

SEEDS = (4, 8, 18, 27)
"""Among them are two VIPs that swap names, and tables that settle meanwhile."""
STEPS = 6


def of_kind(intent: Intent, kind: str) -> Intent:
    """The generator's switches, of another kind."""
    address = None if kind == "ovs" else "127.0.0.1:1"
    switches = tuple(replace(switch, kind=kind, p4runtime=address) for switch in intent.switches)
    return replace(intent, switches=switches)


def unprobed(intent: Intent) -> Intent:
    """Without health checks: what probes will find is no part of a plan."""
    return replace(intent, pools=tuple(replace(pool, health=None) for pool in intent.pools))


@pytest.mark.parametrize("kind", ["ovs", "embedded"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_says_what_the_run_then_does(tmp_path: Path, seed: int, kind: str) -> None:
    random = Random(seed)
    file = intent_file(tmp_path / "intent.yaml")
    file.intent = of_kind(beginning(random), kind)
    core = whole(file)
    app = core.app
    unasked(app.fleet)

    async def story() -> None:
        drivers: dict[int, Held] = {}
        for switch in app.state.intent.value.switches:
            drivers[switch.id] = connect(app, switch)
        app.pools.step()
        lbs = {switch.name for switch in app.state.intent.value.switches if Role.LB in switch.roles}
        await until(lambda: app.presence.admitted == lbs, "edges use every lb switch")
        await settled(core)
        done = 0
        while done < STEPS:
            named = {**EDITS, **BACKUPS}
            name = random.choice(list(named))
            new = named[name](random, app.state.intent.value)
            if new is None:
                continue
            await edit(core, drivers, unprobed(as_read(new)), f"seed {seed}, step {done}: {name}")
            core.clock.time += random.choice((0.0, 3.0, 20.0))
            app.fleet.renew(dict.fromkeys(range(1, 100), float("inf")))  # authority for all VIPs does not end
            for task in app.fleet:  # read again by now: an audit between plan and edit would let slots settle
                task.holding.heard = core.clock.time
            app.pools.step()
            await settled(core)
            done += 1

    play(story, app.state.run, app.fleet.run)


async def settled(core: Whole) -> None:
    """Until all is stored, and every switch holds it."""
    await core.app.state.commit()
    await until(lambda: converged(core.app), "every switch holds its plan")


async def edit(core: Whole, drivers: dict[int, Held], new: Intent, what: str) -> Preview:
    """Plan an edit, carry it out, and compare."""
    app = core.app
    said = await app.previews.preview(new, entries=100_000)
    tables, written = len(core.said.of("table")), {n: Counter(d.written) for n, d in drivers.items()}
    why = app.intents.propose(new)
    assert list(said.refused) == why, what
    if why:
        return said
    await settled(core)
    moved = {row["pool"]: row["moved"] for row in core.said.of("table")[tables:]}
    assert {pool.key: pool.moved for pool in said.pools if pool.key in moved} == moved, what
    assert all(not pool.moved for pool in said.pools if pool.key not in moved), what
    owners = app.state.owners.value
    assert all(owners.get(move.vip, "") == move.site for move in said.vips), what
    names = {switch.id: switch.name for switch in app.state.intent.value.switches}
    wrote = {names[number]: Written(d.written - written[number]).numbers for number, d in drivers.items()}
    planned = {each.switch: (each.added, each.modified, each.deleted) for each in said.switches}
    assert planned == {name: numbers for name, numbers in wrote.items() if any(numbers)}, what
    for each in said.switches:
        listed = Counter(entry.what for entry in each.entries)
        assert (listed["added"], listed["modified"], listed["deleted"]) == planned[each.switch], what
    return said


def begun(tmp_path: Path) -> Whole:
    """A controller of the generator's fabric, without switches."""
    file = intent_file(tmp_path / "intent.yaml")
    file.intent = beginning(Random(1))
    core = whole(file)
    core.app.pools.answers = spreads.alike
    core.app.pools.step()
    return core


def less(intent: Intent) -> Intent:
    """Without the first server of the first pool."""
    first = replace(intent.pools[0], backends=intent.pools[0].backends[1:])
    return replace(intent, pools=(first, *intent.pools[1:]))


def test_the_loop_goes_on_while_a_plan_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    core, go = begun(tmp_path), threading.Event()
    made = previews.preview

    def held(*args: Any) -> Preview:
        assert go.wait(PATIENCE), "the loop stood still"
        return made(*args)

    monkeypatch.setattr(previews, "preview", held)

    async def story() -> None:
        await core.app.state.commit()
        asked = asyncio.create_task(core.app.previews.preview(less(core.app.state.intent.value)))
        second = asyncio.create_task(core.app.previews.preview(core.app.state.intent.value))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not asked.done()
        go.set()
        assert (await asked).pools
        assert (await second).empty, "one waits for the other, and nothing has changed"

    play(story)


def test_a_plan_from_the_store_is_that_of_the_running_controller(tmp_path: Path) -> None:
    core = begun(tmp_path)

    async def story() -> None:
        await core.app.state.commit()
        new = less(core.app.state.intent.value)
        live = await core.app.previews.preview(new)
        stored = stored_preview("store", core.store.loaded(), new, shared=False, entries=0)
        unknown = tuple(replace(each, connected=None) for each in live.switches)
        assert stored == replace(live, switches=unknown)

    play(story)


def test_a_store_on_which_no_controller_has_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="store: holds nothing"):
        stored_preview("store", MemoryStore().loaded(), beginning(Random(1)), shared=False, entries=0)


def test_people_read_what_a_plan_says(tmp_path: Path) -> None:
    core = begun(tmp_path)

    async def story() -> None:
        await core.app.state.commit()
        now = core.app.state.intent.value
        said = encode(await core.app.previews.preview(less(now), entries=2))
        assert isinstance(said, dict)
        shown = text(said, "new.yaml")
        assert shown.startswith("new.yaml: would be accepted")
        assert "hitless: until drains end" in shown
        assert re.search(
            r"pool web/tcp: \d+ of 256 slots move \(\d+\.\d %\), 2 backends serve, 3 before", shown
        )
        assert re.search(r"s1: established connections drain for \d+ s, then they are moved", shown)
        assert re.search(r"lb1 +\d+ +\d+ +\d+  not connected", shown)
        assert re.search(r"  and \d+ more", shown)
        alike = encode(await core.app.previews.preview(now))
        assert isinstance(alike, dict)
        assert text(alike, "new.yaml").endswith("nothing would change")
        none = encode(await core.app.previews.preview(replace(now, vips=())))
        assert isinstance(none, dict)
        assert "would be REFUSED:\n  the new intent removes all VIPs" in text(none, "new.yaml")

    play(story)


def test_a_vip_that_moves_between_sites_is_named(tmp_path: Path) -> None:
    core = whole(intent_file(tmp_path / "intent.yaml", "two-site-small"))

    async def story() -> None:
        core.app.pools.answers = spreads.alike
        core.app.pools.step()
        await core.app.state.commit()
        now = core.app.state.intent.value
        chosen = next(vip for vip in now.vips if len(vip.owners) > 1)
        turned = tuple(
            replace(vip, owners=vip.owners[::-1]) if vip.mac == chosen.mac else vip for vip in now.vips
        )
        said = await core.app.previews.preview(replace(now, vips=turned))
        (move, *_) = [each for each in said.vips if each.vip == chosen.name]
        assert (move.former, move.site) == (chosen.owners[0], chosen.owners[1])
        names = {each.switch for each in said.switches}
        sites = {s.site for s in now.switches if s.name in names and Role.EDGE in s.roles}
        assert sites == set(chosen.owners)

    play(story)
