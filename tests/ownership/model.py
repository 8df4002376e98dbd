"""The world in which the product's rules run: what may happen in it, and letting it happen.

    node: View, rules ──► puts ──► store ──► history ──► any node, at any time or never
                     └──► deadlines ──► switches: two sites answer at one moment: Broken

What is under way may arrive at any time, in any order, or never: so loss, delay, reordering, partitions, the loss of a
quorum and a stopped process need no events of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from controller.sites import lease
from controller.sites.lease import Want, Wish
from controller.sites.leasestate import (
    NEVER,
    Action,
    Ask,
    Me,
    Put,
    Record,
    Reply,
    Silence,
    Speak,
    Step,
    View,
)
from controller.spec.leasetimes import LeaseTimes
from tests.ownership.parts import Broken, Event, Node, Size, World

Left = Mapping[str, int]
"""How often each kind may still happen. What is not named has no bound if it is in ALWAYS, else it does not happen."""


def name(number: int, node: Node) -> str:
    """Of a controller."""
    return f"{'abc'[node.site]}{number}"


class Model:
    """Events of worlds of one size."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.times = (size.times, size.times_there)
        self._play: Mapping[str, Callable[..., World]] = {
            "tick": self._tick,
            "poll": self._poll,
            "leave": self._leave,
            "leaving": self._leave,
            "heirs": self._heirs,
            "apply": self._apply,
            "observe": self._observe,
            "deadline": self._deadline,
            "silence": self._silence,
            "confirm": self._confirm,
            "ask": self._ask,
            "reply": self._reply,
            "restart": self._restart,
            "kill": self._kill,
            "return": self._restart,
            "force": self._force,
            "lose": self._lose,
        }

    def new(self) -> World:
        """Every controller begins, nothing is stored."""
        nodes: list[Node] = []
        for site, count in enumerate(self.size.sites):
            nodes += [self._born(Node(site, None), len(nodes) + each) for each in range(count)]
        return World(tuple(nodes))

    # -- what may happen

    def events(self, world: World, left: Left) -> Iterator[Event]:
        """All of it."""
        for rates in self._rates(world):
            yield Event("tick", rates)
        for which in range(len(world.puts)):
            yield Event("apply", (which,))
        for which, (to, _) in enumerate(world.asks):
            if world.nodes[to].view is not None:
                yield Event("ask", (which,))
        for which in range(len(world.replies)):
            yield Event("reply", (which,))
        for number, node in enumerate(world.nodes):
            if node.late is not None:
                yield Event("deadline", (number,))
            if node.silence:
                yield Event("silence", (number,))
            yield from self._of_node(world, number, left)
        if left.get("lose") and world.record is not None:
            yield Event("lose")

    def _rates(self, world: World) -> tuple[tuple[int, ...], ...]:
        if self.size.ticks:
            return self.size.ticks
        found: list[tuple[int, ...]] = [()]
        for _ in world.nodes:
            found = [(*each, rate) for each in found for rate in (self.size.slow, self.size.fast)]
        return tuple(found[:-1])  # all of them fast: the same as all of them slow, for longer

    def _of_node(self, world: World, number: int, left: Left) -> Iterator[Event]:
        view = world.nodes[number].view
        if view is None:
            if left.get("return") and not any(
                n.view is not None and n.view.forced is not None for n in world.nodes
            ):
                yield Event("return", (number,))
            return
        yield Event("poll", (number,))
        known = -1 if view.seen is None else view.seen.revision
        yield from (Event("observe", (number, each)) for each, _ in world.history if each > known)
        yield from (Event("confirm", (number, each)) for each in sorted(world.nodes[number].confirms))
        yield from (Event(kind, (number,)) for kind in ("restart", "kill") if left.get(kind))
        if view.leaving is not None:
            yield Event("leaving", (number,))
        elif left.get("leave") and view.holds:
            yield Event("leave", (number,))
        if left.get("heirs"):
            yield from (Event("heirs", (number, each)) for each in self._not_heirs(world, number))
        if left.get("force") and view.forced is None and self._alone(world, number):
            yield Event("force", (number,))

    @staticmethod
    def _not_heirs(world: World, number: int) -> Iterator[int]:
        """Who may be left out: of another site one is always named."""
        sites = [each.site for each in world.nodes]
        for out, site in enumerate(sites):
            if out != number and (site == sites[number] or sites.count(site) > 1):
                yield out

    @staticmethod
    def _alone(world: World, number: int) -> bool:
        return all(each.view is None for each in world.nodes if each.site != world.nodes[number].site)

    # -- letting it happen

    def play(self, world: World, event: Event) -> World:
        """The world after it. Raises Broken."""
        world = self._tidy(self._play[event.kind](world, *event.target))
        self._check(world)
        return world

    def _check(self, world: World) -> None:
        answering = {n.site for n in world.nodes if n.clock < n.deadline + self.size.fence}
        if len(answering) > 1:
            raise Broken(f"sites {sorted(answering)} answer")

    def _tick(self, world: World, *rates: int) -> World:
        nodes = zip(world.nodes, rates, strict=True)
        return world._replace(nodes=tuple(n._replace(clock=n.clock + rate) for n, rate in nodes))

    def _poll(self, world: World, number: int) -> World:
        return self._wish(world, number, Wish(Want.HOLD, heirs=self._others(world, number)))

    def _heirs(self, world: World, number: int, out: int) -> World:
        heirs = tuple(name(n, each) for n, each in enumerate(world.nodes) if n not in (number, out))
        return self._wish(world, number, Wish(Want.HOLD, heirs=heirs))

    def _leave(self, world: World, number: int) -> World:
        return self._wish(world, number, Wish(Want.LEAVE, heirs=self._others(world, number)))

    def _wish(self, world: World, number: int, wish: Wish) -> World:
        node = world.nodes[number]
        return self._do(world, number, lease.poll(_view(node), self._times(node), self._reading(node), wish))

    def _observe(self, world: World, number: int, revision: int) -> World:
        node, record = world.nodes[number], dict(world.history)[revision]
        step = lease.observed(_view(node), self._times(node), self._reading(node), revision, record)
        return self._do(world, number, step)

    def _apply(self, world: World, which: int) -> World:
        _, record = world.puts[which]
        world = world._replace(puts=_without(world.puts, which))
        return self._stored(world, record)

    def _stored(self, world: World, record: Record | None) -> World:
        was, revision = world.record, world.revision + 1
        if was is not None and record is not None and record.site:
            moved = record.site != was.site or (was.released and not record.released)
            if record.epoch < was.epoch or (moved and record.epoch == was.epoch):
                raise Broken(f"epoch {record.epoch} of {record.site} follows {was.epoch} of {was.site}")
        history = (*world.history, (revision, record))[-self.size.history :]
        kept = 0 if record is None else revision
        puts = tuple(put for put in world.puts if put[0] in (kept, -1))
        return world._replace(revision=revision, record=record, history=history, puts=puts)

    def _lose(self, world: World) -> World:
        return self._stored(world, None)

    def _deadline(self, world: World, number: int) -> World:
        node = world.nodes[number]
        assert node.late is not None
        return _put_node(world, number, node._replace(late=None, deadline=node.late + self._since(node)))

    def _since(self, node: Node) -> float:
        """What switches add that count from when a deadline arrives, and not by the controller's clock."""
        return node.clock if self.size.relative else 0.0

    def _silence(self, world: World, number: int) -> World:
        node = world.nodes[number]
        leaving = node.view is not None and node.view.leaving is not None
        confirms = node.confirms | {node.silence} if leaving else node.confirms
        return _put_node(
            world, number, node._replace(silence=0, deadline=NEVER, late=None, confirms=confirms)
        )

    def _confirm(self, world: World, number: int, which: int) -> World:
        node = world.nodes[number]
        world = _put_node(world, number, node._replace(confirms=node.confirms - {which}))
        return self._do(world, number, lease.silenced(_view(node), which))

    def _ask(self, world: World, which: int) -> World:
        number, ask = world.asks[which]
        node = world.nodes[number]
        world = world._replace(asks=_without(world.asks, which))
        return self._do(
            world, number, lease.asked(_view(node), self._times(node), self._reading(node), ask), ask
        )

    def _reply(self, world: World, which: int) -> World:
        number, reply = world.replies[which]
        node = world.nodes[number]
        world = world._replace(replies=_without(world.replies, which))
        if node.view is None:
            return world
        return self._do(
            world, number, lease.promised(node.view, self._times(node), self._reading(node), reply)
        )

    def _restart(self, world: World, number: int) -> World:
        return _put_node(world, number, self._born(world.nodes[number], number))

    def _kill(self, world: World, number: int) -> World:
        return _put_node(world, number, world.nodes[number]._replace(view=None, confirms=frozenset()))

    def _force(self, world: World, number: int) -> World:
        node = world.nodes[number]
        return self._do(world, number, lease.force(_view(node), self._times(node), self._reading(node)))

    # -- parts

    def _born(self, node: Node, number: int) -> Node:
        life, called = node.life + 1, name(number, node)
        me = Me("abc"[node.site], called, f"{called}.{life}")
        return node._replace(view=lease.born(me), life=life, confirms=frozenset(), silence=0)

    def _times(self, node: Node) -> LeaseTimes:
        return self.times[min(node.site, 1)]

    def _reading(self, node: Node) -> float:
        return node.clock - node.clock % self.size.resolution

    @staticmethod
    def _others(world: World, number: int) -> tuple[str, ...]:
        return tuple(name(n, each) for n, each in enumerate(world.nodes) if n != number)

    def _do(self, world: World, number: int, step: Step, ask: Ask | None = None) -> World:
        view, actions = step
        world = _put_node(world, number, world.nodes[number]._replace(view=view))
        for action in actions:
            world = self._act(world, number, action, ask)
        return world

    def _act(self, world: World, number: int, action: Action, ask: Ask | None) -> World:
        node = world.nodes[number]
        if isinstance(action, Put):
            return world._replace(puts=(*world.puts, (action.compare, action.record)))
        if isinstance(action, Speak):
            given = action.deadline - (self._reading(node) if self.size.relative else 0)
            late = given if self.size.lag else None
            deadline = node.deadline if self.size.lag else action.deadline
            return _put_node(world, number, node._replace(late=late, deadline=deadline))
        if isinstance(action, Silence):
            return _put_node(world, number, node._replace(silence=action.number))
        if isinstance(action, Ask) and self.size.promises:
            to = {name(n, each): n for n, each in enumerate(world.nodes)}
            return world._replace(asks=(*world.asks, *((to[each], action) for each in action.to)))
        if isinstance(action, Reply) and ask is not None and ask.seen.record is not None:
            back = next(n for n, each in enumerate(world.nodes) if name(n, each) == ask.seen.record.holder)
            return world._replace(replies=(*world.replies, (back, action)))
        return world

    def _tidy(self, world: World) -> World:
        """Equal worlds become equal: what can have no effect any more is left out."""
        nodes = tuple(self._expired(each) for each in world.nodes)
        useful = {
            (each.record.life, each.record.seq)
            for n in nodes
            if n.view is not None
            for each in n.view.attempts
        }
        lives = {n.view.me.life: n.view for n in nodes if n.view is not None}

        def plain(record: Record | None) -> Record | None:
            if record is None or not record.life:
                return record
            if record.life not in lives:
                return record._replace(life="dead", seq=0)
            return record if (record.life, record.seq) in useful or not record.seq else record._replace(seq=0)

        current = 0 if world.record is None else world.revision
        puts = dict.fromkeys(
            (compare, made)
            for compare, record in world.puts
            if (made := plain(record)) is not None and compare in (current, -1)
        )
        asks = tuple(each for each in world.asks if _newest(lives, each[1].seen.record, each[1].number))
        replies = dict.fromkeys(each for each in world.replies if each[1].life in lives)
        history = tuple((revision, plain(record)) for revision, record in world.history)
        return World(nodes, world.revision, plain(world.record), history, tuple(puts), asks, tuple(replies))

    def _expired(self, node: Node) -> Node:
        """Puts whose own time is over are remembered by their heirs alone, as the rules do with the next put."""
        view = node.view
        quiet = node.late is None and node.clock >= node.deadline + self.size.fence
        if node.silence and quiet and (view is None or view.leaving is None):
            node = node._replace(silence=0)
        if view is None:
            return node
        if view.asked is not None and not self.size.promises:
            node = node._replace(view=(view := view._replace(asked=None)))
        if not view.attempts:
            return node
        fresh = tuple(each for each in view.attempts if node.clock < each.sent + each.record.authority)
        if len(fresh) == len(view.attempts):
            return node
        old = view.old_heirs.union(*(each.record.heirs for each in view.attempts if each not in fresh))
        return node._replace(view=view._replace(attempts=fresh, old_heirs=old))


def _newest(lives: Mapping[str, View], record: Record | None, number: int) -> bool:
    """Whether a question is still open: an older one binds who hears it, and that is all."""
    view = None if record is None else lives.get(record.life)
    return view is not None and view.asked is not None and view.asked.number == number


T = TypeVar("T")


def _without(them: tuple[T, ...], which: int) -> tuple[T, ...]:
    return (*them[:which], *them[which + 1 :])


def _view(node: Node) -> View:
    assert node.view is not None
    return node.view


def _put_node(world: World, number: int, node: Node) -> World:
    return world._replace(nodes=(*world.nodes[:number], node, *world.nodes[number + 1 :]))
