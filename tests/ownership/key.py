"""What of a world decides what may still happen: times count from each node's clock, revisions from the newest."""

from __future__ import annotations

from collections.abc import Callable

from controller.sites.leasestate import Record, Reply, Seen, View
from controller.sites.promise import SLOW
from tests.ownership.parts import Node, Size, World

Key = tuple[object, ...]
Plain = Callable[[Record | None], object]


class Keys:
    """Keys of worlds of one size."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self._wait = size.times.wait(max(size.authority, size.authority_there))

    def of(self, world: World) -> Key:
        """Equal for worlds in which the same may happen. Numbers in it are not negative: -1 and -2 hash alike."""
        views = {n.view.me.life: n.view for n in world.nodes if n.view is not None}

        def plain(record: Record | None) -> object:
            if record is None:
                return None
            view = views.get(record.life)
            which = 0 if view is None else 1 + _which(view, record.seq)
            return (record.site, record.holder, which, record.heirs, record.released, record.to)

        newest = world.revision
        return (
            *[self._node(node, newest, plain) for node in world.nodes],
            tuple([(newest - revision, plain(record)) for revision, record in world.history]),
            frozenset([(compare + 1 if compare < 1 else 2, plain(record)) for compare, record in world.puts]),
            frozenset([(to, plain(ask.seen.record), newest - ask.seen.revision) for to, ask in world.asks]),
            frozenset(
                [
                    (
                        to,
                        reply.name,
                        reply.promised,
                        views[reply.life].number - reply.number,
                        self._known(reply.seen, newest, plain),
                    )
                    for to, reply in world.replies
                ]
            ),
        )

    def _reply(self, reply: Reply, views: dict[str, View], newest: int, plain: Plain) -> Key:
        older = views[reply.life].number - reply.number
        return (reply.name, reply.promised, older, self._known(reply.seen, newest, plain))

    def _known(self, seen: Seen | None, newest: int, plain: Plain) -> object:
        return (
            None
            if seen is None
            else (min(newest - seen.revision, self._size.history + 1), plain(seen.record))
        )

    def _age(self, sent: float) -> float:
        return max(sent + self._size.authority, 0)

    def _node(self, node: Node, newest: int, plain: Plain) -> Key:
        size, now, view = self._size, node.clock, node.view
        late = (
            0.0
            if node.late is None
            else node.late
            if size.relative
            else 1 + max(node.late - now + size.fence, 0)
        )
        switch = (max(node.deadline - now + size.fence, 0), late, now % size.resolution)
        if view is None:
            return switch
        seen, asked, leaving = view.seen, view.asked, view.leaving
        return (
            *switch,
            1 + view.number - node.silence if node.silence else 0,
            None if not node.confirms else frozenset([min(view.number - each, 3) for each in node.confirms]),
            self._known(seen, newest, plain),
            0 if seen is None else max(seen.stamp - now + self._wait, 0),
            tuple(
                [
                    (each.sent - now + size.authority, each.record.heirs, each.record.released)
                    for each in view.attempts
                ]
            ),
            view.old_heirs,
            view.open,
            # A question waits for ``SLOW`` renewals after what was sent last.
            max(view.until - now + size.authority - SLOW * size.renew, 0) if size.promises else 0,
            max(view.until - now, 0),
            max(view.spoken - now + size.fence, 0),
            view.speaking,
            max(view.tried - now + size.renew, 0),
            max(view.promised - now, 0),
            max(view.others - now, 0),
            None
            if asked is None
            else (view.number - asked.number, max(asked.sent - now + size.authority, 0), asked.missing),
            None if leaving is None else (view.number - leaving.number, leaving.silent),
            None if view.forced is None else max(view.forced - now, 0),
        )


def _which(view: View, seq: int) -> int:
    for number, each in enumerate(view.attempts):
        if each.record.seq == seq:
            return 1 + number
    return 0
