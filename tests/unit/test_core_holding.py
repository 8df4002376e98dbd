"""What lb switches have of the slots: no time runs before all of them have it, and no lost report is overlooked."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from pathlib import Path

import pytest

from controller.core.holding import Holdings
from controller.core.switchtask import SwitchTask
from controller.plan.duty import PlanInput
from controller.plan.history import dump, load
from controller.plan.pins import PinKey
from controller.plan.pool import Health
from controller.plan.tracking import MARGIN, UNHELD, Held
from controller.spec.types import Protocol
from tests.fakes.core import PlainDriver, Watching, intent_file, whole

KEY = "web/tcp"
LBS = frozenset({"lb1", "lb2", "lb3"})


class Fabric:
    """A controller whose switches are all connected, and hold what was committed first."""

    def __init__(self, path: Path) -> None:
        self.core = core = whole(intent_file(path, "demo", "ovs"))
        core.app.state.admitted.put(LBS)
        self.commit()
        self.tasks: dict[str, SwitchTask] = {}
        for switch in core.world.intent.switches:
            self.tasks[switch.name] = core.app.fleet.connect(PlainDriver(switch), Watching())
            self.take(switch.name)
        self.clock = core.clock
        state = core.app.state
        self.holdings = Holdings(core.app.fleet, state.admitted, state.intent, core.world.pins, self.clock)

    def commit(self) -> PlanInput:
        asyncio.run(self.core.app.state.commit())
        return self.core.world

    def take(self, *names: str) -> None:
        """Switches took what was committed last."""
        for name in names or tuple(self.tasks):
            task = self.tasks[name]
            task.synced, task.holding.world = True, self.core.world
            task.pins_version = self.core.world.pins.version

    def move(self) -> int:
        """Slots move, as a backend dies; the revision of the pool's tracking."""
        down = Health(False, self.clock.now(), confirmed=self.clock.now())
        self.core.app.state.verdicts.put({"web": {"s1": down}})
        return self.commit().pools[KEY].tracking.revision

    def held(self) -> Held:
        return self.holdings.held(KEY)


@pytest.fixture
def fabric(tmp_path: Path) -> Fabric:
    return Fabric(tmp_path / "intent.yaml")


def test_a_revision_is_held_once_every_lb_switch_in_use_took_it(fabric: Fabric) -> None:
    revision = fabric.move()
    assert fabric.held().revision < revision
    fabric.take("lb1", "lb2", "edge1", "leaf1")
    assert fabric.held().revision < revision
    fabric.take("lb3")
    assert fabric.held().revision == revision


def test_one_that_is_out_of_use_counts_until_every_edge_knows(fabric: Fabric) -> None:
    fabric.core.app.state.admitted.put(LBS - {"lb3"})
    revision = fabric.move()
    fabric.take("lb1", "lb2", "edge1")
    assert fabric.held().revision < revision
    fabric.take("edge2")
    assert fabric.held().revision == revision


def test_an_edge_that_went_away_still_sends_as_it_was_told(fabric: Fabric) -> None:
    fabric.held()
    fabric.core.app.fleet.disconnect(fabric.tasks["edge2"].switch.id)
    fabric.core.app.state.admitted.put(LBS - {"lb3"})
    revision = fabric.move()
    fabric.take("lb1", "lb2", "edge1")
    assert fabric.held().revision < revision


def test_reports_are_lost_while_one_that_gets_packets_is_not_heard(fabric: Fabric) -> None:
    fabric.clock.time += 100.0
    assert fabric.held().lost < fabric.clock.now()
    fabric.core.app.fleet.disconnect(fabric.tasks["lb2"].switch.id)
    fabric.clock.time += 5.0
    lost = fabric.clock.now()
    assert fabric.held() == Held(0, pinned=False, lost=lost, heard=UNHELD)
    fabric.tasks["lb2"] = fabric.core.app.fleet.connect(PlainDriver(fabric.tasks["lb2"].switch), Watching())
    fabric.take("lb2")
    fabric.clock.time += 50.0
    assert fabric.held().lost == lost


def test_reports_that_a_switch_held_back_are_noticed_when_it_is_read(fabric: Fabric) -> None:
    task = fabric.tasks["lb1"]
    for reports, lost in ((3, False), (3, False), (4, True), (4, False)):
        fabric.clock.time += 10.0
        task.driver.unreported = reports
        asyncio.run(task.holding.read())
        assert (task.holding.lost == fabric.clock.now()) is lost
        assert task.holding.heard == fabric.clock.now()
    assert fabric.held().heard < fabric.clock.now()  # of those that were not read


def test_pins_count_once_every_lb_switch_has_them(fabric: Fabric) -> None:
    assert fabric.held().pinned
    pins = fabric.core.world.pins
    before = fabric.clock.now()
    pins.report("lb1", PinKey(1, ip_address("192.0.2.1"), 5), Protocol.TCP, 1)
    fabric.clock.time += 5.0
    for task in fabric.tasks.values():
        task.holding.heard = fabric.clock.now()
    assert fabric.held().heard == before, "what was reported since may have no pin everywhere"
    fabric.clock.time += 10.0
    assert not fabric.held().pinned
    fabric.take()
    assert fabric.held().pinned


def test_pins_that_come_all_the_time_keep_no_slot_from_settling(fabric: Fabric) -> None:
    for port in range(300):
        fabric.core.world.pins.report("lb1", PinKey(1, ip_address("192.0.2.1"), port), Protocol.TCP, 1)
        fabric.clock.time += 1.0
        held = fabric.held()
        for task in fabric.tasks.values():
            task.holding.heard, task.pins_version = fabric.clock.now(), fabric.core.world.pins.version - 1
        assert held.pinned or port < 2
        assert held.heard >= fabric.clock.now() - 3.0 or port < 3


def test_a_connection_that_found_the_book_full_is_a_lost_report(fabric: Fabric) -> None:
    fabric.clock.time += 10.0
    assert fabric.held().lost < fabric.clock.now()
    fabric.core.world.pins.refused += 1
    assert fabric.held().lost == fabric.clock.now()
    fabric.clock.time += 10.0
    assert fabric.held().lost < fabric.clock.now()


def test_a_base_runs_from_when_all_have_it_and_slots_settle_by_themselves(fabric: Fabric) -> None:
    pools = fabric.core.app.pools
    memory = fabric.core.world.memory[KEY] + MARGIN
    revision = fabric.move()
    fabric.clock.time += 40.0
    pools.look()
    moved = fabric.core.app.state.tables.value.pools[KEY].tracking
    assert (moved.awaited, moved.revision) == (revision, revision)
    fabric.take()
    pools.look()
    known = fabric.core.app.state.tables.value.pools[KEY].tracking
    assert known.awaited == 0
    assert set(known.base_until[known.tracked]) == {fabric.clock.now() + memory}
    for _ in range(2):  # base ends, and every switch has to have that
        fabric.clock.time += memory
        fabric.core.app.state.verdicts.put(fabric.core.app.state.verdicts.value)
        for task in fabric.tasks.values():
            task.holding.heard = fabric.clock.now()
        pools.step()
        fabric.commit()
        fabric.take()
        pools.look()
    assert fabric.core.app.state.tables.value.pools[KEY].tracking.tracks == 0
    assert pools.looks() is None


def test_what_is_tracked_outlives_a_restart(fabric: Fabric) -> None:
    fabric.move()
    fabric.take()
    fabric.core.app.pools.look()
    before = fabric.core.app.state.tables.value.pools[KEY]
    after = load(dump(before)).tracking
    assert before.tracking.tracks
    for name in ("now", "base", "class_", "tracked", "base_until", "moved_until", "ages"):
        assert (getattr(before.tracking, name) == getattr(after, name)).all(), name
    assert after.awaited == 0


def test_what_no_switch_had_acknowledged_before_a_restart_counts_from_the_next_acknowledgement(
    fabric: Fabric,
) -> None:
    fabric.move()
    after = load(dump(fabric.core.world.pools[KEY])).tracking
    assert after.tracks == fabric.core.world.pools[KEY].tracking.tracks > 0
    assert after.awaited == after.revision == 1
