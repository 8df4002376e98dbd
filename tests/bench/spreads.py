"""Where slots come from, in new connections: own hash, bits, the datapath's hash; settled slots, against plain.

One switch that is edge, lb and leaf; clients of 16 addresses behind one port, as behind a router, open, ask once and
close, as fast as they come to it. Plain forwarding is the same switch routing to the servers' own addresses; each way
is measured in turn with it, both warmed up first. The switch keeps unused decisions for 10 s, as is Open vSwitch's
default.

python -m tests.bench.spreads run INTENT ... is the controller, in which a pool's name says how it is spread.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from controller.plan import spreads
from controller.plan.pool import PoolState
from controller.plan.tables import Tables
from controller.spec.spread import Spread
from controller.spec.types import Intent
from tests.bench import web
from tests.bench.rig import Rig, lab, require, topology
from topo import model
from topo.plan import UNDERLAY_TABLE
from topo.underlay import COOKIE
from topo.wires import HOST_INTERFACE

ROUNDS = int(os.environ.get("EVENKEEL_BENCH_ROUNDS", "8"))
SECONDS = 2
"""Of each measurement."""
CLIENT = "c1"
ADDRESSES = tuple(f"10.0.0.{number}" for number in range(201, 217))
SERVERS = ("s1", "s2", "s3")
PORT = 8088
_CONNECTIONS = 3
"""Of each address at a time."""
_USERS = 2000
"""User ids of the programs that connect, from here on: each has an address of its own."""
_MAX_IDLE = 10_000
"""Milliseconds."""
_WARM = 1
"""Seconds before each measurement."""
_SWITCH = "sw1"


@dataclass(frozen=True)
class Way:
    """One way to the servers."""

    name: str
    vip: str | None = None


PLAIN = Way("plain")
WAYS = tuple(Way(spread.value, f"10.0.0.{100 + n}") for n, spread in enumerate(Spread))


def run() -> dict[str, object]:
    """Measure each way in a lab of its own; takes some four minutes.

    ``cps_ratio`` and ``cpu_ratio`` are medians over rounds of (way / plain forwarding in the same round), ``_low``
    and ``_high`` their quartiles. ``cps`` are completed HTTP requests/s, one connection each; ``switch_us`` is the
    switch's CPU time, ``upcalls`` and ``entries`` (of conntrack) are counts, for each of them. ``megaflows`` are cached
    decisions then.
    """
    paths = require("nginx", "wrk", "ovs-vswitchd")
    rows = [row for way in WAYS for row in _in_lab(paths, way)]
    return {
        "ways": rows,
        "rounds": ROUNDS,
        "clients": len(ADDRESSES),
        "seconds": SECONDS,
        "switch_max_idle_ms": _MAX_IDLE,
        "tso": "off",
    }


def _in_lab(paths: dict[str, str], way: Way) -> list[dict[str, object]]:
    with lab(_plan(), tso=False) as rig:
        _address(rig)
        web.serve(rig, paths["nginx"], SERVERS, [PORT])
        journal = rig.controller(module="tests.bench.spreads")
        journal.wait(lambda events: any(e["event"] == "synced" for e in events), "its switch synced")
        web.answers(rig, CLIENT, str(way.vip), PORT)
        return _Bench(rig, paths["wrk"]).measure(way)


def _plan() -> model.Topology:
    health = {"interval": "1s", "timeout": "500ms", "rise": 1, "fall": 5, "type": "tcp", "port": PORT}
    backends = [{"name": name} for name in SERVERS]
    pools = [{"name": way.name, "health": health, "backends": backends} for way in WAYS]
    vips = [
        {
            "name": way.name,
            "address": way.vip,
            "mac": "02:45:56:00:01:01",
            "listeners": [{"protocol": "tcp", "port": PORT, "pool": way.name, "mode": "dr"}],
        }
        for way in WAYS
    ]
    base = model.load("single")
    hosts = [host for host in base.hosts if host.kind != "client"]
    hosts += [model.HostSpec(name=CLIENT, attach=_SWITCH, subnet="front")]
    return topology(base.model_copy(update={"hosts": tuple(hosts)}), "bspr", pools, vips)


def _address(rig: Rig) -> None:
    """Give the client its addresses, each to one user id, and the switch the way back."""
    host, switch = rig.lab.fabric.hosts[CLIENT], rig.lab.fabric.switches[_SWITCH]
    port = next(each.number for each in switch.ports if each.to == CLIENT)

    def ip(*words: str) -> str:
        done = rig.lab.exec(CLIENT, ["ip", *words], capture_output=True, text=True, check=True)
        return str(done.stdout)

    routes = [line.split() for line in ip("-4", "route", "show").splitlines()]
    for number, address in enumerate(ADDRESSES, _USERS):
        ip("address", "add", f"{address}/32", "dev", HOST_INTERFACE)
        ip("rule", "add", "uidrange", f"{number}-{number}", "lookup", str(number))
        for route in routes:
            bare = route[: route.index("src")] if "src" in route else route
            plain = [word for word in bare if word not in ("linkdown",)]
            ip("route", "add", *plain, "src", address, "table", str(number))
        to = f"set_field:{host.mac}->eth_dst,output:{port}"
        flow = f"cookie={COOKIE:#x},table={UNDERLAY_TABLE},priority=300,ip,nw_dst={address},actions={to}"
        rig.lab.ofctl(_SWITCH, "add-flow", "br0", flow)
    rig.lab.vsctl(_SWITCH, "set", "Open_vSwitch", ".", f"other_config:max-idle={_MAX_IDLE}")


class _Bench:
    """The measurements in one lab."""

    def __init__(self, rig: Rig, wrk: str) -> None:
        self._rig = rig
        self._wrk = wrk
        hosts = rig.lab.fabric.hosts
        self._servers = [str(hosts[name].addresses[0].ip) for name in SERVERS]

    def measure(self, way: Way) -> list[dict[str, object]]:
        """A row for plain forwarding, and one for the way."""
        found: dict[str, list[dict[str, float]]] = {PLAIN.name: [], way.name: []}
        for turn in range(ROUNDS):
            for each in (PLAIN, way) if turn % 2 else (way, PLAIN):
                found[each.name].append(self._once(each))
        return [_row(name, found) for name in found]

    def _once(self, way: Way) -> dict[str, float]:
        self._connections(way, _WARM)
        used, upcalls, entries = (
            self._rig.switch_cpu(_SWITCH),
            self._upcalls(),
            web.entries(self._rig, _SWITCH),
        )
        made = self._connections(way, SECONDS)
        return {
            "cps": made / SECONDS,
            "switch_us": 1e6 * (self._rig.switch_cpu(_SWITCH) - used) / made,
            "upcalls": (self._upcalls() - upcalls) / made,
            "entries": (web.entries(self._rig, _SWITCH) - entries) / made,
            "megaflows": self._counted("dpctl/show", r"flows: (\d+)"),
        }

    def _connections(self, way: Way, seconds: int) -> int:
        argv = [self._wrk, "-t", "1", "-c", str(_CONNECTIONS), "-d", f"{seconds}s", "-H", "Connection: close"]
        targets = self._servers if way.vip is None else [way.vip]
        running = []
        for n in range(len(ADDRESSES)):
            user = ["setpriv", f"--reuid={_USERS + n}", "--clear-groups", *argv]
            url = f"http://{targets[n % len(targets)]}:{PORT}/"
            running.append(self._rig.start(CLIENT, [*user, url], stdout=subprocess.PIPE, text=True))
        return sum(web.made(each) for each in running)

    def _upcalls(self) -> float:
        return self._counted("dpctl/show", r"missed:(\d+)")

    def _counted(self, command: str, what: str) -> float:
        said = self._rig.lab.appctl(_SWITCH, command)
        return float(sum(int(number) for number in re.findall(what, said)))


def _row(name: str, found: dict[str, list[dict[str, float]]]) -> dict[str, object]:
    mine, plain = found[name], found["plain"]
    row: dict[str, object] = {"way": name}
    for key, digits in (("cps", 0), ("switch_us", 1), ("upcalls", 3), ("entries", 4), ("megaflows", 0)):
        row[key] = round(median(each[key] for each in mine), digits)
    if name != PLAIN.name:
        for ratio, key in (("cps_ratio", "cps"), ("cpu_ratio", "switch_us")):
            values = [one[key] / other[key] for one, other in zip(mine, plain, strict=True)]
            low, _, high = quantiles(values, n=4)
            row |= {
                ratio: round(median(values), 3),
                f"{ratio}_low": round(low, 3),
                f"{ratio}_high": round(high, 3),
            }
    return row


def main(arguments: Sequence[str]) -> None:
    """Run the controller's command line with pools spread by their names."""
    from controller.cli.main import app

    def by_name(tables: Tables, intent: Intent, state: PoolState, answers: spreads.Answers) -> Spread | None:
        return Spread(state.name)

    spreads.wanted = by_name
    app(list(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
