"""A whole controller whose switches hold words, and what a test does with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from controller.core.switchtask import SwitchTask
from controller.southbound.openflow import events as openflow
from controller.spec.types import Intent, Switch
from tests.fakes.core import PlainDriver, Stream, Whole, intent_file, play, until, whole
from topo.model import SwitchKind


class Dialler:
    """Keeps whom it was asked to connect to."""

    def __init__(self) -> None:
        self.dialled: dict[int, tuple[str, str, int]] = {}
        """Name, address and term by device id."""
        self.released: list[str] = []

    @property
    def terms(self) -> dict[str, int]:
        return {name: term for name, _, term in self.dialled.values()}

    @property
    def addresses(self) -> dict[str, str]:
        return {name: address for name, address, _ in self.dialled.values()}

    def connect(self, name: str, address: str, device_id: int, term: int) -> None:
        self.dialled[device_id] = name, address, term

    def release(self, device_id: int) -> None:
        name, _, _ = self.dialled.pop(device_id)
        self.released.append(name)


class Core:
    """A whole controller whose switches hold words."""

    def __init__(self, it: Whole) -> None:
        self.it, self.app, self.core = it, it.app, it.app.controller
        self.drivers: dict[str, PlainDriver] = {}
        self.dialler = Dialler()
        self.core.dialler = self.dialler
        object.__setattr__(self.core._p, "driver", self._driver)

    def _driver(self, switch: Switch, session: object) -> PlainDriver:
        assert isinstance(session, Stream)
        made = self.drivers[switch.name] = PlainDriver(switch)
        made.stream = session
        return made

    @property
    def intent(self) -> Intent:
        return self.app.state.intent.value

    def switch(self, name: str) -> Switch:
        return next(switch for switch in self.intent.switches if switch.name == name)

    def connect(self, *names: str) -> None:
        for name in names:
            self.core.handle(openflow.Connected(Stream(self.switch(name).id)))  # type: ignore[arg-type]

    def disconnect(self, name: str) -> None:
        self.core.handle(openflow.Disconnected(self.drivers[name].stream))  # type: ignore[arg-type]

    def task(self, name: str) -> SwitchTask:
        found = self.app.fleet.named(name)
        assert found is not None, name
        return found

    def is_synced(self, name: str) -> bool:
        task = self.app.fleet.named(name)
        return task is not None and self.app.fleet.is_synced(task.switch.id)

    async def synced(self, *names: str) -> None:
        await until(lambda: all(self.is_synced(name) for name in names), f"{names} synced")

    def propose(self, new: Intent) -> None:
        assert self.app.intents.propose(new) == []

    def without(self, name: str) -> Intent:
        """The intent without a switch."""
        switches = tuple(
            replace(s, ports=tuple(p for p in s.ports if p.to != name))
            for s in self.intent.switches
            if s.name != name
        )
        return replace(self.intent, switches=switches)

    def renamed(self, old: str, new: str) -> Intent:
        """The intent with a switch that is called otherwise."""

        def called(name: str) -> str:
            return new if name == old else name

        switches = tuple(
            replace(
                s, name=called(s.name), ports=tuple(replace(port, to=called(port.to)) for port in s.ports)
            )
            for s in self.intent.switches
        )
        return replace(self.intent, switches=switches)

    def play(self, story: object) -> None:
        """Run a story beside the controller's own tasks."""
        play(story, self.app.state.run, self.app.fleet.run, self.app.timers.run)  # type: ignore[arg-type]


def core_of_pair(folder: Path, kind: SwitchKind = "ovs") -> Core:
    """One edge, two lb switches and a leaf of a kind, none of which is connected; the intent file is in ``folder``."""
    return Core(whole(intent_file(folder / "intent.yaml", "pair", kind)))
