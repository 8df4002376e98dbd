"""Writes a control flow graph without cycles as nested ifs: branches up to where they meet again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from topo.p4switch.errors import ProgramError

Region = Callable[["Hashable | None"], None]


class Flow:
    """A graph from `entry`; None is its end. `joins` gives where the branches of a node meet again."""

    def __init__(
        self, entry: Hashable | None, successors: Callable[[Hashable], Sequence[Hashable | None]]
    ) -> None:
        """Order the graph; ProgramError when it has a cycle."""
        self._successors = successors
        self._entry = entry
        order = _topological(entry, successors)
        self._rank: dict[Hashable | None, int] = {None: 0}
        self._join: dict[Hashable | None, Hashable | None] = {None: None}
        # From the end backwards: where a node's branches meet is where the paths from its successors meet.
        for number, node in enumerate(reversed(order), start=1):
            following = successors(node)
            meet = following[0]
            for other in following[1:]:
                meet = self._meet(meet, other)
            self._join[node] = meet
            self._rank[node] = number

    def join(self, node: Hashable) -> Hashable | None:
        """The first node that every path from `node` passes; None is the end."""
        return self._join[node]

    def write(self, emit: Callable[[Hashable, Region], None]) -> None:
        """Call `emit(node, region)` in program order; `region(successor)` writes one branch of the node.

        A node whose branches all lead to its join needs no region.
        """
        self._run(self._entry, None, emit)

    def _run(
        self, node: Hashable | None, stop: Hashable | None, emit: Callable[[Hashable, Region], None]
    ) -> None:
        while node != stop and node is not None:
            join = self._join[node]

            def region(start: Hashable | None, until: Hashable | None = join) -> None:
                self._run(start, until, emit)

            emit(node, region)
            node = join

    def _meet(self, a: Hashable | None, b: Hashable | None) -> Hashable | None:
        while a != b:
            if self._rank[a] > self._rank[b]:
                a = self._join[a]
            else:
                b = self._join[b]
        return a


def _topological(
    entry: Hashable | None, successors: Callable[[Hashable], Sequence[Hashable | None]]
) -> list[Hashable]:
    """Nodes so that each comes before its successors."""
    done: list[Hashable] = []
    state: dict[Hashable, int] = {}
    stack: list[tuple[Hashable, int]] = [] if entry is None else [(entry, 0)]
    while stack:
        node, index = stack.pop()
        state[node] = 1
        following = successors(node)
        if index < len(following):
            stack.append((node, index + 1))
            child = following[index]
            if child is None or state.get(child) == 2:
                continue
            if state.get(child) == 1:
                raise ProgramError(f"control flow comes back to {child}: loops are not supported here")
            stack.append((child, 0))
        else:
            state[node] = 2
            done.append(node)
    return done[::-1]
