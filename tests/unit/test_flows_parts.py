"""Parts of flows: switches for which a part is alike share it, for as long as one of them has it."""

from __future__ import annotations

import gc

from flows.entries import Flow, flow
from flows.match import Match
from flows.parts import Part, Parts


class Maker:
    """Makes parts under a name of its own; ``made`` says of what, each time that flows were made."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def part(self, basis: int, name: str = "part") -> Part:
        return Part((self, name), (basis,), lambda: [self._flow(basis, name)])

    def _flow(self, basis: int, name: str) -> Flow:
        self.made.append(basis)
        return flow(1, len(name), Match(), cookie=basis)


def having(*parts: Part) -> Parts:
    """A switch that has these parts."""
    switch = Parts(0)
    switch.follow(parts)
    return switch


def cookies(switch: Parts) -> list[int]:
    return sorted(body.cookie for body in switch.flows.values())


def test_switches_share_the_flows_of_an_equal_part() -> None:
    maker = Maker()
    one, other = having(maker.part(1)), having(maker.part(1))
    assert maker.made == [1]
    (body,), (same,) = one.flows.values(), other.flows.values()
    assert body is same
    for switch in (one, other):
        switch.again([maker.part(2)])
        assert cookies(switch) == [2]
    assert maker.made == [1, 2], "a change is made for all of them once, too"


def test_parts_of_one_name_that_are_made_of_different_things_are_not_shared() -> None:
    maker = Maker()
    one, other = having(maker.part(1)), having(maker.part(2))
    assert (cookies(one), cookies(other)) == ([1], [2])
    third = having(maker.part(1))
    assert cookies(third) == [1], "also where another one was made in between"
    assert (cookies(one), cookies(other)) == ([1], [2])


def test_parts_of_different_names_are_not_shared_whatever_they_are_made_of() -> None:
    maker = Maker()
    switch = having(maker.part(1, "a"), maker.part(1, "bc"))
    assert maker.made == [1, 1]
    assert len(switch.flows) == 2


def test_a_part_is_freed_when_no_switch_has_it_any_more() -> None:
    maker = Maker()
    one, other = having(maker.part(1)), having(maker.part(1))
    one.follow([])
    gc.collect()
    having(maker.part(1))
    assert maker.made == [1], "one still has it"
    other.follow([])
    gc.collect()
    again = having(maker.part(1))
    assert maker.made == [1, 1], "none had it"
    del again
    gc.collect()
    having(maker.part(1))
    assert maker.made == [1, 1, 1], "nor did one that is no more"
