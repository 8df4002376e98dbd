"""A controller small enough for a test: it answers what switches say with pins, on all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from controller.plan.pins import PinBook, PinKey
from controller.spec.switch import Fate, HeldPin, PinRole, PinSpec
from p4src.hashes import slot
from p4src.ids import Reason
from tests.p4.box import Box, Idle, Punt, Said
from tests.p4.scene import Scene
from tests.p4.traffic import Crowd

IDLE = 900
"""Idle timeout of pins, seconds."""
_TRIES = 100
"""Looks at switches for something that should be said; BMv2 is given time at each."""


class Keeper:
    """Holds switches to one scene, and its pins."""

    def __init__(self, boxes: Sequence[Box], scene: Scene) -> None:
        self.boxes = tuple(boxes)
        self.scene = scene
        self.pins = PinBook()
        self.heard: Counter[Reason] = Counter()
        self.punts: list[Punt] = []
        self.apply()

    def change(self, scene: Scene) -> None:
        """Everything is to be like this now; pins stay, but those of backends that give their connections away."""
        self.scene = scene
        leaving = {number for number, fate in scene.fates.items() if fate in (Fate.MOVE, Fate.RESET)}
        self.pins.drop([key for key, pin in self.pins.pins.items() if pin.backend in leaving])
        self.apply()

    def apply(self) -> None:
        """Write what differs to every switch."""
        for box in self.boxes:
            mine = replace(self.scene, name=box.name, pins=tuple(self._held(box.name)))
            box.hold(mine.target())

    def step(self) -> bool:
        """Deal with what the switches said; whether any pin changed."""
        changed = False
        for box in self.boxes:
            for told in box.told():
                if isinstance(told, Punt):
                    self.heard[told.reason] += 1
                    self.punts.append(told)
                else:
                    changed |= self._pin(box.name, told)
        if changed:
            self.apply()
        return changed

    def until(self, condition: Callable[[], bool], again: Callable[[], object] = lambda: None) -> None:
        """Deal with what is said until something is so; ``again`` before each further look. Raises AssertionError."""
        for _ in range(_TRIES):
            self.step()
            if condition():
                return
            again()
        raise AssertionError(f"it did not come about; heard so far: {dict(self.heard)}")

    def sync(self, crowd: Crowd) -> None:
        """Let all clients send until each connection has a pin that the slot table would take elsewhere."""
        table = self.scene.table.now
        wanted = {
            talk.key
            for talk in crowd.talks
            if talk.backend and table[slot(talk.client, talk.port, len(table))] != talk.backend
        }
        self.until(lambda: wanted <= set(self.pins.pins), crowd.exchange)

    def _pin(self, switch: str, told: Said | Idle) -> bool:
        key = PinKey(told.listener, told.client, told.port)
        known = self.pins.pins.get(key)
        if isinstance(told, Idle):
            return known is not None and self.pins.idle(switch, known.id)
        self.heard[told.reason] += 1
        if (
            told.reason in (Reason.FOUND, Reason.OVERFLOW)
            and known is not None
            and known.backend != told.backend
        ):
            return False
        if told.reason in (Reason.EXCEPTION, Reason.YOUNG, Reason.OVERFLOW, Reason.FOUND):
            protocol = self.scene.service(told.listener).protocol
            return self.pins.report(switch, key, protocol, told.backend)
        if known is None:
            return False
        if told.reason is Reason.PIN_SEEN:
            return self.pins.seen(switch, known.id)
        # Told again until the pin is gone: the last of it may come after the right pin was made.
        stale = told.reason is Reason.PIN_STALE and known.backend != told.backend
        return stale and self.pins.stale(known.id)

    def _held(self, switch: str) -> list[HeldPin]:
        out = []
        for pin in self.pins.pins.values():
            spec = PinSpec(pin.id, pin.key.listener, pin.protocol, pin.key.source, pin.key.port, pin.backend)
            role = PinRole.REPORTER if pin.reporter == switch else PinRole.SIBLING
            out.append(HeldPin(spec, role, IDLE))
        return out
