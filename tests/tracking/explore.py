"""Every order of a bounded number of events in a small fabric: the shortest way to a broken connection, or none."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.tracking.model import Broken, Rules, Size, World

Budget = Mapping[str, int]
"""How often each kind of event may happen; what has no budget does not."""


@dataclass(frozen=True)
class Found:
    """What an exploration came to."""

    states: int
    sequence: tuple[str, ...] = ()
    """Events that end with a broken connection; none: there is no such sequence."""
    finished: bool = True
    """All states were visited."""


def explore(size: Size, budget: Budget, rules: Rules | None = None, limit: int = 2_000_000) -> Found:
    """Breadth first, at most ``limit`` states."""
    names = tuple(sorted(budget))
    start, left = World.new(size, rules), tuple(budget[name] for name in names)
    seen: dict[tuple[object, ...], tuple[tuple[object, ...], str] | None] = {(start.key(), left): None}
    queue = deque([(start, left)])
    while queue:
        world, left = queue.popleft()
        here = (world.key(), left)
        for name, event, target in events(world, dict(zip(names, left, strict=True))):
            made = world.copy()
            try:
                play(made, event, target)
            except Broken as broken:
                return Found(len(seen), (*_path(seen, here), f"{name}: {broken}"))
            spent = tuple(n - (each == event) for each, n in zip(names, left, strict=True))
            there = (made.key(), spent)
            if there not in seen:
                seen[there] = (here, name)
                queue.append((made, spent))
        if len(seen) > limit:
            return Found(len(seen), finished=False)
    return Found(len(seen))


def _path(seen: Mapping[tuple[object, ...], tuple[tuple[object, ...], str] | None], at: tuple[object, ...]) -> list[str]:
    out: list[str] = []
    while (step := seen[at]) is not None:
        at = step[0]
        out.append(step[1])
    return out[::-1]


Target = tuple[int, ...]


def events(world: World, left: Mapping[str, int]) -> Iterator[tuple[str, str, Target]]:
    """All that may happen now: (what to call it, its kind, its target)."""
    yield from _always(world)
    size = world.size
    if left.get("tick"):
        yield "tick", "tick", ()
    if left.get("move"):
        for slot in range(size.slots):
            for to in range(1, size.backends + 1):
                if to != world.plan.now[slot] and to not in world.gone:
                    yield f"move slot {slot} to {to}", "move", (slot, to)
    for number, lb in enumerate(world.lbs):
        if left.get("cut") and lb.linked:
            yield f"cut lb{number}", "cut", (number,)
        if left.get("jam") and not lb.jammed:
            yield f"lb{number} carries nothing out", "jam", (number,)
        if left.get("mute") and not lb.mute:
            yield f"reports of lb{number} are lost", "mute", (number,)
        if left.get("die") and number in world.ways:
            yield f"lb{number} dies", "die", (number,)
    if left.get("gone") and not world.gone:
        for backend in set(range(1, size.backends + 1)) - set(world.plan.now.tolist()):
            yield f"backend {backend} gives away", "gone", (backend,)
    yield from _of_keys(world, left)


def _always(world: World) -> Iterator[tuple[str, str, Target]]:
    wanted = world.wanted()
    for number, lb in enumerate(world.lbs):
        lacks = lb.entries != wanted or lb.held != world.plan.revision
        if lb.linked and not lb.jammed and (lacks or any((p[0] if p else 0) != w for p, w in zip(lb.pins, world.pins, strict=True))):
            yield f"lb{number} is written", "sync", (number,)
        if not lb.linked or lb.jammed or lb.mute:
            yield f"lb{number} is well again", "heal", (number,)
    if world.gone:
        yield "the backend is back", "back", ()


def _of_keys(world: World, left: Mapping[str, int]) -> Iterator[tuple[str, str, Target]]:
    for key, connection in enumerate(world.connections):
        for other in range(world.size.lbs):
            if other == world.ways[key]:
                continue
            for kind in ("reroute", "reroute_unseen"):
                if left.get(kind):
                    yield f"{kind} key {key} to lb{other}", kind, (key, other)
            if connection and left.get("stray"):
                yield f"a stray packet of key {key} via lb{other}", "stray", (key, other)
        if connection is None:
            if left.get("open"):
                yield f"SYN of key {key} via lb{world.ways[key]}", "open", (key,)
        else:
            yield f"data of key {key} via lb{world.ways[key]}", "speak", (key,)
            yield f"key {key} closes", "close", (key,)


def play(world: World, event: str, target: Target) -> None:
    """Let it happen. Raises Broken."""
    match event:
        case "tick":
            world.tick()
        case "move":
            world.move(*target)
        case "sync":
            world.sync(*target)
        case "cut":
            world.lbs[target[0]].linked = False
        case "heal":
            world.heal(*target)
        case "jam":
            world.lbs[target[0]].jammed = True
        case "mute":
            world.lbs[target[0]].mute = True
        case "die":
            world.die(*target)
        case "gone":
            world.give(*target)
        case "back":
            world.give()
        case "reroute" | "reroute_unseen":
            world.reroute(*target, seen=event == "reroute")
        case "stray":
            world.stray(*target)
        case "open":
            world.open(*target)
        case "speak":
            world.speak(*target)
        case "close":
            world.connections[target[0]] = None
        case _:
            raise ValueError(event)
