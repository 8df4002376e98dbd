"""Plays the demo: a lab, a controller, load, the scripted events, and the verdict at the end."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from topo import codes, state
from topo.demo import html, live, report, sabotage, scoreboard
from topo.demo.actors import (
    ACTIVE,
    READY_WITHIN,
    Client,
    Controller,
    DemoError,
    LoadPlan,
    Stage,
    start_strange_pin,
    start_waiting,
    write_specs,
)
from topo.demo.events import FULL, Fleet, Happened, Kind, Pace, Script, Step, write_script
from topo.demo.intentfile import IntentFile
from topo.demo.load import Target
from topo.demo.outcome import Observed, Outcome, conclude
from topo.demo.ready import Wanted
from topo.demo.records import Served, read_served, whole_lines
from topo.demo.scale import OVS, Scale
from topo.demo.strangepin import Strange
from topo.lab import Lab
from topo.sim.lab import SimLab

ECHO_PORT, HTTP_PORT = 7000, 80
PICTURE_EVERY = 1.0
LOOK_EVERY = 0.1
SIMULATED = (
    "hosts are simulated, which needs no privileges (root gets real ones): servers and clients are processes with a "
    "small TCP of their own, cables are Unix sockets; switches, P4Runtime and the controller are real, its health "
    "checks go to loopback addresses"
)
QUIET_EVENTS = frozenset({"status"})
"""Controller events that are no news."""


@dataclass(frozen=True)
class Options:
    """How the demo is run."""

    out: Path
    seed: int = 1
    sabotage: bool = False
    scale: Scale = OVS
    """Which kind of switch, and what fits it."""
    connections: int | None = None
    """Long-lived ones; None: as many as fit."""
    keep: bool = False
    """Leave the lab up afterwards."""
    pace: Pace = FULL
    topology: str | Path = "demo"
    lab: str = "demo"
    """Name of the lab."""
    simulated: bool = False
    """Without namespaces and kernels: for those who are not root."""


class Demo:
    """One run in a lab that is up."""

    def __init__(self, lab: Stage, options: Options, console: Console) -> None:
        self._lab = lab
        self._options = options
        self._console = console
        self._work = lab.path / "demo"
        self._work.mkdir()
        self._intent = IntentFile(lab.intent_path)
        if options.scale.probe is not None:
            self._intent.set_probe(options.scale.probe)
        self._servers = self._intent.servers()
        weights = {name: one.weight for name, one in self._servers.items()}
        self._script: Script = write_script(
            options.seed, weights, self._intent.switches("lb"), options.sabotage, options.pace
        )
        self._fleet = Fleet(weights, frozenset({self._script.late}))
        self._long = self._intent.endpoints(ECHO_PORT)
        self._short = self._intent.endpoints(HTTP_PORT)
        self._controller = Controller(lab, self._work)
        self._clients: list[Client] = []
        self._strangers: list[subprocess.Popen[str]] = []
        self._client_names = [host.name for host in lab.fabric.hosts.values() if host.kind == "client"]

    # -- before

    def prepare(self) -> None:
        """Start the controller with one backend left out, and wait until every listener is balanced."""
        self._intent.leave_out(self._script.late)
        self._controller.start()
        targets = tuple(Target(one.listener, one.address, one.port) for one in self._short)
        wanted = Wanted(targets, frozenset(self._fleet.serving()), READY_WITHIN)
        waiting = [start_waiting(self._lab, name, wanted, self._work) for name in self._client_names]
        try:
            deadline = time.monotonic() + READY_WITHIN + 30.0
            while any(process.poll() is None for process in waiting):
                self._controller.check()
                if time.monotonic() > deadline:
                    raise DemoError("waiting for the fabric does not end")
                time.sleep(LOOK_EVERY)
            for name, process in zip(self._client_names, waiting, strict=True):
                if process.returncode:
                    said = process.stderr.read().strip() if process.stderr else ""
                    raise DemoError(f"the fabric is not ready, seen from {name}: {said}")
        finally:
            for process in waiting:
                process.kill()
                process.wait(10)

    # -- the run

    def play(self) -> Outcome:
        """Load, events, proofs; the outcome."""
        scale = self._options.scale
        connections = scale.connections if self._options.connections is None else self._options.connections
        plan = LoadPlan(connections, scale.rate, self._options.seed, self._options.pace.silent)
        for spec in write_specs(plan, self._client_names, self._long, self._short, self._work):
            self._clients.append(Client(self._lab, spec, self._work))
        start = time.monotonic()
        logs = [client.log for client in self._clients]
        view = live.View(self._script, self._fleet, self._intent.verdict_seconds(), scale, logs, start)
        with self._picture(view) as draw:
            for step in self._script.steps:
                self._watch(view, start + step.at, draw)
                now = time.monotonic()
                self._act(step)
                view.happened.append(Happened(step, now))
                self._say(f"{now - start:6.1f} s  {step.title}")
            self._watch(view, start + self._script.finish_at, draw)
            for client in self._clients:
                client.finish()
            for client in self._clients:
                client.wait()
            draw()
        return conclude(self._observed(view))

    def _observed(self, view: live.View) -> Observed:
        return Observed(
            seed=self._options.seed,
            sabotage=self._options.sabotage,
            steps=len(self._script.steps),
            fleet=self._fleet,
            start=view.start,
            end=max((client.log.ended or view.start for client in self._clients), default=view.start),
            happened=tuple(view.happened),
            endpoints=(*self._long, *self._short),
            clients=tuple(client.log for client in self._clients),
            served=tuple(self._served()),
            scale=self._options.scale,
            simulated=self._options.simulated,
            silence=self._options.pace.silence,
            verdict_seconds=view.verdict_seconds,
            said=tuple(view.said),
        )

    def _served(self) -> Iterator[Served]:
        for name in self._servers:
            text = (self._lab.logs / f"{name}.jsonl").read_text(encoding="utf-8")
            yield from read_served(name, whole_lines(text))

    def _watch(self, view: live.View, until: float, draw: Callable[[], None]) -> None:
        """Look at everything until it is time for the next event."""
        next_picture = time.monotonic()
        while (now := time.monotonic()) < until:
            for client in self._clients:
                client.read()
            self._controller.check()
            self._check_strangers()
            view.said += [note for note in map(_note, self._controller.events()) if note]
            if now >= next_picture:
                view.status = self._controller.status()
                draw()
                next_picture = now + PICTURE_EVERY
            time.sleep(min(LOOK_EVERY, max(0.0, until - time.monotonic())))

    @contextmanager
    def _picture(self, view: live.View) -> Iterator[Callable[[], None]]:
        """A live picture on a terminal; elsewhere only the events are printed, line by line."""
        if not self._console.is_terminal:
            yield lambda: None
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as shown:
            yield lambda: shown.update(live.render(view, time.monotonic()), refresh=True)

    def _say(self, line: str) -> None:
        if not self._console.is_terminal:
            self._console.print(line, highlight=False)

    # -- events

    def _act(self, step: Step) -> None:
        """Carry one event out."""
        actions: dict[Kind, Callable[[], None]] = {
            Kind.SABOTAGE: self._sabotage,
            Kind.ADD_BACKEND: lambda: self._intent.add(step.target),
            Kind.CHANGE_WEIGHT: lambda: self._intent.set_weight(step.target, step.weight or 0),
            Kind.MOVE_SLOTS: lambda: self._intent.set_weight(step.target, step.weight or 0),
            Kind.DRAIN_BACKEND: lambda: self._intent.drain(step.target),
            Kind.KILL_SERVER: lambda: self._lab.fail(step.target),
            Kind.KILL_LB: lambda: self._lab.fail(step.target),
            Kind.HEAL_LB: lambda: self._lab.heal(step.target),
            Kind.KILL_CONTROLLER: self._controller.kill,
            Kind.RESTART_CONTROLLER: self._controller.start,
        }
        actions[step.kind]()

    def _sabotage(self) -> None:
        """Send one living connection to another server, on every lb switch."""
        killed = {step.target for step in self._script.steps if step.kind is Kind.KILL_SERVER}
        connections = [one for client in self._clients for one in client.log.connections.values()]
        unfit = killed | self._fleet.absent
        victim, to = sabotage.choose(connections, self._long, self._servers, unfit, self._options.seed)
        endpoint = next(one for one in self._long if one.listener == victim.listener)
        self._say(f"          {victim.id} moves from {victim.server} to {to.name}")
        p4 = {}
        for switch in self._intent.switches("lb"):
            speaks = self._intent.p4runtime(switch)
            if speaks is not None:
                p4[switch] = speaks
            elif isinstance(self._lab, Lab):
                flow = sabotage.flow(victim, endpoint, to, self._intent.port(switch, to.at or ""))
                self._lab.ofctl(switch, "add-flow", "br0", flow)
        if p4:
            assert victim.local is not None
            where = (endpoint.address, endpoint.port)
            strange = Strange(p4, where, victim.local, to.mac or "", 4 * ACTIVE[1])
            self._strangers.append(start_strange_pin(self._lab, strange, self._work))

    def _check_strangers(self) -> None:
        for one in self._strangers:
            if one.poll():
                said = one.stderr.read().strip() if one.stderr else ""
                raise DemoError(f"the sabotage could not be carried out: {said}")

    # -- after

    def stop(self, keep: Path) -> None:
        """End what was started, and keep its logs in ``keep``."""
        for stranger in self._strangers:
            stranger.kill()
            stranger.wait(10)
        for client in self._clients:
            client.kill()
        self._controller.kill()
        shutil.copytree(self._work, keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("state"))
        self._lab.keep_logs(keep)


def _note(event: dict[str, Any]) -> tuple[float, str] | None:
    """When and, in one line, what the controller said; None for what is no news."""
    name, t = str(event.get("event")), event.get("t")
    if name in QUIET_EVENTS or not isinstance(t, int | float):
        return None
    rest = "  ".join(f"{key}={value}" for key, value in event.items() if key not in ("event", "t"))
    return float(t), f"{name}  {rest}"


def run(options: Options, console: Console) -> int:
    """Run the demo, write the reports, print the scoreboard; 0 if ``Outcome.passed``, else 1.

    Raises ``DemoError``, ``LabError``, ``IntentError`` or ``NoVictimError`` if it could not be carried out.
    """
    logs = options.out / "logs"
    if logs.exists():
        shutil.rmtree(logs)
    with ExitStack() as stack:
        scale = options.scale
        console.print(f"building the fabric of {scale.switch} switches: {scale.why}", highlight=False)
        lab: Stage
        if options.simulated:
            console.print(SIMULATED, highlight=False)
            lab = SimLab.up(options.topology)
        else:
            state.sweep()
            lab = Lab.up(
                options.topology, options.lab, tso=False, switch=scale.switch, temporary=not options.keep
            )
        if not options.keep:
            stack.callback(lab.down)
        demo = Demo(lab, options, console)
        stack.callback(demo.stop, logs)
        console.print("starting the controller and waiting until every listener is balanced", highlight=False)
        demo.prepare()
        console.print(f"loading (seed {options.seed})", highlight=False)
        outcome = demo.play()
        report.write(report.build(outcome), options.out / "report.json")
        html.write(outcome, options.out / "report.html")
    scoreboard.show(console, outcome)
    console.print(f"{options.out / 'report.json'}, {options.out / 'report.html'}", highlight=False)
    return codes.Demo.HELD if outcome.passed else codes.Demo.BROKEN
