"""Random schedules of faults with real times: never two owners, and one again soon after all faults are over."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.sites.lease import Want, Wish
from tests.ownership.simulation import TIMES, Simulation

NODES = ("a1", "a2", "b1", "b2")
HOLD, FOLLOW = Wish(Want.HOLD), Wish(Want.FOLLOW)


class Fault(NamedTuple):
    """Something that goes wrong or well again, so many seconds after the one before."""

    after: float
    kind: str
    node: str
    other: str


FAULTS = st.builds(
    Fault,
    st.floats(0.0, 0.9),
    st.sampled_from(["stop", "kill", "well", "sever", "mend", "store", "store well", "leave", "lead"]),
    st.sampled_from(NODES),
    st.sampled_from((*NODES, "store")),
)
RATES = st.floats(1 - TIMES.drift, 1 + TIMES.drift)


def _happens(world: Simulation, fault: Fault) -> None:
    node = world.nodes[fault.node]
    match fault.kind:
        case "stop":
            world.stop(fault.node)
        case "kill":
            world.kill(fault.node)
        case "well" if not node.alive:
            world.start(fault.node)
        case "well" if node.stopped:
            world.resume(fault.node)
        case "sever" if fault.other != fault.node:
            world.sever(fault.node, fault.other)
        case "mend":
            world.mend()
        case "store":
            world.store_stops()
        case "store well":
            world.store_returns()
        case "leave":
            world.want(fault.node, Wish(Want.LEAVE, "b" if node.site == "a" else "a"))
        case "lead":
            for other in world.nodes.values():
                if other.site == node.site:
                    other.wish = HOLD if other is node else FOLLOW
        case _:
            pass


@settings(max_examples=50)
@given(st.lists(FAULTS, max_size=25), st.tuples(RATES, RATES, RATES, RATES))
def test_never_two_owners_and_one_again_when_faults_are_over(
    faults: list[Fault], rates: tuple[float, float, float, float]
) -> None:
    world = Simulation(*NODES, rates=dict(zip(NODES, rates, strict=True)))
    world.nodes["a2"].wish = world.nodes["b2"].wish = FOLLOW
    world.run(2.0)
    for fault in faults:
        world.run(world.now + fault.after)
        _happens(world, fault)
    world.store_returns()
    world.mend()
    for name, node in world.nodes.items():
        if not node.alive:
            world.start(name)
        elif node.stopped:
            world.resume(name)
        world.want(name, HOLD if name.endswith("1") else FOLLOW)
    world.run(world.now + 5.0)
    assert len(world.answering(world.now)) == 1
