"""A lab whose switches are run by a controller: start, kill, watch and re-instruct it as an operator would."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from ruamel.yaml import YAML

from topo import ovs
from topo.demo.actors import ROOT, Controller
from topo.lab import Lab
from topo.ovs import BRIDGE, OpenVSwitch
from topo.plan import CONTROL_ADDRESS

Event = dict[str, Any]
READY_WITHIN = 60.0
_POLL = 0.05


class Balanced:
    """A lab and its controller. As a context manager it starts the controller, waits until all is served, and stops it.

    ``events`` grows as the controller speaks; ``wait_event`` looks only at what was said since the last ``mark``,
    which starting the controller and editing the intent set by themselves.
    """

    def __init__(self, lab: Lab, options: Sequence[str] = ()) -> None:
        """``options``: further ones of the controller's command line."""
        self.lab = lab
        self._directory = tempfile.TemporaryDirectory(prefix="evenkeel-test-")
        self._path = Path(self._directory.name)
        self._controller = Controller(lab, self._path, options)
        self._events: list[Event] = []
        self._mark = 0
        self._original = lab.intent_path.read_text(encoding="utf-8")

    def __enter__(self) -> Balanced:
        self.start_controller()
        self.wait_event("started", READY_WITHIN)
        connect_now(self.lab)
        self.wait_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- the controller's life

    def start_controller(self) -> None:
        """Start it (again, on the same store); see ``wait_ready`` for when it has done its work."""
        (self._path / "state" / "status.json").unlink(missing_ok=True)
        self.mark()
        self._controller.start()

    def kill_controller(self) -> None:
        """``kill -9``."""
        self._controller.kill()

    def listen(self, address: str) -> None:
        """Where switches connect, from the next start on."""
        self._controller.options += ("--listen", address)

    def signal_controller(self, number: int) -> None:
        """SIGSTOP, SIGCONT, SIGTERM."""
        self._controller.signal(number)

    def controller_ended(self) -> int:
        """Its exit code, once it has ended."""
        return self._controller.wait()

    def stop(self) -> None:
        """End the controller and put the intent back as the lab made it. May be repeated."""
        self._controller.kill()
        if self._path.exists():
            if self.lab.intent_path.parent.exists():
                self.lab.intent_path.write_text(self._original, encoding="utf-8")
            self._directory.cleanup()

    # -- what it says

    @property
    def events(self) -> list[Event]:
        """Everything it has said so far, over all its lives."""
        self._events += self._controller.events()
        return self._events

    def mark(self) -> None:
        """``wait_event`` forgets what was said until now."""
        self._mark = len(self.events)

    def since_mark(self) -> list[Event]:
        """What it has said since the last mark."""
        return self.events[self._mark :]

    def last_said(self, count: int) -> str:
        """Its last events, one a line."""
        return "\n".join(map(json.dumps, self.events[-count:]))

    def wait_event(self, name: str, timeout: float = 15.0, **fields: Any) -> Event:
        """The first event of that name since the last mark with all of ``fields``; AssertionError if none comes."""
        end = time.monotonic() + timeout
        while True:
            for event in self.events[self._mark :]:
                if event["event"] == name and all(event.get(key) == value for key, value in fields.items()):
                    return event
            self._controller.check()
            assert time.monotonic() < end, (
                f"no event {name} {fields} within {timeout:g} s; last ones:\n{self.last_said(20)}"
            )
            time.sleep(_POLL)

    def status(self) -> dict[str, Any]:
        """Its status file; empty if there is none yet."""
        return self._controller.status()

    def serves(self) -> bool:
        """Whether it runs, and does not stand by."""
        status = self.status()
        return self._controller.runs and bool(status) and "standby" not in status

    def wait_status(
        self, holds: Callable[[dict[str, Any]], object], what: str, timeout: float = 15.0
    ) -> dict[str, Any]:
        """The first status for which ``holds``; AssertionError, naming ``what``, if none comes."""
        end = time.monotonic() + timeout
        while True:
            status = self.status()
            if status and holds(status):
                return status
            self._controller.check()
            assert time.monotonic() < end, (
                f"not within {timeout:g} s: {what}; status:\n{json.dumps(status, indent=1)}"
            )
            time.sleep(_POLL)

    def wait_ready(self, timeout: float = READY_WITHIN) -> None:
        """Until every switch is synced, every lb admitted, every backend judged up, and writing has ceased."""
        self.wait_status(_all_served, "everything served", timeout)
        self.settle(timeout)

    def settle(self, timeout: float = 15.0) -> None:
        """Until a whole status period has passed without a write, and no pin is unsynced."""
        before: list[dict[str, Any]] = []

        def quiet(status: dict[str, Any]) -> bool:
            if before and status["at"] == before[-1]["at"]:
                return False
            before.append(status)
            return len(before) > 1 and _writes(before[-2]) == _writes(status) and not status["unsynced"]

        self.wait_status(quiet, "a second without writes", timeout)

    # -- what it is told

    def edit_intent(self, change: Callable[[Any], object], timeout: float = 10.0) -> Event:
        """Change the intent file's document in place; returns the event that says that it was accepted."""
        yaml = YAML()
        yaml.preserve_quotes = True
        document = yaml.load(self.lab.intent_path.read_text(encoding="utf-8"))
        change(document)
        text = io.StringIO()
        yaml.dump(document, text)
        draft = self.lab.intent_path.with_name(".intent.yaml.new")
        draft.write_text(text.getvalue(), encoding="utf-8")
        self.mark()
        draft.replace(self.lab.intent_path)
        return self.wait_event("intent_accepted", timeout)

    def command(self, *words: str) -> int:
        """A command to the controller, such as ``failback POOL``; its exit code."""
        self.mark()
        command = [sys.executable, "-m", "controller", *words, "--state", str(self.state)]
        return subprocess.run(command, cwd=ROOT, timeout=60, check=False).returncode

    @property
    def state(self) -> Path:
        """Its state file."""
        return self._path / "state" / "evenkeel.db"


def connect_now(lab: Lab) -> None:
    """Have switches connect that found no controller and wait with the next attempt, for up to 8 s.

    Never without any controller: a switch that is left without forgets all flows.
    """
    for name in _of_ovs(lab):
        if not lab.vsctl(
            name, "--bare", "--columns=target", "find", "controller", "is_connected=true"
        ).strip():
            lab.vsctl(name, "set-controller", BRIDGE, f"tcp:{CONTROL_ADDRESS}:1")
            lab.vsctl(name, *ovs.controllers(lab.fabric, lab.fabric.switches[name]))


def _of_ovs(lab: Lab) -> list[str]:
    return [
        name for name, switch in lab.switches.items() if isinstance(switch, OpenVSwitch) and switch.running()
    ]


def _writes(status: dict[str, Any]) -> int:
    return sum(int(switch.get("writes", 0)) for switch in status["switches"].values())


def _all_served(status: dict[str, Any]) -> bool:
    switches = status["switches"].values()
    backends = [one for pool in status["pools"].values() for one in pool["backends"].values()]
    return (
        all(one.get("synced") for one in switches)
        and sum(one["admitted"] for one in switches) >= min(1, len(switches))
        and not status["probes_pending"]
        and all(one["up"] is not False for one in backends)
    )
