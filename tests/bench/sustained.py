"""Sustained new connections: two minutes of them on settled slots, and what stays in the switch's connection tracker.

One switch that is edge, lb and leaf, as in ``forwarding``; clients of 16 addresses open, ask once and close, as fast as
they come to it. Every second it is asked how many conntrack entries there are. ``EVENKEEL_BENCH_SECONDS`` makes it
shorter or longer.
"""

from __future__ import annotations

import os
import subprocess
import time

from tests.bench import web
from tests.bench.rig import Rig, lab, require, topology
from topo import model

SECONDS = int(os.environ.get("EVENKEEL_BENCH_SECONDS", "120"))
CLIENTS = tuple(f"c{number}" for number in range(1, 17))
MODES = ("dr", "nat")
SERVERS = ("s1", "s2", "s3")
VIP, PORT = "10.0.0.100", 8088
_CONNECTIONS = 3
"""Of each client at a time."""
_SWITCH = "sw1"


def run() -> dict[str, object]:
    """Measure each mode in turn, in a lab of its own.

    ``entries`` are conntrack entries at the end, ``entries_most`` at the worst second; ``entries_per_connection`` is
    the latter over the connections that were made. ``switch_us`` is the switch's CPU time for each of them.
    """
    paths = require("nginx", "wrk", "ovs-vswitchd")
    rows = []
    for mode in MODES:
        with lab(_plan(mode), tso=False) as rig:
            rows.append(_measure(rig, paths, mode))
    return {"modes": rows, "seconds": SECONDS, "clients": len(CLIENTS), "aim_entries_per_connection": 0.01}


def _plan(mode: str) -> model.Topology:
    health = {"interval": "1s", "timeout": "500ms", "rise": 1, "fall": 5, "type": "tcp", "port": PORT}
    pools = [{"name": "web", "health": health, "backends": [{"name": name} for name in SERVERS]}]
    listener = {"protocol": "tcp", "port": PORT, "pool": "web", "mode": mode}
    vips = [{"name": mode, "address": VIP, "mac": "02:45:56:00:01:01", "listeners": [listener]}]
    base = model.load("single")
    hosts = [host for host in base.hosts if host.kind != "client"]
    hosts += [model.HostSpec(name=name, attach=_SWITCH, subnet="front") for name in CLIENTS]
    return topology(base.model_copy(update={"hosts": tuple(hosts)}), "bsus", pools, vips)


def _measure(rig: Rig, paths: dict[str, str], mode: str) -> dict[str, object]:
    web.serve(rig, paths["nginx"], SERVERS, [PORT])
    journal = rig.controller()
    journal.wait(lambda events: any(e["event"] == "synced" for e in events), "its switch synced")
    web.answers(rig, CLIENTS[0], VIP, PORT)
    before, used = web.entries(rig, _SWITCH), rig.switch_cpu(_SWITCH)
    argv = [paths["wrk"], "-t", "1", "-c", str(_CONNECTIONS), "-d", f"{SECONDS}s", "-H", "Connection: close"]
    clients = [
        rig.start(client, [*argv, f"http://{VIP}:{PORT}/"], stdout=subprocess.PIPE, text=True)
        for client in CLIENTS
    ]
    most, end = 0, time.monotonic() + SECONDS + web.LATER
    while any(client.poll() is None for client in clients) and time.monotonic() < end:
        most = max(most, web.entries(rig, _SWITCH) - before)
        time.sleep(1.0)
    used = rig.switch_cpu(_SWITCH) - used
    made = sum(web.made(client) for client in clients)
    left = web.entries(rig, _SWITCH) - before
    return {
        "mode": mode,
        "connections": made,
        "per_second": round(made / SECONDS),
        "entries": left,
        "entries_most": most,
        "entries_per_connection": round(max(most, left) / made, 4),
        "switch_us": round(1e6 * used / made),
    }
