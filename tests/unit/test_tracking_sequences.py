"""Sequences that broke an earlier draft of just enough tracking: the rules hold in each, not without the guard."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.tracking.events import play
from tests.tracking.model import World
from tests.tracking.mutations import MUTATIONS
from tests.tracking.parts import Broken, Rules, Size

A, B = 1, 2


@dataclass(frozen=True)
class Sequence:
    """Events by kind and target, and the guard without which they break a connection."""

    why: str
    guard: str
    events: str
    sites: int = 1

    def run(self, rules: Rules) -> World:
        """Play it. Raises Broken."""
        world = World.new(Size(sites=self.sites), rules)
        for each in self.events.split():
            kind, *target = each.split(":")
            play(world, kind, tuple(map(int, target)))
        return world


SEQUENCES = (
    Sequence(
        "silent for nearly memory_timeout since before the move, then again until the slot has settled",
        "what nothing is remembered of is not reported",
        "move:0:2 open:0 sync:0 sync:1 tick tick tick speak:0 tick tick tick speak:0",
    ),
    Sequence(
        "opened by a switch that did not carry out the move, and had the slot as it was",
        "times run from planning",
        "jam:0 move:0:2 tick tick tick open:0 tick tick heal:0 sync:0 speak:0",
    ),
    Sequence(
        "the end of base reached one switch, and not the next one",
        "the end of base is not watched",
        "move:0:2 tick tick tick open:0 tick sync:0 speak:0 reroute:0:1 speak:0",
    ),
    Sequence(
        "the end of base was taken for done where one switch lacked it",
        "settles before base has ended everywhere",
        "move:0:2 sync:0 sync:1 tick tick tick jam:1 tick open:0 sync:0 tick speak:0 tick speak:0 tick die:0 speak:0",
    ),
    Sequence(
        "base was suspended, and its backend came back",
        "a suspended base is forgotten",
        "move:0:2 sync:0 open:0 tick gone:1 sync:0 speak:0 reroute:0:1 speak:0",
    ),
    Sequence(
        "ways changed and changed back, and the first switch remembers who had the ports before",
        "a change of ways is not heeded",
        "move:0:2 sync:0 sync:1 open:0 move:0:1 sync:0 sync:1 close:0 reroute:0:1 sync:0 sync:1 open:0 tick speak:0 "
        "reroute:0:0 speak:0",
    ),
    Sequence(
        "the switch that made a pin hears nothing of it, another one does",
        "one idle switch ends a pin",
        "move:0:2 sync:0 open:0 move:0:1 sync:0 sync:1 speak:0 tick reroute_unseen:0:1 tick speak:0 tick speak:0 "
        "tick speak:0 tick tick speak:0 tick tick speak:0",
    ),
    Sequence(
        "a switch that was cut off keeps the pin of a connection that is over",
        "pins need a controller to end",
        "move:0:2 sync:0 open:0 move:0:1 sync:0 sync:1"
        + 6 * " speak:0 tick"
        + " close:0 cut:1 open:0"
        + 6 * " tick speak:0"
        + " reroute:0:1 speak:0",
    ),
    Sequence(
        "one stray packet by another switch, which knows no better than base",
        "any report changes a pin",
        "move:0:2 sync:0 sync:1 open:0 tick speak:0 stray:0:1 sync:1 tick speak:0 sync:0 speak:0",
    ),
    Sequence(
        "the same ports in another tracked time",
        "a class that never changes",
        "open:0 move:0:2 sync:0 sync:1 tick tick tick speak:0 close:0 tick sync:0 sync:1 sync:0 sync:1 open:0 sync:1 "
        "move:0:3 sync:0 sync:1 speak:0",
    ),
    Sequence(
        "base had the slot again, so nothing of it was reported; it moved once more when its time was nearly over",
        "base ends although it had the slot again",
        "move:0:2 tick move:0:1 tick open:0 tick move:0:2 speak:0 tick tick reroute:0:1 speak:0",
    ),
    Sequence(
        "base had the slot again, which one switch knew, and the next one did not",
        "base's own is not watched",
        "move:0:2 tick tick tick open:0 tick move:0:1 move:0:2 sync:0 speak:0 reroute:0:1 speak:0",
    ),
    Sequence(
        "the end of base came to one site, and a connection to the other",
        "a site ends base without the other",
        "move:0:2 sync:0 sync:1 tick jam:1 tick tick tick sync:0 sync:0 open:0 tick speak:0 tick speak:0 reroute:0:1 "
        "speak:0",
        sites=2,
    ),
)


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda each: each.guard.replace(" ", "-"))
def test_the_rules_hold_and_their_guard_is_needed(sequence: Sequence) -> None:
    sequence.run(Rules())
    with pytest.raises(Broken):
        sequence.run(MUTATIONS[sequence.guard])
