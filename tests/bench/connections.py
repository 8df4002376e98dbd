"""New connections over IPv4, IPv6 and UDP, on settled and on tracked slots, by mode, against plain forwarding.

One switch that is edge, lb and leaf, as in ``forwarding``; every round has a client of its own. Settled slots are
measured first. Then three other servers get all weight, so that every slot moves and is tracked, and all is measured
again. UDP is remembered always, so it is measured once. Cached decisions are purged before each measurement: its first
second is *cold*, what follows *warm*.

python -m tests.bench.connections ADDRESS SECONDS FIRST is a client that asks an echo server over UDP, each time from
another port, from FIRST on; python -m tests.bench.connections echo ADDRESS/PORT ... is that server.
"""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ruamel.yaml import YAML

from tests.bench import web
from tests.bench.rig import ROOT, Event, Journal, Rig, lab, require, topology
from topo import model

ROUNDS = int(os.environ.get("EVENKEEL_BENCH_ROUNDS", "4"))
COLD, WARM = 1, 2
"""Seconds."""
FIRST, SECOND = ("s1", "s2", "s3"), ("s4", "s5", "s6")
"""Servers before all slots move, and after."""
CLIENTS = tuple(f"c{number}" for number in range(1, ROUNDS + 1))
_SWITCH = "sw1"
_HTTP, _HTTP_NAT, _ECHO, _ECHO_NAT = 8088, 8089, 5301, 5302
_AT_ONCE = 48
_CLIENTS_UDP = 3
_PORTS, _PORTS_COLD = 21_000, 7_000
"""Source ports of a UDP client, and how many of them it may use while cold."""
_LOWEST_PORT = 1_024
_DEADLINE = 60.0


@dataclass(frozen=True)
class Way:
    """One way to the servers."""

    mode: str
    """``plain``: to their own addresses."""
    version: int
    protocol: str = "tcp"

    @property
    def vip(self) -> str | None:
        """The address to connect to; None: a server's."""
        if self.mode == "plain":
            return None
        last = 100 + ("dr", "nat", "tun").index(self.mode)
        return f"10.0.0.{last}" if self.version == 4 else f"fd00::{last}"


def _ways(protocol: str, modes: Sequence[str]) -> tuple[Way, ...]:
    return tuple(Way(mode, version, protocol) for version in (4, 6) for mode in ("plain", *modes))


TCP, UDP = _ways("tcp", ("dr", "nat", "tun")), _ways("udp", ("dr", "nat"))


def run() -> dict[str, object]:
    """Measure without segmentation offload, which excludes tun; takes some six minutes.

    ``cps_ratio`` and ``cpu_ratio`` are medians over rounds of (way / plain forwarding of the same protocol and family
    in the same round), of what was warm; ``_low`` and ``_high`` are their extremes. ``cps`` are answered requests/s,
    one connection each; ``switch_us`` is the switch's CPU time, ``entries`` are conntrack entries, for each of them.
    """
    paths = require("nginx", "wrk", "ovs-vswitchd")
    with lab(_plan(), tso=False) as rig:
        bench = _Bench(rig, paths)
        bench.start()
        rows = [{"slots": "settled", **row} for row in bench.measure(TCP, FIRST)]
        rows += [{"slots": "udp", **row} for row in bench.measure(UDP, FIRST)]
        bench.move()
        rows += [{"slots": "tracked", **row} for row in bench.measure(TCP, SECOND)]
    return {"ways": rows, "rounds": ROUNDS, "tso": "off", "cold_s": COLD, "warm_s": WARM}


def _plan() -> model.Topology:
    health = {"interval": "1s", "timeout": "500ms", "rise": 1, "fall": 5, "type": "tcp", "port": _HTTP}
    backends = [{"name": name, "weight": int(name in FIRST)} for name in (*FIRST, *SECOND)]
    pool = {"name": "web", "health": health, "backends": backends}
    vips = [
        {
            "name": f"{way.mode}{way.version}",
            "address": way.vip,
            "mac": "02:45:56:00:01:01",
            "listeners": [_listener(way.mode, protocol) for protocol in _protocols(way.mode)],
        }
        for way in TCP
        if way.vip is not None
    ]
    base = model.load("single")
    hosts = [host for host in base.hosts if host.kind != "client"]
    hosts += [
        model.HostSpec(name=name, attach=_SWITCH, subnet="rack1", kind="server", number=20 + number)
        for number, name in enumerate(SECOND)
    ]
    hosts += [model.HostSpec(name=name, attach=_SWITCH, subnet="front") for name in CLIENTS]
    return topology(base.model_copy(update={"hosts": tuple(hosts)}), "bcon", [pool], vips)


def _protocols(mode: str) -> tuple[str, ...]:
    return ("tcp", "udp") if any(way.mode == mode for way in UDP) else ("tcp",)


def _listener(mode: str, protocol: str) -> dict[str, object]:
    # A port that nat translates to is a VIP's alone, so these servers listen on more than one.
    own = _HTTP_NAT if protocol == "tcp" else _ECHO_NAT
    more = {"backend_port": own} if mode == "nat" else {}
    port = _HTTP if protocol == "tcp" else _ECHO
    return {"protocol": protocol, "port": port, "pool": "web", "mode": mode, **more}


class _Bench:
    """One lab with its servers, and the measurements."""

    def __init__(self, rig: Rig, paths: dict[str, str]) -> None:
        self._rig = rig
        self._paths = paths
        self._intent: Path = rig.lab.intent_path
        self._journal: Journal | None = None

    def start(self) -> None:
        """Servers and the controller."""
        servers = (*FIRST, *SECOND)
        listens = [f"{family}{port}" for port in (_HTTP, _HTTP_NAT) for family in ("", "[::]:")]
        web.serve(self._rig, self._paths["nginx"], servers, listens)
        vips = [str(way.vip) for way in UDP if way.mode == "dr"]
        for server in servers:
            own = [str(each.ip) for each in self._rig.lab.fabric.hosts[server].addresses]
            places = [(each, _ECHO) for each in (*own, *vips)] + [(each, _ECHO_NAT) for each in own]
            argv = [f"{address}/{port}" for address, port in places]
            self._rig.start(
                server, [sys.executable, "-m", "tests.bench.connections", "echo", *argv], cwd=ROOT
            )
        self._journal = self._rig.controller(self._intent)
        self._served()

    def move(self) -> None:
        """Give the other servers all weight: every slot moves."""
        assert self._journal is not None
        yaml, said = YAML(), len(self._journal.events)
        document: dict[str, Any] = yaml.load(self._intent.read_text())
        for backend in document["pools"][0]["backends"]:
            backend["weight"] = int(backend["name"] in SECOND)
        fresh = self._intent.with_suffix(".new")
        with fresh.open("w") as file:
            yaml.dump(document, file)
        fresh.replace(self._intent)
        self._journal.wait(lambda events: _follows(events[said:]), "every slot moved", _DEADLINE)

    def _served(self) -> None:
        """Wait until all servers are up, and the VIPs answer."""
        assert self._journal is not None
        self._journal.wait(lambda events: {*FIRST, *SECOND} <= _up(events), "all servers up", _DEADLINE)
        for way in TCP:
            if way.vip is not None:
                web.answers(self._rig, CLIENTS[0], way.vip, _HTTP)

    def measure(self, ways: Sequence[Way], servers: Sequence[str]) -> list[dict[str, object]]:
        """A row for each way."""
        found: dict[Way, list[dict[str, float]]] = {way: [] for way in ways}
        for turn, client in enumerate(CLIENTS):
            # Each round begins elsewhere, so that none always follows the same other.
            for way in (*ways[turn % len(ways) :], *ways[: turn % len(ways)]):
                found[way].append(self._once(way, client, servers))
        return [_row(way, found) for way in ways]

    def _once(self, way: Way, client: str, servers: Sequence[str]) -> dict[str, float]:
        rig = self._rig
        rig.lab.appctl(_SWITCH, "revalidator/purge")
        hosts = rig.lab.fabric.hosts
        addresses = [way.vip or str(hosts[name].addresses[way.version == 6].ip) for name in servers]
        cold = self._made(way, client, addresses, COLD, 0)
        used, entries = rig.switch_cpu(_SWITCH), web.entries(rig, _SWITCH)
        made = self._made(way, client, addresses, WARM, _PORTS_COLD)
        return {
            "cold_cps": cold / COLD,
            "cps": made / WARM,
            "switch_us": 1e6 * (rig.switch_cpu(_SWITCH) - used) / made,
            "entries": (web.entries(rig, _SWITCH) - entries) / made,
        }

    def _made(self, way: Way, client: str, addresses: Sequence[str], seconds: int, skip: int) -> int:
        if way.protocol == "tcp":
            return self._http(client, addresses, seconds)
        running = []
        for n in range(_CLIENTS_UDP):
            first = _LOWEST_PORT + n * _PORTS + skip
            argv = [sys.executable, "-m", "tests.bench.connections", addresses[n % len(addresses)]]
            argv += [str(seconds), str(first)]
            running.append(self._rig.start(client, argv, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        return sum(int(each.communicate(timeout=_DEADLINE)[0]) for each in running)

    def _http(self, client: str, addresses: Sequence[str], seconds: int) -> int:
        script = web.spread(self._rig, addresses, _HTTP)
        first = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
        argv = [self._paths["wrk"], "-t", str(len(addresses)), "-c", str(_AT_ONCE), "-d", f"{seconds}s"]
        argv += ["-s", script, "-H", "Connection: close", f"http://{first}:{_HTTP}/"]
        return web.made(self._rig.start(client, argv, stdout=subprocess.PIPE, text=True))


def _up(events: Sequence[Event]) -> set[str]:
    return {e["backend"] for e in events if e["event"] == "verdict" and e["up"]}


def _follows(events: Sequence[Event]) -> bool:
    """Whether the switch was written after the tables of both protocols had changed."""
    tables = [n for n, e in enumerate(events) if e["event"] == "table"]
    return len(tables) >= 2 and any(e["event"] == "converged" for e in events[tables[1] :])


def _row(way: Way, found: dict[Way, list[dict[str, float]]]) -> dict[str, object]:
    mine = found[way]
    row: dict[str, object] = {"way": way.mode, "version": way.version, "protocol": way.protocol}
    for key, digits in (("cold_cps", 0), ("cps", 0), ("switch_us", 1), ("entries", 4)):
        row[key] = round(median(each[key] for each in mine), digits)
    if way.vip is not None:
        plain = found[Way("plain", way.version, way.protocol)]
        for ratio, key in (("cold_ratio", "cold_cps"), ("cps_ratio", "cps"), ("cpu_ratio", "switch_us")):
            values = [one[key] / other[key] for one, other in zip(mine, plain, strict=True)]
            row[ratio] = round(median(values), 3)
            row[f"{ratio}_low"], row[f"{ratio}_high"] = round(min(values), 3), round(max(values), 3)
    return row


def ask(address: str, seconds: float, first: int) -> int:
    """How many requests were answered, each from another port, ``first`` and up.

    Raises RuntimeError if there are no more.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    end, answered = time.monotonic() + seconds, 0
    for port in range(first, first + _PORTS):
        if time.monotonic() >= end:
            return answered
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1.0)
            sock.bind(("", port))
            sock.connect((address, _ECHO))
            sock.send(b"?")
            try:
                answered += bool(sock.recv(16))
            except TimeoutError:
                continue
    raise RuntimeError(f"{_PORTS} ports were not enough for {seconds:g} s")


def echo(places: Sequence[str]) -> None:
    """Answer every datagram from the address and port that it was sent to; each place is ``ADDRESS/PORT``."""
    with selectors.DefaultSelector() as selector:
        for place in places:
            address, port = place.split("/")
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind((address, int(port)))
            selector.register(sock, selectors.EVENT_READ, sock)
        while True:
            for key, _ in selector.select():
                data, peer = key.data.recvfrom(64)
                key.data.sendto(data, peer)


if __name__ == "__main__":
    if sys.argv[1] == "echo":
        echo(sys.argv[2:])
    else:
        print(ask(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
