"""All that may happen in the model's world, and letting it happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from tests.tracking.model import World


class Event(NamedTuple):
    """Something that may happen."""

    name: str
    """What to call it."""
    kind: str
    target: tuple[int, ...]


Left = Mapping[str, int]
"""How often each kind may still happen. What only answers something else (a write, data, a repair) always may."""


def events(world: World, left: Left) -> Iterator[Event]:
    """All that may happen now."""
    if left.get("tick"):
        yield Event("tick", "tick", ())
    for of in (_of_switches, _of_slots, _of_backends, _of_keys):
        yield from of(world, left)


def play(world: World, kind: str, target: tuple[int, ...]) -> None:
    """Let it happen. Raises Broken."""
    _PLAY[kind](world, *target)


def _of_switches(world: World, left: Left) -> Iterator[Event]:
    for number, lb in enumerate(world.lbs):
        if lb.linked and not lb.jammed and world.lacks(number):
            yield Event(f"lb{number} is written", "sync", (number,))
        if not lb.linked or lb.jammed or lb.mute:
            yield Event(f"lb{number} is well again", "heal", (number,))
        for kind, may in (
            ("cut", lb.linked),
            ("jam", not lb.jammed),
            ("mute", not lb.mute),
            ("die", number in world.ways),
        ):
            if left.get(kind) and may:
                yield Event(f"{kind} lb{number}", kind, (number,))


def _of_slots(world: World, left: Left) -> Iterator[Event]:
    for number, site in enumerate(world.sites if world.parted else world.sites[:1]):
        where, target = (f" at site {number}", (number,)) if world.parted else ("", ())
        for slot in range(world.size.slots if left.get("move") else 0):
            for to in range(1, world.size.backends + 1):
                if to != site.plan.now[slot] and to not in world.gone:
                    yield Event(f"move slot {slot} to {to}{where}", "move", (slot, to, *target))
    if left.get("rehash") and all(site.rehash is None for site in world.sites):
        yield Event("slots are to be taken otherwise", "rehash", ())
    if world.parted:
        yield Event("sites join", "join", ())
    elif left.get("part") and world.size.sites > 1:
        yield Event("sites part", "part", ())


def _of_backends(world: World, left: Left) -> Iterator[Event]:
    if world.gone:
        yield Event("the backend is back", "back", ())
    elif left.get("gone"):
        for backend in sorted(
            set(range(1, world.size.backends + 1))
            - {owner for site in world.sites for owner in site.plan.now.tolist()}
        ):
            yield Event(f"backend {backend} gives away", "gone", (backend,))


def _of_keys(world: World, left: Left) -> Iterator[Event]:
    for key, way in enumerate(world.ways):
        opened = world.connections[key] is not None
        if opened:
            yield Event(f"data of key {key} via lb{way}", "speak", (key,))
            yield Event(f"key {key} closes", "close", (key,))
        elif left.get("open"):
            yield Event(f"SYN of key {key} via lb{way}", "open", (key,))
        kinds = ("reroute", "reroute_unseen", "stray") if opened else ("reroute", "reroute_unseen")
        for other in set(range(world.size.lbs)) - {way}:
            for kind in kinds:
                if left.get(kind):
                    yield Event(f"{kind} of key {key}, by lb{other}", kind, (key, other))


def _put(name: str, value: bool) -> Callable[[World, int], None]:
    def put(world: World, number: int) -> None:
        setattr(world.lbs[number], name, value)

    return put


def _part(world: World) -> None:
    world.parted = True


_PLAY: Mapping[str, Callable[..., None]] = {
    "tick": World.tick,
    "sync": World.sync,
    "heal": World.heal,
    "cut": _put("linked", False),
    "jam": _put("jammed", True),
    "mute": _put("mute", True),
    "die": World.die,
    "move": World.move,
    "rehash": World.turn,
    "gone": World.give,
    "back": World.give,
    "part": _part,
    "join": World.join,
    "open": World.open,
    "speak": World.speak,
    "close": World.close,
    "reroute": World.reroute,
    "reroute_unseen": World.reroute_unseen,
    "stray": World.stray,
}
