"""Processes that outlive their starter: remembered on disk, recognised for certain, ended by pid."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topo.errors import CommandError


@dataclass(frozen=True)
class Process:
    """A process as it was when it was remembered; a recycled pid differs in its start time."""

    name: str
    pid: int
    start: int
    """Kernel clock ticks since boot."""
    command: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        state, start = _stat(self.pid)
        return state not in ("", "Z", "X") and start == self.start


def _stat(pid: int) -> tuple[str, int]:
    """State letter and start time; ("", 0) when there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", 0
    return fields[0], int(fields[19])


def remember(directory: Path, name: str, pid: int) -> Process:
    """Write down a running process as ``directory/name.json``. Raises ``CommandError`` if it is gone."""
    state, start = _stat(pid)
    if state in ("", "Z", "X"):
        raise CommandError(
            f"{name} (pid {pid}) ended as soon as it was started; see the lab's logs directory"
        )
    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    process = Process(name, pid, start, command)
    directory.mkdir(parents=True, exist_ok=True)
    draft = directory / f".{name}.json"
    draft.write_text(json.dumps(vars(process)))
    draft.rename(directory / f"{name}.json")
    return process


def recall(directory: Path, name: str | None = None) -> list[Process]:
    """Remembered processes: all, or those of one node (``name`` or ``name.*``)."""
    found = []
    for path in sorted(directory.glob("[!.]*.json")):
        if name is None or path.stem == name or path.stem.startswith(f"{name}."):
            with suppress(OSError, ValueError, TypeError):
                found.append(Process(**json.loads(path.read_text())))
    return found


def naming(what: str) -> list[int]:
    """Processes of this user whose command line holds such a text, this one excepted."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (
                int(entry.name) != os.getpid()
                and entry.stat().st_uid == os.geteuid()
                and what.encode() in (entry / "cmdline").read_bytes()
            ):
                found.append(int(entry.name))
    return found


def kill(pids: Iterable[int], number: signal.Signals = signal.SIGKILL, deadline: float = 5.0) -> None:
    """Signal these pids and wait up to ``deadline`` seconds for each to end; one that is gone is no error."""
    handles = []
    for pid in pids:
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            handles.append(handle)
            signal.pidfd_send_signal(handle, number)
    for handle in handles:
        ended = select.poll()  # as select, but of any number that a descriptor may have
        ended.register(handle, select.POLLIN)
        ended.poll(deadline * 1000)
        os.close(handle)


def detach(argv: Sequence[str], log: Path, cwd: Path) -> int:
    """Start a program, in a session of its own, that outlives us; returns its pid, by which it is to be remembered.

    What it prints is added to ``log``; so is the reason if it cannot be started. Raises ``CommandError``.
    """
    # A shell between, so that the program is not our child, to be waited for when it dies.
    script = 'log=$1; cd "$2"; shift 2; setsid "$@" >>"$log" 2>&1 </dev/null & echo $!'
    return int(run(["sh", "-c", script, "sh", str(log), str(cwd), *argv]))


def await_ready(known: Process, ready: Callable[[], bool], log: Path, deadline: float) -> None:
    """Wait until a started program is ``ready``; CommandError, with the end of its log, if it ends or never is."""
    end = time.monotonic() + deadline
    while not ready():
        alive = known.alive
        if not alive or time.monotonic() > end:
            what = f"not ready after {deadline:g} s" if alive else "ended"
            said = log.read_text(errors="replace").strip()[-2000:]
            raise CommandError(f"{known.command}: {what}: {said or '(it said nothing)'}")
        time.sleep(0.02)


def favour(pid: int) -> None:
    """Let a program run whenever it can, before everything else on this machine; no error where that is not allowed.

    ``nice`` counts for little: where the kernel groups processes by session it orders a session's own only.
    """
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setscheduler(int(thread), os.SCHED_RR, os.sched_param(1))


def attend(start: Callable[[], subprocess.Popen[Any]]) -> int:
    """Start a program and wait for its end, passing SIGTERM and SIGINT on to it; returns its exit code.

    Ctrl-C at a terminal reaches the program without us. What was ignored before stays so, for both.
    """
    child: subprocess.Popen[Any] | None = None
    early: list[int] = []

    def pass_on(number: int, _frame: object) -> None:
        if child is None:
            early.append(number)
        elif number != signal.SIGINT or not _in_foreground():
            child.send_signal(number)

    heard = [n for n in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in heard}
    try:
        child = start()
        for number in early:
            child.send_signal(number)
        return child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ending() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as an exception does, ``SystemExit`` with 128 + number, so that it cleans up.

    The first counts: what comes while the block cleans up is ignored. For the main thread.
    """
    heard = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]

    def end(number: int, _frame: object) -> None:
        for each in heard:
            signal.signal(each, lambda _number, _frame: None)
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_foreground() -> bool:
    """Whether we are among those to whom our terminal sends its signals."""
    try:
        with open("/dev/tty", "rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


def succeeds(argv: Sequence[str], cwd: Path, deadline: float) -> bool:
    """Whether a program ends well within ``deadline`` seconds."""
    try:
        return (
            subprocess.run(argv, cwd=cwd, capture_output=True, timeout=deadline, check=False).returncode == 0
        )
    except subprocess.TimeoutExpired:
        return False


def run(
    argv: Sequence[str],
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    deadline: float = 20.0,
) -> str:
    """Run a program to its end and return what it printed. Raises ``CommandError``."""
    try:
        done = subprocess.run(
            argv,
            env=None if env is None else {**os.environ, **env},
            input=stdin,
            text=True,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=deadline,
            check=False,
        )
    except FileNotFoundError:
        raise CommandError(f"{argv[0]} is not installed: apt-get install openvswitch-switch") from None
    except subprocess.TimeoutExpired:
        raise CommandError(f"{' '.join(argv)}: no end after {deadline:g} s") from None
    if done.returncode != 0:
        raise CommandError(
            f"{' '.join(argv)}: exit code {done.returncode}: {(done.stderr or done.stdout).strip()}"
        )
    return done.stdout
