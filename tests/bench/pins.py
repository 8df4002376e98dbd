"""Pins: what one costs the event loop beside 50,000, and how long it takes from the packet to every lb switch.

Until then the connection is lost if its lb switch dies. The controller, its store and the switches are real; packets
come from one client, one at a time, so that whatever is written within ``APART`` of a packet is its doing.
"""

from __future__ import annotations

import shutil
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from ruamel.yaml import YAML

from tests.bench import pinloop
from tests.bench.rig import Event, Journal, Rig, lab, require, topology
from topo import model, netns
from topo.p4programs import BMV2

FLOWS = 150
APART = 0.25
"""Seconds between two packets; a pin that takes longer is not told from the next one and counts as missing."""
SERVERS = ("s1", "s2", "s3")
LBS = ("lb1", "lb2", "lb3")
_SETTLE = 2.0
"""Seconds in which the changed table reaches all switches."""
_DEADLINE = 60.0
_PORT = 7001
_VIP = "10.0.0.100"


def run() -> dict[str, object]:
    """Measure in a lab of one edge, three lb switches and one leaf for each kind; a minute each.

    ``to_last_pin_ms``: from just before the client's ``send`` until the last lb switch confirmed the write.
    ``beside``: see ``pinloop``; first, on fake switches.
    """
    require("ovs-vswitchd")
    beside = pinloop.measure()
    kinds: list[model.SwitchKind] = ["ovs", "embedded"]
    if shutil.which(BMV2):
        kinds.append("bmv2")
    by_kind = [_measure(kind) for kind in kinds]
    return {"beside": beside, "apart_ms": 1e3 * APART, "by_kind": by_kind}


def _measure(kind: model.SwitchKind) -> dict[str, object]:
    with lab(_plan(kind), tso=False) as rig, ExitStack() as stack:
        intent = rig.folder / "intent.yaml"
        shutil.copyfile(rig.lab.intent_path, intent)
        journal = rig.controller(intent)
        journal.wait(_serving, "three lb switches admitted and all servers up", _DEADLINE)
        with netns.enter(rig.lab.spaces["c1"]):
            flows = [stack.enter_context(_flow()) for _ in range(FLOWS)]
        for _ in range(2):
            for flow in flows:
                flow.send(b"open")
                time.sleep(0.005)
        said = len(journal.events)
        _double_weight(intent, SERVERS[0])
        journal.wait(lambda events: _moved(events[said:]), "a changed table", _DEADLINE)
        time.sleep(_SETTLE)
        took = [_once(rig, journal, flow) for flow in flows]
        found = sorted(seconds for seconds in took if seconds is not None)
    if not found:
        raise RuntimeError(f"{kind}: none of {FLOWS} connections became an exception")
    return {
        "switch": kind,
        "exceptions": len(found),
        "of": FLOWS,
        "to_last_pin_ms": {"median": round(1e3 * median(found), 1), "max": round(1e3 * found[-1], 1)},
    }


def _once(rig: Rig, journal: Journal, flow: socket.socket) -> float | None:
    """Seconds until the pin of this connection was everywhere; None if it needs none."""
    said = len(journal.events)
    began = time.monotonic()
    flow.send(b"on")
    time.sleep(APART)
    writes = {e["switch"]: e["t"] for e in journal.events[said:] if e["event"] == "converged" and e["added"]}
    if not set(LBS) <= set(writes):
        return None
    return float(max(writes[name] for name in LBS) - began)


def _flow() -> socket.socket:
    flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flow.connect((_VIP, _PORT))
    return flow


def _serving(events: list[Event]) -> bool:
    admitted = {e["switch"] for e in events if e["event"] == "admitted"}
    up = {e["backend"] for e in events if e["event"] == "verdict" and e["up"]}
    return set(LBS) <= admitted and set(SERVERS) <= up


def _moved(events: list[Event]) -> bool:
    return any(e["event"] == "table" and e["moving"] for e in events)


def _double_weight(intent: Path, server: str) -> None:
    """Change the pool, which moves slots for as long as its transition lasts."""
    yaml = YAML()
    document: dict[str, Any] = yaml.load(intent.read_text())
    for backend in document["pools"][0]["backends"]:
        if backend["name"] == server:
            backend["weight"] = 4
    with intent.with_suffix(".new").open("w") as file:
        yaml.dump(document, file)
    intent.with_suffix(".new").replace(intent)


def _plan(kind: model.SwitchKind) -> model.Topology:
    base = model.load("fabric")
    names = ("edge1", *LBS, "leaf1")
    parts = {
        "switches": tuple(switch for switch in base.switches if switch.name in names),
        "links": tuple(pair for pair in base.links if set(pair) <= set(names)),
        "hosts": tuple(host for host in base.hosts if host.name in ("c1", *SERVERS, "ctl")),
    }
    health = {"type": "http", "port": 80, "path": "/healthz", "interval": "1s", "rise": 1, "fall": 3}
    pool = {"name": "web", "health": health, "backends": [{"name": name} for name in SERVERS]}
    listener = {"protocol": "udp", "port": _PORT, "pool": "web", "mode": "dr"}
    vip = {"name": "shop", "address": _VIP, "mac": "02:45:56:00:01:01", "listeners": [listener]}
    made = topology(base.model_copy(update=parts), f"bpin{kind[0]}", [pool], [vip])
    return made.of_kind(kind)
