"""Forwarding: new connections/s and throughput per mode with 10,000 connections open, against plain forwarding.

One switch that is edge, lb and leaf: nothing but the pipeline under test stands between client and servers, so
its share in what is measured is the largest possible. Plain forwarding is the same switch routing the same
client's connections to the servers' own addresses, measured in turn with the modes.

Every round has a client of its own, because the switch remembers the connections of an earlier one: a port that is
used again would be no new connection to it. For the same reason cached decisions are purged before each measurement.
"""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench import web
from tests.bench.rig import ROOT, Rig, lab, require, topology
from topo import model
from topo.ovs import MAX_IDLE_MS

OPEN = 10_000
"""Connections held open through the VIPs while everything is measured."""
ROUNDS = 4
CONNECT_S, STREAM_S = 2, 1
"""Seconds of each measurement of connections and of throughput."""
STREAMS = (1, 4)
SERVERS = ("s1", "s2", "s3")
CLIENTS = tuple(f"c{number}" for number in range(1, ROUNDS + 1))
_HOLDER, _SWITCH = "holder", "sw1"
_CONNECTIONS = 48
_DEADLINE = 30.0
_TRIES = 3


@dataclass(frozen=True)
class Way:
    """One way to the servers: where a client connects to for HTTP (any server) and for a stream (``s1``)."""

    name: str
    vip: str | None
    http: int = 8088
    stream: int = 5301


PLAIN = Way("plain", None)
DR, TUN = Way("dr", "10.0.0.100"), Way("tun", "10.0.0.103")
# A port that nat translates to is a VIP's alone, so these servers listen on more than one.
NAT, FULLNAT = Way("nat", "10.0.0.101", 8089, 5302), Way("fullnat", "10.0.0.102", 8090, 5303)


def run() -> dict[str, object]:
    """Measure with segmentation offload (which excludes tun) and without it; takes three to four minutes.

    ``*_ratio`` is the median over rounds of (mode / plain forwarding in the same round); ``*_low``, ``*_high`` are
    its extremes. ``cps`` are completed HTTP requests/s, one connection each; ``switch_us`` is the CPU time of the
    switch for each of them, which tells more than the rate where other work disturbs the machine.
    """
    paths = require("nginx", "wrk", "iperf3", "ovs-vswitchd")
    rows: list[dict[str, object]] = []
    held: dict[str, object] = {}
    for tso, ways in ((True, (DR, NAT, FULLNAT)), (False, (DR, NAT, FULLNAT, TUN))):
        setting = "on" if tso else "off"
        with lab(_plan(ways), tso) as rig:
            bench = _Bench(rig, paths, ways)
            bench.start()
            rows += [{"tso": setting, **row} for row in bench.measure()]
            held[f"tso_{setting}"] = bench.ask_held()
    return {
        "ways": rows,
        "connections_open": OPEN,
        "connections_open_answering_at_the_end": held,
        "rounds": ROUNDS,
        "switches": 1,
        "switch_max_idle_ms": MAX_IDLE_MS,
        "aim_cps_ratio": 0.9,
        "aim_stream_ratio": 0.95,
    }


def _plan(ways: Sequence[Way]) -> model.Topology:
    health = {"interval": "1s", "timeout": "500ms", "rise": 1, "fall": 5, "type": "tcp", "port": 8088}
    pools = [
        {"name": "web", "health": health, "backends": [{"name": name} for name in SERVERS]},
        {"name": "stream", "health": health, "backends": [{"name": SERVERS[0]}]},
    ]
    vips = [
        {
            "name": way.name,
            "address": way.vip,
            "mac": "02:45:56:00:01:01",
            "listeners": [_listener(way, "web", 8088, way.http), _listener(way, "stream", 5301, way.stream)],
        }
        for way in ways
    ]
    base = model.load("single")
    hosts = [host for host in base.hosts if host.kind != "client"]
    hosts += [model.HostSpec(name=name, attach=_SWITCH, subnet="front") for name in (*CLIENTS, _HOLDER)]
    return topology(base.model_copy(update={"hosts": tuple(hosts)}), "bfwd", pools, vips)


def _listener(way: Way, pool: str, port: int, backend_port: int) -> dict[str, object]:
    own = {"backend_port": backend_port} if backend_port != port else {}
    return {"protocol": "tcp", "port": port, "pool": pool, "mode": way.name, **own}


class _Bench:
    """One lab with its servers, the connections held open, and the measurements."""

    def __init__(self, rig: Rig, paths: dict[str, str], ways: Sequence[Way]) -> None:
        self.rig = rig
        self.paths = paths
        self.ways = ways
        hosts = rig.lab.fabric.hosts
        self.addresses = {name: str(hosts[name].addresses[0].ip) for name in SERVERS}

    def start(self) -> None:
        """Servers, controller, held connections."""
        web.serve(self.rig, self.paths["nginx"], SERVERS, [way.http for way in (PLAIN, NAT, FULLNAT)])
        for port in (PLAIN.stream, NAT.stream, FULLNAT.stream):
            argv = [self.paths["iperf3"], "--server", "--port", str(port)]
            self.rig.start(SERVERS[0], argv, stdout=subprocess.DEVNULL)
        journal = self.rig.controller()
        journal.wait(lambda events: any(e["event"] == "synced" for e in events), "its switch synced")
        for way in self.ways:
            self._answers(way)
        self.holder = self.rig.start(
            _HOLDER,
            [sys.executable, "-m", "tests.bench.forwarding", str(OPEN), *(str(way.vip) for way in self.ways)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if (opened := self._held()) != OPEN:
            raise RuntimeError(f"{opened} of {OPEN} connections through the VIPs could be opened")

    def _answers(self, way: Way) -> None:
        limit = time.monotonic() + _DEADLINE
        while time.monotonic() < limit:
            with self.rig.lab.socket(_HOLDER) as sock:
                sock.settimeout(1.0)
                try:
                    sock.connect((way.vip, 8088))
                    sock.sendall(_REQUEST)
                    if sock.recv(4096):
                        return
                except OSError:
                    time.sleep(0.2)
        raise RuntimeError(f"the VIP of mode {way.name} did not answer within {_DEADLINE:g} s")

    def _held(self) -> int:
        line = self.holder.stdout.readline() if self.holder.stdout else ""
        if not line:
            raise RuntimeError("the program that holds the connections ended")
        return int(line)

    def ask_held(self) -> int:
        """How many of the held connections still answer."""
        assert self.holder.stdin is not None
        self.holder.stdin.write("\n")
        self.holder.stdin.flush()
        return self._held()

    def measure(self) -> list[dict[str, object]]:
        """One row for each way."""
        ways = (PLAIN, *self.ways)
        found: dict[str, list[dict[str, float]]] = {way.name: [] for way in ways}
        for turn in range(ROUNDS):
            # Each round begins elsewhere, so that none always follows the same other.
            for way in (*ways[turn % len(ways) :], *ways[: turn % len(ways)]):
                found[way.name].append(self._once(way, CLIENTS[turn]))
        return [_row(way.name, found) for way in ways]

    def _once(self, way: Way, client: str) -> dict[str, float]:
        self.rig.lab.appctl(_SWITCH, "revalidator/purge")
        used = self.rig.switch_cpu(_SWITCH)
        rate, made = self._connections(way, client)
        used = self.rig.switch_cpu(_SWITCH) - used
        figures = {"cps": rate, "switch_us": 1e6 * used / made}
        for streams in STREAMS:
            figures[f"gbit_{streams}"] = self._throughput(way, client, streams)
        return figures

    def _connections(self, way: Way, client: str) -> tuple[float, int]:
        """Connections per second, and how many."""
        addresses = list(self.addresses.values()) if way.vip is None else [way.vip]
        script = web.spread(self.rig, addresses, 8088)
        argv = [self.paths["wrk"], "-t", str(len(SERVERS)), "-c", str(_CONNECTIONS), "-d", f"{CONNECT_S}s"]
        argv += ["-s", script, "-H", "Connection: close", f"http://{addresses[0]}:8088/"]
        done = self.rig.lab.exec(client, argv, capture_output=True, text=True, timeout=_DEADLINE)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
        made = re.search(r"(\d+) requests in", done.stdout)
        if done.returncode or rate is None or made is None:
            raise RuntimeError(f"wrk ({way.name}): {(done.stderr or done.stdout).strip()[-300:]}")
        return float(rate[1]), int(made[1])

    def _throughput(self, way: Way, client: str, streams: int) -> float:
        host = way.vip or self.addresses[SERVERS[0]]
        port = PLAIN.stream
        argv = [self.paths["iperf3"], "--client", host, "--port", str(port), "--time", str(STREAM_S)]
        argv += ["--parallel", str(streams), "--connect-timeout", "3000", "--json"]
        for _ in range(_TRIES):
            done = self.rig.lab.exec(client, argv, capture_output=True, text=True, timeout=_DEADLINE)
            figures = json.loads(done.stdout or "{}")
            received = figures.get("end", {}).get("sum_received")
            if done.returncode == 0 and received:
                return float(received["bits_per_second"]) / 1e9
            time.sleep(0.5)  # the server takes one client at a time, and may not be done with the one before
        raise RuntimeError(f"iperf3 ({way.name}): {figures.get('error') or done.stderr.strip()[-300:]}")


def _row(name: str, found: dict[str, list[dict[str, float]]]) -> dict[str, object]:
    row: dict[str, object] = {"way": name}
    for key in ("cps", "switch_us", *(f"gbit_{streams}" for streams in STREAMS)):
        values = [each[key] for each in found[name]]
        ratios = [mine[key] / plain[key] for mine, plain in zip(found[name], found["plain"], strict=True)]
        row[key] = round(median(values), 2 if key.startswith("gbit") else None)
        if name != "plain":
            row[f"{key}_ratio"] = round(median(ratios), 3)
            row[f"{key}_ratio_low"], row[f"{key}_ratio_high"] = round(min(ratios), 3), round(max(ratios), 3)
    return row


_REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"


def hold(count: int, addresses: Sequence[str]) -> None:
    """Open ``count`` connections spread over ``addresses`` and print how many answered.

    Asks all of them again for every line of standard input, and ends with it.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    held: list[socket.socket] = []
    for number in range(count):
        try:
            held.append(socket.create_connection((addresses[number % len(addresses)], 8088), timeout=3.0))
        except OSError as error:
            print(f"connection {number}: {error}", file=sys.stderr)
            break
    print(_asked(held), flush=True)
    for _ in sys.stdin:
        print(_asked(held), flush=True)


def _asked(held: Sequence[socket.socket]) -> int:
    answered = 0
    for sock in held:
        try:
            sock.sendall(_REQUEST)
            answered += bool(sock.recv(4096))
        except OSError:
            continue
    return answered


if __name__ == "__main__":
    hold(int(sys.argv[1]), sys.argv[2:])
    os._exit(0)
