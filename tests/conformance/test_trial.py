"""A real Open vSwitch on trial: it reports small fragments that its conntrack drops, and only those."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from controller.frames.trial import small_fragments
from flows import messages
from flows.actions import CONTROLLER, pack_all
from flows.stages.fragment import trial
from flows.tables import Kind, Placed
from tests.conformance import ovs
from tests.conformance.conftest import live
from tests.conformance.ofstream import Told
from tests.conformance.plant import Plant
from tests.conformance.scenario import web

MOMENT, PATIENCE = 0.3, 15.0
"""Seconds in which a report comes, and on a busy machine."""


@pytest.fixture(scope="module")
def switch() -> Iterator[ovs.OpenVSwitch]:
    """Open vSwitch that holds the pipeline."""
    with live("trial") as made:
        made.apply(Plant(web("b1"), made.switch).world())
        yield made


@pytest.mark.parametrize("dropping", [{4}, {6}, {4, 6}, set()], ids=["v4", "v6", "both", "neither"])
def test_dropped_small_fragments_are_reported(switch: ovs.OpenVSwitch, dropping: set[int]) -> None:
    for version in (4, 6):
        switch.command("dpctl/ipf-set-min-frag", f"v{version}", "1280" if version in dropping else "400")
    assert [kind for kind, _ in _tried(switch, len(dropping))] == [Kind.FRAGMENT_SHORT] * len(dropping)
    # What was held back of the last trial must not be taken for an answer to the next.
    assert {number for _, number in _tried(switch, len(dropping))} == dropping


def _tried(switch: ovs.OpenVSwitch, count: int) -> list[tuple[Kind, int]]:
    """What is reported of a trial: at least so many reports, if they come at all."""
    actions = pack_all(trial(Placed(switch.switch.placement)))
    for version in (4, 6):
        for frame in small_fragments(version):
            switch.stream.send(messages.packet_out(frame, actions, CONTROLLER))
    switch.stream.write([])
    found, end = list[Told](), time.monotonic() + PATIENCE
    while len(found) < count and time.monotonic() < end:
        found += switch.stream.hear(MOMENT)
    found += switch.stream.hear(MOMENT)  # one too many, if there is one
    return [(told.cookie.kind, told.cookie.id) for told in found]
