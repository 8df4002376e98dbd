"""Random schedules of faults with real times: never two owners, and one again soon after all faults are over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.sites.lease import Want, Wish
from tests.ownership.simulation import TIMES, Simulation

NODES = ("a1", "a2", "b1", "b2")
HOLD = Wish(Want.HOLD)


class Fault(NamedTuple):
    """Something that goes wrong or well again, so many seconds after the one before."""

    after: float
    kind: str
    node: str
    other: str


RATES = st.floats(1 - TIMES.drift, 1 + TIMES.drift)


def _well(world: Simulation, name: str) -> None:
    node = world.nodes[name]
    if not node.alive:
        world.start(name)
    elif node.stopped:
        world.resume(name)


def _leave(world: Simulation, name: str) -> None:
    site = world.nodes[name].site
    world.want(site, Wish(Want.LEAVE, "b" if site == "a" else "a"))


OF_NODES: Mapping[str, Callable[[Simulation, str], None]] = {
    "stop": Simulation.stop,
    "kill": Simulation.kill,
    "well": _well,
    "leave": _leave,
    "lead": Simulation.lead,
}
OF_ALL: Mapping[str, Callable[[Simulation], None]] = {
    "mend": Simulation.mend,
    "store": Simulation.store_stops,
    "store well": Simulation.store_returns,
}
FAULTS = st.builds(
    Fault,
    st.floats(0.0, 0.9),
    st.sampled_from([*OF_NODES, *OF_ALL, "sever"]),
    st.sampled_from(NODES),
    st.sampled_from((*NODES, "store")),
)


def _happens(world: Simulation, fault: Fault) -> None:
    if fault.kind in OF_NODES:
        OF_NODES[fault.kind](world, fault.node)
    elif fault.kind in OF_ALL:
        OF_ALL[fault.kind](world)
    elif fault.other != fault.node:
        world.sever(fault.node, fault.other)


@example(  # a release after the deadline, confirmed by switches that might have answered for longer
    [
        Fault(0.0, "stop", "a1", "a1"),
        Fault(0.95, "stop", "b1", "a1"),
        Fault(0.58, "leave", "b1", "a1"),
        Fault(0.0, "well", "b1", "a1"),
    ],
    (0.999, 0.999, 0.999, 0.999),
)
@example(  # the only controllers that hear everything are no heirs
    [
        Fault(0.0, "stop", "a1", "a1"),
        Fault(0.0, "stop", "b1", "a1"),
        Fault(0.0, "lead", "a2", "a1"),
        Fault(0.5, "stop", "a1", "a1"),
    ],
    (1.0, 1.0, 1.0, 1.0),
)
@settings(max_examples=25)
@given(st.lists(FAULTS, max_size=25), st.tuples(RATES, RATES, RATES, RATES))
def test_never_two_owners_and_one_again_when_faults_are_over(
    faults: list[Fault], rates: tuple[float, float, float, float]
) -> None:
    world = Simulation(*NODES, rates=dict(zip(NODES, rates, strict=True)))
    world.run(2.0)
    for fault in faults:
        world.run(world.now + fault.after)
        _happens(world, fault)
    world.store_returns()
    world.mend()
    for name in NODES:
        _well(world, name)
    for site in "ab":
        world.want(site, HOLD)
    world.run(world.now + 5.0)
    assert len(world.answering(world.now)) == 1
