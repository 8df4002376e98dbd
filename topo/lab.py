"""A running lab: build it, look at it, break and repair parts of it, and leave nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from controller.spec.kinds import KINDS, Protocol
from topo import hostprograms, intent, labstatus, model, netns, ovs, process, routed, state, wires
from topo.errors import LabError
from topo.members import Members
from topo.plan import P4RUNTIME_PORT, Fabric, Host, plan
from topo.relay import BACK, FORTH
from topo.routedlab import RoutedParts, check
from topo.switches import SwitchProcess, missing, process_of
from topo.wan import Wan


def _check_kinds(topology: model.Topology) -> None:
    """Raise ``LabError`` unless switches of these kinds can be started here, with these settings."""
    kinds = {switch.name: switch.kind or model.DEFAULT_KIND for switch in topology.switches}
    reason = missing(kinds.values())
    if reason is not None:
        raise LabError(reason)
    check(topology)
    p4 = [f"{name} is {kind}" for name, kind in kinds.items() if KINDS[kind].protocol is Protocol.P4RUNTIME]
    if topology.tso and topology.stretch:
        raise LabError("tso is for labs of one site: what is relayed between sites has to be whole packets")
    if topology.tso and p4:
        raise LabError(f"tso is for labs of ovs switches: they finish what hosts leave undone; {p4[0]}")


class Lab:
    """A lab that is up. Get one from ``Lab.up`` or ``Lab.load``."""

    def __init__(self, name: str, topology: model.Topology) -> None:
        self.name = name
        self.fabric: Fabric = plan(topology)
        self.path: Path = state.ROOT / name
        self.spaces: dict[str, str] = {
            node: state.space_of(name, node) for node in (*self.fabric.nodes, wires.CONTROL_BRIDGE)
        }
        self.switches: dict[str, SwitchProcess] = {
            switch.name: process_of(
                self.fabric,
                switch,
                self.path / "switches" / switch.name,
                self.spaces[switch.name],
                self._pids,
            )
            for switch in self.fabric.switches.values()
        }
        self.wan = Wan(self.fabric, self.path, self.spaces[wires.CONTROL_BRIDGE], self._pids)
        self.members = Members(self.fabric, self.path, self.spaces, self._pids)
        self.routed = RoutedParts(self.fabric, self.path, self.spaces, self._pids)

    @property
    def _pids(self) -> Path:
        return self.path / "pids"

    @property
    def intent_path(self) -> Path:
        """The generated intent file, for ``evenkeel run``."""
        return self.path / "intent.yaml"

    @property
    def logs(self) -> Path:
        """Directory of the servers' connection logs, HOST.jsonl."""
        return self.path / "logs"

    def keep_logs(self, directory: Path) -> None:
        """Copy the logs of servers and switches, for when the lab is gone: servers/*, switches/NODE/*.log."""
        shutil.copytree(self.logs, directory / "servers", dirs_exist_ok=True)
        for log in self.path.glob("switches/*/*.log"):
            target = directory / log.relative_to(self.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, target)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Switches, hosts and the controller's node "ctl"."""
        return self.fabric.nodes

    @classmethod
    def load(cls, name: str | None = None) -> Lab:
        """The lab of that name, or the only one that is up. Raises ``LabError``."""
        up = state.labs()
        if name is None:
            if len(up) != 1:
                raise LabError(
                    "no lab is up: evenkeel lab up FILE"
                    if not up
                    else f"several labs are up, say which one: {', '.join(up)}"
                )
            name = up[0]
        if not (state.ROOT / name / "topology.yaml").is_file() or not (state.ROOT / name / "ready").is_file():
            how = "half up after a crash: evenkeel lab down" if name in up else "not up: evenkeel lab up FILE"
            raise LabError(f"lab {name} is {how}")
        return cls(name, model.load(state.ROOT / name / "topology.yaml"))

    @classmethod
    def up(
        cls,
        topology: str | Path | model.Topology,
        name: str | None = None,
        tso: bool | None = None,
        deadline: float = 30.0,
        switch: model.SwitchKind = model.DEFAULT_KIND,
        temporary: bool = False,
        store: bool = False,
        agents: bool = False,
    ) -> Lab:
        """Build a lab and return once every inter-switch link is alive.

        ``tso`` overrides the topology's setting, ``switch`` is the kind of those switches whose kind it leaves open.
        A ``temporary`` lab is this process's own: when that is killed, ``state.sweep`` removes the lab.
        ``store``: its members of the store run. ``agents``: there are places for agents, and edges of Open vSwitch
        have fences.
        Raises ``LabError``; whatever stops it, nothing is left.
        """
        if not isinstance(topology, model.Topology):
            topology = model.load(topology)
        if tso is not None:
            topology = topology.model_copy(update={"tso": tso})
        if agents:
            topology = topology.with_agents()
        topology = topology.of_kind(switch)
        name = name or topology.name
        state.check_name(name)
        if os.geteuid() != 0:
            raise LabError("a lab needs network namespaces: run as root")
        _check_kinds(topology)
        with state.locked(name):
            if (state.ROOT / name).exists() or state.spaces(name):
                raise LabError(f"lab {name} is up, or half up after a crash: evenkeel lab down {name}")
            lab = cls(name, topology)
            try:
                if temporary:
                    state.claim(name)
                lab._build()
                if store:
                    lab.members.start_all()
                lab.wait_ready(deadline)
                (lab.path / "ready").touch()
            except BaseException:
                state.clear(name)
                raise
        return lab

    def _build(self) -> None:
        made = intent.intent(self.fabric) | routed.intent(self.fabric, self.routed.sockets)
        document = intent.dump(made)
        self.logs.mkdir(parents=True)
        (self.path / "topology.yaml").write_text(
            intent.dump(self.fabric.topology.model_dump(mode="json", exclude_defaults=True))
        )
        self.intent_path.write_text(document)
        for space in self.spaces.values():
            netns.create(space)
        wires.connect(self.fabric, self.spaces)
        self.routed.connect()
        self.wan.start()
        for host in self.fabric.hosts.values():
            wires.set_up_host(self.fabric, host, self.spaces[host.name])
        for switch in self.switches.values():
            switch.create(self.path)
        servers = [host for host in self.fabric.hosts.values() if host.kind == "server"]
        self._together(
            [
                *(switch.start for switch in self.switches.values()),
                *(partial(self._serve, host) for host in servers),
                *(partial(self._decapsulate, host) for host in servers if self.fabric.ipip),
                *self.routed.tasks(),
            ]
        )

    @staticmethod
    def _together(tasks: Sequence[Callable[[], None]]) -> None:
        """Run tasks a few at a time: each mostly waits for a program to start. An error stops the rest."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            futures = [pool.submit(task) for task in tasks]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _serve(self, host: Host) -> None:
        hostprograms.serve(self.fabric, host, self.spaces[host.name], self.path)

    def _decapsulate(self, host: Host) -> None:
        hostprograms.decapsulate(host, self.spaces[host.name], self.path)

    def down(self) -> None:
        """Remove the lab: processes, namespaces, state. May be repeated."""
        state.remove(self.name)

    def wait_ready(self, deadline: float = 30.0) -> None:
        """Wait until every link between running switches is alive (by BFD where both are ovs), at most ``deadline``
        seconds."""
        end = time.monotonic() + deadline
        waiting = {name for name, switch in self.switches.items() if switch.running()}
        alive = set(waiting)
        while waiting:
            dead: list[str] = []
            for name in sorted(waiting):
                live = self.switches[name].liveness()
                cables = (port for port in self.fabric.cables(name) if port.to in alive)
                lost = [port.interface for port in cables if not live.get(port.interface)]
                if not lost:
                    waiting.discard(name)
                dead += [f"{name}-{interface}" for interface in lost]
            if waiting and time.monotonic() > end:
                raise LabError(
                    f"not alive after {deadline:g} s: {', '.join(dead)}; see {self.path}/switches/*/*.log"
                )
            if waiting:
                time.sleep(0.1)

    def status(self) -> dict[str, Any]:
        """What lives: {"lab", "tso", "nodes": {name: {...}}, "links": {"a-b": up}}."""
        found = labstatus.status(self.path, self.fabric, self.spaces, self.switches, self.wan)
        found["nodes"] |= self.routed.status()
        return found

    def namespace(self, node: str) -> AbstractContextManager[None]:
        """Be in a node's namespace with this thread: sockets and processes made inside belong there."""
        if node not in self.spaces:
            raise LabError(f"no node {node!r} in lab {self.name}; there are {', '.join(self.nodes)}")
        return netns.enter(self.spaces[node])

    def socket(
        self,
        node: str,
        family: socket.AddressFamily = socket.AF_INET,
        kind: socket.SocketKind = socket.SOCK_STREAM,
    ) -> socket.socket:
        """A socket of a node."""
        with self.namespace(node):
            return socket.socket(family, kind)

    def popen(self, node: str, argv: Sequence[str], **kwargs: Any) -> subprocess.Popen[Any]:
        """Start a program in a node's namespace; ``kwargs`` are those of ``subprocess.Popen``.

        ``env`` adds to the environment. On a switch, ovs-* programs find that switch by themselves.
        """
        environment = self._environment(node, kwargs.pop("env", None))
        with self.namespace(node):
            return subprocess.Popen(list(argv), env=environment, **kwargs)

    def exec(self, node: str, argv: Sequence[str], **kwargs: Any) -> subprocess.CompletedProcess[Any]:
        """Run a program in a node's namespace to its end, as ``popen`` starts it.

        ``kwargs`` are those of ``subprocess.run``; the exit code is not checked unless they say so.
        """
        environment = self._environment(node, kwargs.pop("env", None))
        with self.namespace(node):
            return subprocess.run(list(argv), env=environment, **{"check": False, **kwargs})

    def _environment(self, node: str, more: Mapping[str, str] | None) -> dict[str, str]:
        own = self.switches[node].env if node in self.switches else {}
        return {**os.environ, **own, **(more or {})}

    def ofctl(self, switch: str, *arguments: str) -> str:
        """``ovs-ofctl`` on a switch."""
        return self._ovs(switch, "ofctl").ofctl(*arguments)

    def appctl(self, switch: str, *arguments: str) -> str:
        """``ovs-appctl`` on a switch."""
        return self._ovs(switch, "appctl").appctl(*arguments)

    def vsctl(self, switch: str, *arguments: str) -> str:
        """``ovs-vsctl`` on a switch."""
        return self._ovs(switch, "vsctl").vsctl(*arguments)

    def _ovs(self, name: str, tool: str) -> ovs.OpenVSwitch:
        if name not in self.switches:
            raise LabError(f"no switch {name!r} in lab {self.name}; there are {', '.join(self.switches)}")
        found = self.switches[name]
        if not isinstance(found, ovs.OpenVSwitch):
            raise LabError(
                f"{name} is of kind {found.switch.kind}, which ovs-{tool} cannot ask: "
                f"it speaks P4Runtime at {found.switch.control}:{P4RUNTIME_PORT}"
            )
        return found

    def fail(self, target: str, link: bool = False, unhealthy: bool = False) -> None:
        """Break a part.

        A switch: its processes die by SIGKILL (and a P4 switch's cables to ovs switches, which see nothing else).
        "A-B": that link is unplugged. A stretch link: what is sent on it is lost, which neither end sees. A site: its
        switches, servers, member of the store and what runs where its controllers do die, and nothing gets through to
        it. A server: its program dies by SIGKILL; with ``unhealthy`` it lives and /healthz answers 503. Any host with
        ``link``: it is unplugged.
        """
        self._change(target, link, unhealthy, mend=False)

    def heal(self, target: str) -> None:
        """Repair all that ``fail`` can break of a part, but controllers; what is whole stays as it is."""
        self._change(target, link=True, unhealthy=True, mend=True)

    def _change(self, target: str, link: bool, unhealthy: bool, mend: bool) -> None:
        with state.locked(self.name):
            one, dash, other = target.partition("-")
            if dash:
                self._plug(one, other, mend)
            elif target in self.wan.paths:
                self.wan.cut(target, () if mend else (FORTH, BACK))
            elif target in self.fabric.sites and self.fabric.stretch:
                self._change_site(target, mend)
            elif target in self.fabric.members:
                self.members.change(target, mend)
            elif target in self.routed.engines:
                self.routed.change(target, mend)
            elif target in self.switches:
                if (link or unhealthy) and not mend:
                    raise LabError(f"{target} is a switch: it has several links, say {target}-NEIGHBOUR")
                self._change_switch(target, mend)
            elif target in self.fabric.hosts:
                self._change_host(self.fabric.hosts[target], link, unhealthy, mend)
            else:
                raise LabError(
                    f"no {target!r} in lab {self.name}: name a node ({', '.join(self.nodes)}), "
                    f"{self._between()}"
                    f"or a link like {'-'.join(next(iter(self._links()), ('a', 'b')))}"
                )

    def _change_switch(self, name: str, mend: bool) -> None:
        if not mend:
            self._stop(name)
        elif not self.switches[name].running():
            self._stop(name)
            self.switches[name].start(shut=True)
            self._open(name)

    def _change_site(self, site: str, mend: bool) -> None:
        """All of a site at once: what joins it to others first, so that no half of it is seen to die, and so that
        switches which come back find those that they wait for."""
        inside = [name for name in self.nodes if self.fabric.site_of(name) == site]
        for name in self.wan.of_site(site):
            self.wan.cut(name, () if mend else (FORTH, BACK))
        if not mend:
            process.kill(netns.inhabitants(self.spaces[n] for n in inside if n in self.fabric.controllers))
        self.members.change_site(site, mend)
        self._together([partial(self._change_switch, n, mend) for n in inside if n in self.switches])
        for host in (self.fabric.hosts[n] for n in inside if n in self.fabric.hosts):
            if host.kind == "server":
                self._change_host(host, link=False, unhealthy=mend, mend=mend)

    def _stop(self, name: str) -> None:
        self.switches[name].kill()
        self._show(name, up=False)

    def _show(self, name: str, up: bool) -> None:
        """Tell ovs neighbours of a P4 switch by their cables whether it is to be used: it does not speak BFD."""
        for port in self.fabric.to_ovs(name) if self.fabric.switches[name].p4 else ():
            if port.stretch:
                wires.set_link(self.spaces[port.to], port.stretch, up)
            else:
                wires.plug(self.fabric, self.spaces, port.to, name, up)

    def _open(self, name: str, deadline: float = 5.0) -> None:
        """Let a switch be used again once its links to all running neighbours are up."""
        switch = self.switches[name]
        wanted = {p.interface for p in self.fabric.cables(name) if self.switches[p.to].running()}
        end = time.monotonic() + deadline
        while not wanted <= switch.sessions() and time.monotonic() < end:
            time.sleep(0.05)
        switch.open()
        self._show(name, up=True)

    def _between(self) -> str:
        """What may be failed of a lab with several sites, in words."""
        named = [*self.fabric.sites, *self.wan.paths] if self.fabric.stretch else []
        return f"a site or what joins sites ({', '.join(named)}) " if named else ""

    def _links(self) -> list[tuple[str, str]]:
        return [*self.fabric.links, *((each.name, each.attach) for each in self.fabric.hosts.values())]

    def _plug(self, one: str, other: str, up: bool) -> None:
        pair = next((pair for pair in self._links() if set(pair) == {one, other}), None)
        if pair is None:
            raise LabError(
                f"no link {one}-{other}; there are {', '.join('-'.join(pair) for pair in self._links())}"
            )
        wires.plug(self.fabric, self.spaces, *pair, up=up)

    def _change_host(self, host: Host, link: bool, unhealthy: bool, mend: bool) -> None:
        running = [each for each in process.recall(self._pids, host.name) if each.alive]
        if link:
            self._plug(host.name, host.attach, up=mend)
        if host.kind != "server":
            if not link:
                raise LabError(f"{host.name} runs no server program; unplug it with --link")
            return
        if mend and not running:
            self._serve(host)
        elif unhealthy:
            for each in running:
                os.kill(each.pid, signal.SIGUSR2 if mend else signal.SIGUSR1)
        elif not link:
            process.kill(each.pid for each in running)
