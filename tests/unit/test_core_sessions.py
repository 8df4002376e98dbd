"""A controller that knows connections by what switches count and servers say, shows them, and goes by them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from controller.plan.ids import Space
from controller.plan.tuned import UNIT
from controller.southbound.driver import Counts
from controller.spec.scheduling import Adaptive, Scheduler
from controller.spec.serveragent import AgentCheck, AgentKind
from controller.spec.types import Role, Switch
from tests.fakes.core import Whole
from tests.fakes.weights import KEY, POOL, answers, weighed

GAUGE = AgentCheck(8080, AgentKind.HTTP, "/connections", interval=1.0)
QUICK = Adaptive(interval=5.0, smoothing=0.0)
LISTENER, OTHER = "shop/tcp/80", "shop/tcp/7000"


class Counting(Counts):
    """A driver of which only the counters are asked."""

    def __init__(self) -> None:
        self.packets, self.sessions, self.denied, self.drops = {}, {}, {}, {}

    def guard_drops(self, number: int) -> int:
        return 0

    def reads(self, **counted: dict[tuple[int, int], tuple[int, int]]) -> None:
        """Another read."""
        self.packets = {pair: (10 * sum(each), 1000) for pair, each in counted["sessions"].items()}
        self.sessions = dict(counted["sessions"])


@dataclass
class Task:
    switch: Switch
    driver: Counting


def counted(core: Whole) -> list[Counting]:
    """Drivers of the lb switches, which the controller is made to believe connected."""
    tasks = [Task(s, Counting()) for s in core.app.state.intent.value.switches if Role.LB in s.roles]
    core.app.sessions._fleet = cast(Any, tasks)
    return [task.driver for task in tasks]


def passes(core: Whole, driver: Counting, **counts: tuple[int, int]) -> None:
    """A second passes; a switch was read, with so many connections opened and ended by backend."""
    core.clock.time += 1.0
    ids = core.world.ids
    listener = ids.id(Space.LISTENER, LISTENER)
    driver.reads(sessions={(listener, ids.id(Space.BACKEND, name)): each for name, each in counts.items()})
    core.app.sessions.look()


def live(core: Whole, name: str) -> float | None:
    found = core.app.sessions.of_backend((POOL, name))
    return None if found is None else found.live


def test_connections_are_summed_over_switches_and_listeners(tmp_path: Path) -> None:
    core = weighed(tmp_path / "intent.yaml")
    one, two = counted(core)
    passes(core, one, s1=(10, 4))
    passes(core, two, s1=(5, 0), s2=(2, 1))
    assert (live(core, "s1"), live(core, "s2"), live(core, "s3")) == (11.0, 1.0, None)
    of_listener = core.app.sessions.live(LISTENER, "s1")
    assert of_listener is not None
    assert (of_listener.opened, of_listener.ended) == (15, 4)
    assert core.app.sessions.live(OTHER, "s1") is None
    assert core.app.sessions.live("shop/udp/7001", "s1") is None


def test_what_was_read_once_counts_once(tmp_path: Path) -> None:
    core = weighed(tmp_path / "intent.yaml")
    one, _ = counted(core)
    passes(core, one, s1=(10, 4))
    core.clock.time += 1.0
    core.app.sessions.look()
    assert live(core, "s1") == 6.0


def test_a_servers_own_count_is_believed_and_counted_on_from(tmp_path: Path) -> None:
    core = weighed(tmp_path / "intent.yaml", agent=GAUGE)
    one, _ = counted(core)
    passes(core, one, s1=(1000, 400), s2=(1000, 400))
    answers(core, "30", "s1")
    passes(core, one, s1=(1000, 400), s2=(1000, 400))
    assert (live(core, "s1"), live(core, "s2")) == (30.0, 600.0)
    passes(core, one, s1=(1005, 402), s2=(1000, 400))
    assert live(core, "s1") == 33.0
    found = core.app.sessions.of_backend((POOL, "s1"))
    assert found is not None
    assert found.error < 1 < 10 < core.app.sessions.of_backend((POOL, "s2")).error  # type: ignore[union-attr]


def test_a_backend_whose_listener_is_gone_is_forgotten(tmp_path: Path) -> None:
    core = weighed(tmp_path / "intent.yaml")
    one, _ = counted(core)
    passes(core, one, s1=(10, 4))
    core.app.sessions._committed = cast(Any, type("Cell", (), {"value": _without_listeners(core)})())
    core.clock.time += 1.0
    core.app.sessions.look()
    assert core.app.sessions._tally.counts == {}


def _without_listeners(core: Whole) -> object:
    world = core.world
    vips = tuple(replace(vip, listeners=()) for vip in world.intent.vips)
    return replace(world, intent=replace(world.intent, vips=vips))


def test_least_connections_goes_by_what_switches_count_where_no_server_says(tmp_path: Path) -> None:
    core = weighed(tmp_path / "intent.yaml", scheduler=Scheduler.LEAST_CONNECTIONS, adaptive=QUICK)
    one, _ = counted(core)
    for second in range(12):
        passes(core, one, s1=(2000 + second, second), s2=(1000, 0), s3=(1000, 0))
        core.app.tuning.look()
    factors = {name: each.adapted / UNIT for name, each in core.app.state.tables.value.tuned[POOL].items()}
    assert factors["s1"] < 0.9 < factors["s2"]
    assert core.app.snapshot().pools[KEY].backends["s1"].measured == 2000.0


def test_counts_that_are_too_far_off_decide_nothing(tmp_path: Path) -> None:
    core = weighed(tmp_path / "intent.yaml", scheduler=Scheduler.LEAST_CONNECTIONS, adaptive=QUICK)
    one, _ = counted(core)
    many = 100_000
    for _ in range(12):
        passes(core, one, s1=(many, many - 2000), s2=(many, many - 1000), s3=(many, many - 1000))
        core.app.tuning.look()
    assert core.app.state.tables.value.tuned.get(POOL, {}) == {}
    waits = core.app.snapshot().pools[KEY].scheduler_waits
    assert waits == "fewer than two backends are measured: neither agents nor counts tell their connections"
