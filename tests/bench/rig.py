"""What benchmarks in a lab share: a topology with services, the controller beside it, and programs that end with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from topo.errors import LabError
from topo.lab import Lab
from topo.model import Services, Topology
from topo.plan import CONTROL_ADDRESS, OPENFLOW_PORT

ROOT = Path(__file__).resolve().parents[2]
LISTEN = f"{CONTROL_ADDRESS}:{OPENFLOW_PORT}"
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_PACKAGES = {"nginx": "nginx-light", "ovs-vswitchd": "openvswitch-switch"}
_END_WITHIN = 5.0

Event = dict[str, Any]


def require(*programs: str) -> dict[str, str]:
    """Paths of these programs. Raises RuntimeError naming what lacks and how to get it, or that root is needed."""
    if os.geteuid() != 0:
        raise RuntimeError("needs network namespaces: run as root")
    found = {name: shutil.which(name, path=_PATH) for name in programs}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        packages = " ".join(_PACKAGES.get(name, name) for name in missing)
        raise RuntimeError(
            f"not installed: {', '.join(missing)}; `make bench` installs them (apt-get install {packages})"
        )
    return {name: path for name, path in found.items() if path is not None}


def topology(base: Topology, name: str, pools: Sequence[Event], vips: Sequence[Event]) -> Topology:
    """``base`` under another name, and with these services instead of its own."""
    return base.model_copy(update={"name": name, "services": Services(pools=tuple(pools), vips=tuple(vips))})


@contextmanager
def lab(plan: Topology, tso: bool) -> Iterator[Rig]:
    """A lab that is up, named so that several benches can run side by side; nothing is left of it afterwards.

    Raises RuntimeError when it cannot be built.
    """
    name = f"{plan.name}{os.getpid()}"
    try:
        built = Lab.up(plan, name=name, tso=tso, temporary=True)
    except LabError as error:
        raise RuntimeError(str(error)) from error
    with ExitStack() as stack:
        stack.callback(built.down)
        yield Rig(built, stack)


class Rig:
    """A lab and the programs that run in it; they end in the reverse order of their start."""

    def __init__(self, built: Lab, stack: ExitStack) -> None:
        self.lab = built
        self._stack = stack
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evenkeel-bench-")))

    def start(self, node: str, argv: Sequence[str], **kwargs: Any) -> subprocess.Popen[Any]:
        """Start a program on a node; it is killed when the lab ends, with what it started in its session."""
        process = self.lab.popen(node, argv, start_new_session=True, **kwargs)
        self._stack.callback(end, process)
        return process

    def switch_cpu(self, name: str) -> float:
        """CPU seconds that a switch's ovs-vswitchd has used."""
        pidfile = self.lab.path / "switches" / name / "ovs-vswitchd.pid"
        return cpu(int(pidfile.read_text()))

    def controller(self, intent: Path | None = None, module: str = "controller") -> Journal:
        """Start ``evenkeel run`` with an intent (None: the lab's); its store is in ``folder``."""
        argv = [sys.executable, "-m", module, "run", str(intent or self.lab.intent_path)]
        argv += ["--state", str(self.folder / "evenkeel.db"), "--listen", LISTEN, "--listen-insecure"]
        errors = (self.folder / "controller.log").open("wb")
        self._stack.callback(errors.close)
        process = self.start("ctl", argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)
        return Journal(process, self.folder / "controller.log")


def cpu(pid: int) -> float:
    """CPU seconds, user and system, of a process and all its threads so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def end(process: subprocess.Popen[Any]) -> None:
    """Kill a program that ``Rig.start`` started, and all of its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    if process.stdout is not None:
        process.stdout.close()
    process.wait(_END_WITHIN)


class Journal:
    """What a running controller says."""

    def __init__(self, process: subprocess.Popen[Any], errors: Path) -> None:
        self.process = process
        self.events: list[Event] = []
        self._errors = errors
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            for line in self.process.stdout:
                with self._news:
                    self.events.append(json.loads(line))
                    self._news.notify_all()
        except ValueError:
            pass  # closed while it was read: the bench is over
        with self._news:
            self._news.notify_all()

    def wait(self, enough: Callable[[list[Event]], bool], what: str, deadline: float = 30.0) -> None:
        """Until ``enough`` of all events so far. Raises RuntimeError naming ``what`` did not come."""
        limit = time.monotonic() + deadline
        with self._news:
            while not enough(self.events):
                left = limit - time.monotonic()
                if left <= 0 or self.process.poll() is not None:
                    said = self._errors.read_text(errors="replace").strip()[-500:]
                    raise RuntimeError(
                        f"the controller did not get to: {what} (within {deadline:g} s) {said}"
                    )
                self._news.wait(min(left, 0.5))
