"""A lab that needs no privileges: embedded switches and simulated hosts, every one a process, joined in memory."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from topo import intent, model
from topo.errors import LabError
from topo.model import SIMULATED_KIND
from topo.p4switch.main import READY
from topo.p4switch.unixlink import PREFIX
from topo.plan import CPU_PORT, Fabric, Host, Switch, plan
from topo.process import kill, naming, recall, remember
from topo.sim.host import HostSpec
from topo.sim.server import Serves

ROOT = Path(__file__).parents[2]
FOLDER = "evenkeel-lab-"
"""How the names of labs' folders begin."""
OWNER = "owner"
DEADLINE = 90.0
"""Seconds that a process may take to start."""
LOOPBACK = "127.{}.0.0/24"
"""Where simulated servers live: their probes' listeners can have the very addresses that the fabric knows."""


class SimLab:
    """A lab that is up; from ``SimLab.up``. Has what the demo needs of a ``Lab``."""

    def __init__(self, topology: model.Topology, path: Path) -> None:
        self.path = path
        self.fabric: Fabric = plan(topology)
        self.intent_path = path / "intent.yaml"
        self.logs = path / "logs"
        self._probe_port = _free_port("127.1.0.1")
        self.listen = f"127.0.0.1:{_free_port('127.0.0.1')}"
        """Where the controller waits for OpenFlow switches, of which there are none."""
        self._running: dict[str, subprocess.Popen[Any]] = {}

    @classmethod
    def up(cls, topology: str | Path) -> SimLab:
        """Start everything. Raises ``LabError``; whatever stops it, nothing is left."""
        sweep()
        # A short path: socket files' names have at most 107 octets.
        lab = cls(_simulated(model.load(topology)), Path(tempfile.mkdtemp(prefix=FOLDER)))
        try:
            remember(lab.path, OWNER, os.getpid())
            lab._build()
        except BaseException:
            lab.down()
            raise
        return lab

    def down(self) -> None:
        """End everything and remove what it left."""
        for process in self._running.values():
            process.kill()
            process.wait(10)
        shutil.rmtree(self.path, ignore_errors=True)

    def keep_logs(self, directory: Path) -> None:
        """Copy the logs of servers and switches, for when the lab is gone."""
        shutil.copytree(self.logs, directory / "servers", dirs_exist_ok=True)
        for name in self.fabric.switches:
            target = directory / "switches" / name / "switch.log"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.path / f"{name}.log", target)

    def popen(self, node: str, argv: Sequence[str], **kwargs: Any) -> subprocess.Popen[Any]:
        """Start a Python module (``argv``: interpreter, -m, module, arguments); one of a host has its connections."""
        words = list(argv)
        if node in self.fabric.hosts and self.fabric.hosts[node].kind != "probe":
            words[2:2] = ["topo.sim.client", str(self._host_file(node))]
        return subprocess.Popen(words, **kwargs)

    def fail(self, target: str) -> None:
        """End a switch's or a server's process by SIGKILL."""
        process = self._running.pop(target)
        process.kill()
        process.wait(10)

    def heal(self, target: str) -> None:
        """Start it again."""
        self._starter(target)()

    # -- starting

    def _build(self) -> None:
        self.logs.mkdir()
        document = intent.intent(self.fabric)
        for one in document["switches"]:
            one["p4runtime"] = self._grpc(one["name"])
        for pool in document["pools"]:
            pool["health"] = {**pool.get("health", {}), "port": self._probe_port}
        self.intent_path.write_text(intent.dump(document), encoding="utf-8")
        servers = [host for host in self.fabric.hosts.values() if host.kind == "server"]
        for host in self.fabric.hosts.values():
            self._host_file(host.name).write_text(self._host(host).dump(), encoding="utf-8")
        starters = [self._starter(name) for name in (*self.fabric.switches, *(one.name for one in servers))]
        with ThreadPoolExecutor(max_workers=4) as pool_of_threads:
            for future in [pool_of_threads.submit(start) for start in starters]:
                future.result()

    def _starter(self, name: str) -> Callable[[], None]:
        switch = self.fabric.switches.get(name)
        if switch is not None:
            return lambda: self._start(name, self._switch_command(switch))
        serves = Serves(
            self.fabric.topology.servers.http,
            self.fabric.topology.servers.echo,
            str(self.logs / f"{name}.jsonl"),
            (str(self.fabric.hosts[name].addresses[0].ip), self._probe_port),
        )
        file = self.path / f"{name}.serves.json"
        file.write_text(serves.dump(), encoding="utf-8")
        return lambda: self._start(name, ["topo.sim.server", str(self._host_file(name)), str(file)])

    def _start(self, name: str, module: Sequence[str]) -> None:
        """Start a process and wait until it says that it is ready. Raises ``LabError``."""
        log = self.path / f"{name}.log"
        with log.open("ab") as out:
            start = out.tell()
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=ROOT,
            )
        self._running[name] = process
        end = time.monotonic() + DEADLINE
        while READY.encode() not in log.read_bytes()[start:]:
            if process.poll() is not None or time.monotonic() > end:
                said = log.read_text(errors="replace").strip().splitlines()[-1:] or ["(nothing)"]
                raise LabError(f"{name} does not start: {said[0]}")
            time.sleep(0.05)

    def _switch_command(self, switch: Switch) -> list[str]:
        ports = [
            word
            for port in switch.ports
            for word in ("-i", f"{port.number}@{PREFIX}{self.path / f'{switch.name}-{port.to}'}")
        ]
        own = ["topo.p4switch", *ports, "--no-p4", "--device-id", str(switch.id), "--"]
        return [*own, "--grpc-server-addr", self._grpc(switch.name), "--cpu-port", str(CPU_PORT)]

    def _grpc(self, switch: str) -> str:
        return f"unix:{self.path / switch}.grpc"

    def _host_file(self, name: str) -> Path:
        return self.path / f"{name}.host.json"

    def _host(self, host: Host) -> HostSpec:
        address = next(one for one in host.addresses if one.version == 4)
        vips = (
            tuple(str(vip) for vip in self.fabric.vips if vip.version == 4) if host.kind == "server" else ()
        )
        cable = str(self.path / f"{host.name}-{host.attach}")
        return HostSpec(host.name, cable, host.mac, str(address), self.fabric.topology.gateway_mac, vips)


def sweep() -> list[Path]:
    """Remove labs of this user whose demo was killed, with all their processes; their folders."""
    removed = []
    for path in Path(tempfile.gettempdir()).glob(f"{FOLDER}*"):
        with suppress(OSError):
            if path.stat().st_uid == os.geteuid() and any(not each.alive for each in recall(path, OWNER)):
                kill(naming(f"{path}/"))
                shutil.rmtree(path, ignore_errors=True)
                removed.append(path)
    return removed


def _simulated(topology: model.Topology) -> model.Topology:
    """The same of embedded switches, its servers at loopback addresses."""
    homes = {host.subnet for host in topology.hosts if host.kind == "server"}
    subnets = []
    for number, subnet in enumerate(topology.subnets, start=1):
        prefixes: Mapping[int, Any] = {prefix.version: prefix for prefix in subnet.prefixes}
        if subnet.name in homes:
            prefixes = {**prefixes, 4: IPv4Network(LOOPBACK.format(number))}
        subnets.append(subnet.model_copy(update={"prefixes": tuple(prefixes.values())}))
    every = tuple(one.model_copy(update={"kind": SIMULATED_KIND}) for one in topology.switches)
    return topology.model_copy(update={"subnets": tuple(subnets), "switches": every})


def _free_port(address: str) -> int:
    """A port that is free on all simulated servers' addresses, if on this one."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
