"""Plays the demo of two sites in a lab that is up: controllers, load, recorder, events, and what became of it all."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from ruamel.yaml import YAML

from topo import netns
from topo.demo.actors import DemoError
from topo.demo.records import Served, read_served, whole_lines
from topo.lab import Lab
from topo.sitedemo import health
from topo.sitedemo.actors import Controller, Controllers
from topo.sitedemo.agents import Agent, Agents
from topo.sitedemo.events import Act, Cast, Event, Happened, Scale, Verb, Where, Whom
from topo.sitedemo.measure import wrong
from topo.sitedemo.outcome import Observed
from topo.sitedemo.stage import ECHO_TIMEOUT, prepare, stage_of, write_specs
from topo.soak import signals
from topo.soak.actors import Client
from topo.wire.record import Recorder

LOOK_EVERY = 0.1
READY_WITHIN, HEALTHY_WITHIN = 180.0, 120.0
SETTLED = 1.5
"""Seconds for which a fabric must have been healthy, so that what is said last is seen, and pins are there."""
LONGEST_WAIT_MS = 2000
"""Of TCP, until it repeats a packet once more."""
OPENED = 5.0
"""Seconds from the beginning of the load to the first event: all connections are open, and have spoken."""


class Play:
    """One run."""

    controller: type[Controller] = Controller
    agent: type[Agent] = Agent

    def __init__(self, lab: Lab, scale: Scale, seed: int, nodes: Sequence[str], console: Console) -> None:
        """``nodes``: where controllers run."""
        self._lab, self._scale, self._seed, self._console = lab, scale, seed, console
        self._work = lab.path / "demo"
        self._work.mkdir()
        yaml = YAML()
        document: Any = yaml.load(lab.intent_path.read_text(encoding="utf-8"))
        prepare(document)
        with lab.intent_path.open("w", encoding="utf-8") as file:
            yaml.dump(document, file)
        self._stage = stage_of(lab.fabric, document)
        for node in (*self._stage.clients, *self._stage.servers):
            repeat_soon(lab, node)
        self.controllers = Controllers(lab, self._work, nodes, self.controller)
        self.agents = Agents(lab, self._work, nodes, self.agent)
        self._clients: list[Client] = []
        self._said: list[dict[str, Any]] = []
        self._happened: list[Happened] = []

    def prepare(self) -> None:
        """Start the controllers, the first one before the others, and wait until all is served.

        Raises ``DemoError``.
        """
        self.agents.start(self.agents.all)
        first, *others = self.controllers.all
        for nodes in ([first], others):
            self.controllers.start(nodes)
            why = self._await_health(READY_WITHIN)
            if why:
                raise DemoError(f"the fabric is not healthy after {READY_WITHIN:g} s: {why}")

    def play(self, events: Sequence[Event]) -> Observed:
        """Load and events; all that was seen."""

        def all_events(start: float) -> None:
            for event in events:
                self._carry_out(event, start)
                if self._happened[-1].healthy is None:
                    break  # what comes next would be judged for what was before

        return replace(self.under_load(all_events), events=len(events))

    def under_load(self, body: Callable[[float], None]) -> Observed:
        """What happens under load; all that was seen. ``body`` is called with the start of the load."""
        with Recorder(self._lab) as recorder:
            start = time.monotonic()
            for spec in write_specs(self._stage, self._scale, self._seed, str(self._work)):
                self._clients.append(Client(self._lab, spec, self._work))
            self._watch(start + OPENED)
            body(start)
            end = time.monotonic()
            for client in self._clients:
                client.finish()
            for client in self._clients:
                client.wait(ECHO_TIMEOUT)
            self._look()
        return Observed(
            seed=self._seed,
            topology=self._lab.fabric.topology.name,
            round_trip_ms=self._lab.fabric.topology.round_trip_ms,
            stage=self._stage,
            scale=self._scale,
            events=len(self._happened),
            start=start,
            end=end,
            happened=tuple(self._happened),
            clients=tuple(client.log for client in self._clients),
            served=tuple(self._served()),
            tables=tuple(one.t for one in signals.table_changes(self._said)),
            heard=tuple(recorder.heard),
            findings=recorder.findings(),
            period=recorder.period,
            ends=tuple(self.controllers.ends),
            defects=tuple(
                f"{one['controller']}: {one.get('error')}"
                for one in self._said
                if signals.name(one) == signals.FAILURE
            ),
        )

    def stop(self, keep: Path) -> None:
        """End what was started, and keep its logs in ``keep``."""
        for client in self._clients:
            client.kill()
        self.controllers.kill_all()
        self.agents.kill(self.agents.all)
        shutil.copytree(self._work, keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("state"))
        self._lab.keep_logs(keep)

    # -- events

    def _carry_out(self, event: Event, start: float) -> None:
        cast = self._cast(event)
        begin = time.monotonic()
        self._say(f"{begin - start:6.1f} s  {event.title} ({', '.join(_parts(event, cast))})")
        for act in event.do:
            self._act(act, cast)
        self._watch(begin + event.lasts)
        undone = time.monotonic()
        for act in event.undo:
            self._act(act, cast)
        why = self._await_health(HEALTHY_WITHIN)
        end = time.monotonic()
        healthy = None if why else end
        self._happened.append(Happened(event, cast, begin, undone, healthy, end, why))
        self._say(
            f"{end - start:6.1f} s  {f'not healthy: {why}' if why else f'healthy {end - undone:.1f} s later'}"
        )

    def _cast(self, event: Event) -> Cast:
        leader, member = self.controllers.leader(), self._lab.members.leader()
        if leader is None or member is None:
            raise DemoError("no controller leads, or no member of the store does")
        near = self._lab.fabric.site_of(leader.node)
        far = next(site for site in self._stage.sites if site != near)
        sites = {Where.NEAR: near, Where.FAR: far}
        vip, owners = self._stage.group
        owner = leader.status()["vips"][vip]["owner"]
        site = sites[event.where]
        return Cast(
            site,
            sites,
            leader.node,
            self.agents.acting(site) or "",
            member,
            (vip, next(each for each in owners if each != owner)),
            self._stage.links,
            self._stage.of_site(self._stage.servers, site),
            self._stage.of_site(self._stage.lbs, site),
        )

    def _act(self, act: Act, cast: Cast) -> None:
        names = cast.names(act.whom)
        actors = self.agents if act.whom is Whom.AGENT else self.controllers
        deeds: dict[Verb, Callable[[], None]] = {
            Verb.MOVE: lambda: self._ask(command="move", vip=names[0], site=names[1]),
            Verb.HOME: lambda: self._ask(command="move", vip=names[0]),
            Verb.DRAIN: lambda: self._ask(command="site", site=names[0], action="drain"),
            Verb.UNDRAIN: lambda: self._ask(command="site", site=names[0], action="undrain"),
            Verb.FAIL: lambda: self._fail(act.whom, names),
            Verb.HEAL: lambda: self._heal(act.whom, names),
            Verb.STOP: lambda: actors.signal(names, signal.SIGSTOP),
            Verb.RESUME: lambda: actors.signal(names, signal.SIGCONT),
            Verb.KILL: lambda: actors.kill(names),
            Verb.START: lambda: actors.start(names),
        }
        deeds[act.verb]()

    def _ask(self, **request: str) -> None:
        leader = self.controllers.leader()
        if leader is None:
            raise DemoError("no controller leads")
        leader.ask(request)

    def _fail(self, whom: Whom, names: Sequence[str]) -> None:
        for name in names:
            self._lab.fail(name)
            if whom is Whom.SITE:
                self.controllers.kill(self.controllers.of_site(name))
                self.agents.kill(self.controllers.of_site(name))

    def _heal(self, whom: Whom, names: Sequence[str]) -> None:
        for name in names:
            self._lab.heal(name)
            if whom is Whom.SITE:
                self.controllers.start(self.controllers.of_site(name))
                self.agents.start(self.controllers.of_site(name))

    # -- looking

    def _look(self) -> None:
        """Take in what was logged and said."""
        for client in self._clients:
            client.read()
        self.controllers.look()
        for node, one in self.controllers.all.items():
            self._said += [{"controller": node, **event} for event in one.events()]
        for node, agent in self.agents.all.items():
            self._said += [{"controller": f"agent {node}", **event} for event in agent.events()]

    def _watch(self, until: float) -> None:
        while time.monotonic() < until:
            self._look()
            time.sleep(min(LOOK_EVERY, max(0.0, until - time.monotonic())))

    def _await_health(self, within: float) -> str:
        """Wait until the fabric has been healthy for a while; what it is not, if it does not become so in time."""
        begun = time.monotonic()
        since: float | None = None
        while True:
            self._look()
            now = time.monotonic()
            faults = list(self._faults(begun))
            since = None if faults else since if since is not None else now
            if since is not None and now - since >= SETTLED:
                return ""
            if now - begun > within:
                return "; ".join(faults) or "not for long enough"
            time.sleep(LOOK_EVERY)

    def _faults(self, since: float) -> Iterator[str]:
        unsound, leader = self.controllers.unsound(), self.controllers.leader()
        if unsound:
            yield f"controllers that neither lead nor stand by: {unsound}"
        if agents := self.agents.unsound():
            yield f"agents that are not ready: {agents}"
        if leader is None:
            yield "no controller leads"
        else:
            yield from health.faults(leader.status(), len(self._stage.lbs))
        down = [name for name in self._lab.fabric.members if not self._lab.members.running(name)]
        if down:
            yield f"members of the store that do not run: {', '.join(down)}"
        for client in self._clients:
            last = {one.listener: one for one in client.log.requests[-5 * len(self._stage.short) :]}
            for name, one in last.items():
                if one.t < since or wrong(one):
                    yield f"{name} from {client.spec.client}: {wrong(one) or 'not asked since'}"

    def _served(self) -> Iterator[Served]:
        for name in self._stage.servers:
            text = (self._lab.logs / f"{name}.jsonl").read_text(encoding="utf-8")
            yield from read_served(name, whole_lines(text))

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def _parts(event: Event, cast: Cast) -> list[str]:
    """Who plays a part in an event."""
    return list(dict.fromkeys(name for act in event.do for name in cast.names(act.whom)))


def repeat_soon(lab: Lab, node: str) -> None:
    """Have TCP repeat what is lost every other second, where the kernel can: else connections are heard of again only
    after as long as a site was away."""
    with lab.namespace(node), suppress(OSError):
        netns.sysctl("net/ipv4/tcp_rto_max_ms", str(LONGEST_WAIT_MS))
        netns.sysctl("net/ipv4/tcp_retries2", str(int(2000 * ECHO_TIMEOUT / LONGEST_WAIT_MS)))
