"""Plays a soak in a lab that is up: controller, load, the schedule step by step, and what became of it all."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from topo import process
from topo.demo.actors import READY_WITHIN, DemoError, start_waiting
from topo.demo.load import Target
from topo.demo.ready import Wanted
from topo.demo.records import Connection, Served, read_served, whole_lines
from topo.lab import Lab
from topo.soak import flaps, handmove, signals
from topo.soak.actors import ECHO_TIMEOUT, Client, Controller, Pauses, write_specs
from topo.soak.editor import Done, Editor
from topo.soak.fates import pool_of
from topo.soak.judge import Evidence, Judge
from topo.soak.options import Options
from topo.soak.outcome import Observed, Outcome, Sabotage, conclude
from topo.soak.schedule import Schedule
from topo.soak.stage import Stage
from topo.soak.steps import EDITS, Step

LOOK_EVERY = 0.1
STATUS_EVERY = 0.5
ANSWER_WITHIN = 3.0
"""Seconds that the next edit waits for what the controller makes of the last one."""
QUIET = 3.0
"""Seconds without a write after which a fabric is as it will stay."""
MOST_LATE = 60.0
"""Seconds, and half of the run, that steps may come late."""
MOST_ENDS = 20
"""Times that a controller which ends by itself is started again."""


class Timetable:
    """When steps are due: one that had to wait puts off all that follow, so that nothing is healed too soon."""

    def __init__(self, length: float) -> None:
        self.late = 0.0
        """Seconds by which everything is put off."""
        self._most = MOST_LATE + length / 2

    def due(self, step: Step) -> float:
        """Seconds after the start."""
        return step.at + self.late

    def came(self, step: Step, t: float) -> None:
        """Its turn came ``t`` seconds after the start. Raises ``DemoError`` if that is too late to go on."""
        self.late = max(self.late, t - step.at)
        if self.late > self._most:
            raise DemoError(
                f"the machine is too busy: after {t:.0f} s of the soak it is {self.late:.0f} s late"
            )


@dataclass
class _Seen:
    """What is gathered while it runs."""

    done: list[Done] = field(default_factory=list)
    """Everything but edits, which the editor keeps."""
    events: list[signals.Event] = field(default_factory=list)
    passing: signals.Passing = field(default_factory=signals.Passing)
    ended: list[str] = field(default_factory=list)
    away: list[tuple[float, float]] = field(default_factory=list)
    sabotage: Sabotage | None = None


class Soak:
    """One run in a lab that is up."""

    def __init__(
        self, lab: Lab, stage: Stage, schedule: Schedule, options: Options, console: Console
    ) -> None:
        self._lab = lab
        self._stage = stage
        self._schedule = schedule
        self._options = options
        self._console = console
        self._work = lab.path / "soak"
        self._work.mkdir()
        self._editor = Editor(lab.intent_path, stage.document)
        self._controller = Controller(lab, self._work)
        self._wanted = False
        """Whether the controller should be running."""
        self._gone: float | None = None
        """Since when there is none that has said that it started."""
        self._paused_until = 0.0
        self._clients: list[Client] = []
        self._pauses = Pauses()
        self._strangers: list[subprocess.Popen[str]] = []
        self._seen = _Seen()
        self._next_status = 0.0

    # -- before

    def prepare(self) -> None:
        """Start the controller, and wait until every listener is balanced."""
        self._start()
        waiting = [
            start_waiting(self._lab, client, wanted, self._folder(f"ready-{number}"))
            for client in self._stage.clients
            for number, wanted in enumerate(self._balanced())
        ]
        try:
            deadline = time.monotonic() + READY_WITHIN + 30.0
            while any(one.poll() is None for one in waiting):
                if how := self._controller.ended():
                    raise DemoError(f"the controller ended: {how}")
                if time.monotonic() > deadline:
                    raise DemoError("waiting for the fabric does not end")
                time.sleep(LOOK_EVERY)
            for one in waiting:
                if one.returncode:
                    raise DemoError(
                        f"the fabric is not ready: {one.stderr.read().strip() if one.stderr else ''}"
                    )
        finally:
            for one in waiting:
                one.kill()
                one.wait(10)
        self._watch(time.monotonic() + READY_WITHIN, self._settled)

    def _settled(self) -> bool:
        """Every lb switch is in use, and nothing was written for a while: paths of new connections do not change."""
        used = {switch for _, switch in signals.admissions(self._seen.events)}
        written = [signals.when(one) for one in self._seen.events if signals.name(one) == signals.WRITTEN]
        return used >= set(self._stage.lbs) and time.monotonic() > max(written, default=0.0) + QUIET

    def _folder(self, name: str) -> Path:
        folder = self._work / name
        folder.mkdir(exist_ok=True)
        return folder

    def _balanced(self) -> list[Wanted]:
        """By pool: its listeners, and who has to answer there."""
        groups: dict[frozenset[str], list[Target]] = {}
        for one in self._stage.short:
            pool = pool_of(self._stage.document, one)
            assert pool is not None
            names = frozenset(str(row["name"]) for row in pool["backends"])
            groups.setdefault(names, []).append(Target(one.listener, one.address, one.port))
        return [Wanted(tuple(targets), names, READY_WITHIN) for names, targets in groups.items()]

    def _start(self) -> None:
        self._gone = time.monotonic() if self._gone is None else self._gone
        self._controller.start()
        self._wanted = True

    def _hear(self, event: signals.Event) -> None:
        self._seen.events.append(event)
        self._editor.hear(event)
        self._seen.passing.event(event)
        if signals.name(event) == signals.STARTED and self._gone is not None:
            self._seen.away.append((self._gone, signals.when(event)))
            self._gone = None

    # -- the run

    def play(self) -> tuple[Outcome, float]:
        """Load, steps, proofs; the outcome, and the longest silence in seconds."""
        scale, schedule = self._options.scale, self._schedule
        connections = scale.connections if self._options.connections is None else self._options.connections
        for spec in write_specs(self._stage, scale, schedule.seed, connections, self._work):
            self._clients.append(Client(self._lab, spec, self._work))
        start, timetable = time.monotonic(), Timetable(schedule.end)
        for step in schedule.steps:
            self._watch(start + timetable.due(step))
            self._await_turn(step)
            now = time.monotonic() - start
            timetable.came(step, now)
            done = self._act(step)
            said = f" ({done.why})" if done.why else ""
            self._console.print(
                f"{now:6.1f} s  {step.kind:10} {step.title}{said}", highlight=False, markup=False
            )
        end = max(start + schedule.end + timetable.late, time.monotonic() + schedule.end - schedule.calm)
        self._watch(end)
        for client in self._clients:
            client.finish()
        self._watch(
            time.monotonic() + 2 * ECHO_TIMEOUT, lambda: all(not one.running for one in self._clients)
        )
        for client in self._clients:
            client.wait()
        return self._judged(start, end)

    def _watch(self, until: float, over: Callable[[], bool] = lambda: False) -> None:
        """Look at everything until it is time for the next step, or all is over."""
        while True:
            self._look()
            left = until - time.monotonic()
            if left <= 0 or over():
                return
            time.sleep(min(LOOK_EVERY, left))

    def _look(self) -> None:
        for client in self._clients:
            client.read()
        self._keep_controller()
        for event in self._controller.events():
            self._hear(event)
        now = time.monotonic()
        if now >= self._next_status:
            self._next_status = now + STATUS_EVERY
            self._seen.passing.status(self._controller.status())
        for one in self._strangers:
            if one.poll():
                said = one.stderr.read().strip() if one.stderr else ""
                raise DemoError(f"the sabotage could not be carried out: {said}")

    def _keep_controller(self) -> None:
        """Start it again if it ended by itself, as a supervisor would; what it refuses to start with is taken back."""
        how = self._controller.ended() if self._wanted else None
        if how is None:
            return
        now = time.monotonic()
        if self._editor.pending and how.startswith("exit code 2"):
            self._editor.refused(now, how)
        else:
            self._seen.ended.append(how)
            self._console.print(f"the controller ended by itself: {how}", highlight=False, markup=False)
        if len(self._seen.ended) > MOST_ENDS:
            raise DemoError(f"the controller ends again and again: {how}")
        self._gone = now - LOOK_EVERY if self._gone is None else self._gone
        self._start()

    def _await_turn(self, step: Step) -> None:
        """Before an edit: until the controller has said what it makes of the last one, if it can.

        Before the controller is mistreated: until it has begun to work, or nothing would show.
        """
        now = time.monotonic()
        if step.kind in EDITS and self._wanted and now >= self._paused_until:
            self._watch(now + ANSWER_WITHIN, lambda: not self._editor.pending)
        elif step.target == "controller" and self._wanted:
            self._watch(now + READY_WITHIN, lambda: self._gone is None)

    # -- steps

    def _act(self, step: Step) -> Done:
        if step.kind in EDITS:
            return self._editor.edit(step)
        start = time.monotonic()
        end = self._carry_out(step) or time.monotonic()
        done = Done(step, start, end, "done")
        self._seen.done.append(done)
        return done

    def _carry_out(self, step: Step) -> float | None:
        """Do it; when it will be over, where that is later than now."""
        if step.kind == "controller":
            if step.action == "kill":
                self._wanted, self._gone = False, time.monotonic()
                self._controller.kill()
            else:
                self._start()
        elif step.kind == "clock":
            self._controller.step_clock(float(step.value))
        elif step.kind == "pause":
            return self._pause(step.target, float(step.value))
        elif step.kind == "sabotage":
            self._sabotage()
        elif step.action in ("kill", "cut"):
            self._lab.fail(step.target)
        else:
            self._lab.heal(step.target)
        return None

    def _pause(self, target: str, seconds: float) -> float:
        end = time.monotonic() + seconds
        if target == "controller":
            pids = self._controller.family()
            self._paused_until = end
        else:
            pids = [one.pid for one in process.recall(self._lab.path / "pids", target) if one.alive]
        self._pauses.pause(pids, seconds)
        return end

    def _sabotage(self) -> None:
        connections = [one for client in self._clients for one in client.log.connections.values()]
        moved, to, stranger = handmove.move(
            self._lab, self._stage, self._editor.document, connections, self._options.seed, self._work
        )
        self._seen.sabotage = Sabotage(moved.id, moved.server or "", to, time.monotonic())
        self._strangers += [stranger] if stranger is not None else []
        self._console.print(f"          {moved.id} moves from {moved.server} to {to}", highlight=False)

    # -- after

    def _judged(self, start: float, end: float) -> tuple[Outcome, float]:
        seen, logs = self._seen, [client.log for client in self._clients]
        done = tuple(sorted([*seen.done, *self._editor.done], key=lambda one: one.start))
        away = tuple(seen.away) if self._gone is None else (*seen.away, (self._gone, float("inf")))
        evidence = Evidence(
            self._stage,
            start,
            done,
            signals.table_changes(seen.events, self._stage.lbs),
            signals.admissions(seen.events),
            signals.departures(seen.events),
            signals.relinked(seen.events),
            away,
            signals.writes(seen.events, set(self._stage.edges.values())),
            signals.connections(seen.events),
            signals.syncs(seen.events),
            signals.notes(seen.events),
            self._probe(),
            max((log.lag for log in logs), default=0.0),
            self._flaps(),
            signals.withdrawals(seen.events),
            signals.starved(seen.events),
        )
        judge = Judge(evidence, self._served())
        connections: list[Connection] = [one for log in logs for one in log.connections.values()]
        observed = Observed(
            self._schedule,
            start,
            end,
            done,
            seen.passing,
            tuple(one for log in logs for one in log.requests),
            tuple(seen.ended),
            seen.sabotage,
            max((log.lag for log in logs), default=0.0),
            len(flaps.unprovoked(self._stage, done, evidence.flaps)),
        )
        silence = max((one.longest_silence() for one in connections), default=0.0)
        return conclude(observed, [judge.judge(one) for one in connections]), silence

    def _probe(self) -> tuple[float, int, int]:
        checks = [pool.get("health") or {} for pool in self._stage.document["pools"]]
        return min(
            (signals.seconds(one.get("interval", 1)), int(one.get("rise", 2)), int(one.get("fall", 3)))
            for one in checks
        )

    def _flaps(self) -> tuple[flaps.Flap, ...]:
        """What Open vSwitches logged of BFD, by the wall clock, which is not stepped but for the controller."""
        ahead = time.time() - time.monotonic()
        return tuple(
            one
            for log in sorted(self._lab.path.glob("switches/*/ovs-vswitchd.log"))
            for one in flaps.read(log.parent.name, log.read_text(encoding="utf-8", errors="replace"), ahead)
        )

    def _served(self) -> Iterator[Served]:
        for log in sorted(self._lab.logs.glob("*.jsonl")):
            yield from read_served(log.stem, whole_lines(log.read_text(encoding="utf-8")))

    def stop(self, keep: Path) -> None:
        """End what was started, and keep its logs in ``keep``."""
        self._pauses.end()
        for stranger in self._strangers:
            stranger.kill()
            stranger.wait(10)
        for client in self._clients:
            client.kill()
        self._controller.kill()
        shutil.copytree(self._work, keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("state"))
        self._lab.keep_logs(keep)
