"""What a plan says is what the run then does: slots, entries and owners, over random edits on both kinds of switch."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from controller.plan.preview import Preview
from controller.spec.types import Intent, Role
from tests.edits.generator import BACKUPS, EDITS, as_read, beginning
from tests.fakes.core import Whole, intent_file, play, until, whole
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
