"""The controller as a process, for switches that tests make: its intent asks no server and leads nowhere but here."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ruamel.yaml import YAML

from tests.fakes.core import text
from topo import model

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0
"""Seconds to wait for what never comes."""


def quiet_intent(
    topology: str = "pair", change: Callable[[Any], object] = lambda document: None, kind: str = "ovs"
) -> str:
    """The intent of a topology without probes, whose switches are dialled nowhere but here."""
    yaml = YAML()
    document = yaml.load(text(topology, _KINDS[kind]))
    for pool in document["pools"]:
        pool.pop("health", None)
    for switch in document["switches"]:
        if "ovsdb" in switch:
            switch["ovsdb"] = "tcp:127.0.0.1:1"
    change(document)
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


_KINDS: dict[str, model.SwitchKind] = {"ovs": "ovs", "embedded": "embedded"}


class Running:
    """``evenkeel run`` in a folder; as a context manager it is killed at the end."""

    def __init__(
        self,
        folder: Path,
        intent: str | None,
        stdout: int | IO[Any] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """``intent``: None: it is run without a file.

        ``stdout``: where its journal goes; None: a file, which ``events`` reads. ``options``: further ones."""
        folder.mkdir(exist_ok=True)
        self._options = options
        self.folder = folder
        self.intent = folder / "intent.yaml"
        self._files = [] if intent is None else [str(self.intent)]
        if intent is not None:
            self.intent.write_text(intent, encoding="utf-8")
        self.state = folder / "state.db"
        self.port = free_port()
        self._journal = folder / "journal.jsonl"
        self._errors = folder / "errors.txt"
        self._stdout = stdout
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "controller", "run", *self._files, "--state", str(self.state)]
        argv += ["--listen", f"127.0.0.1:{self.port}", *self._options]
        with self._journal.open("ab") as out, self._errors.open("ab") as err:
            return subprocess.Popen(
                argv,
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=out if self._stdout is None else self._stdout,
                stderr=err,
            )

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    @property
    def errors(self) -> list[str]:
        """Lines of its standard error."""
        return self._errors.read_text(encoding="utf-8", errors="replace").splitlines()

    def events(self) -> list[dict[str, Any]]:
        """All that it has said."""
        whole = self._journal.read_bytes().rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]

    def wait_event(self, name: str, timeout: float = PATIENCE, **fields: Any) -> dict[str, Any]:
        """The first event of that name with all of ``fields``."""

        def said() -> dict[str, Any] | None:
            found = (e for e in self.events() if e["event"] == name)
            return next((e for e in found if all(e.get(k) == v for k, v in fields.items())), None)

        event = self.wait(said, f"event {name} {fields}", timeout)
        assert isinstance(event, dict)
        return event

    def status(self) -> dict[str, Any]:
        """Its status file; empty if there is none."""
        try:
            value = json.loads(self.folder.joinpath("status.json").read_text(encoding="utf-8"))
        except OSError:
            return {}
        assert isinstance(value, dict)
        return value

    def wait(self, holds: Callable[[], object], what: str, timeout: float = PATIENCE) -> object:
        """The first true value of ``holds``; AssertionError if there is none, or the process ended."""
        end = time.monotonic() + timeout
        while not (found := holds()):
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.errors[-3:]}"
            tail = self.events()[-8:] if self._stdout is None else []
            assert time.monotonic() < end, f"not within {timeout:g} s: {what}; {tail}; {self.errors[-3:]}"
            time.sleep(0.02)
        return found

    def again(self) -> None:
        """Kill it, and start it again on what it stored."""
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process = self._start()

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def ended(self) -> int:
        """Its exit code, once it has ended by itself."""
        return self.process.wait(PATIENCE)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
