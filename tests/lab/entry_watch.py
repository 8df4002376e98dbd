"""Looks into P4 switches again and again, as a client that writes nothing: who holds entries, and where edges send.

``python -m tests.lab.entry_watch ROLE:NAME:DEVICE@ADDRESS ...`` (ROLE: edge, lb, leaf) prints a JSON object a look:
``switch``, ``began`` and ``ended`` (CLOCK_MONOTONIC), ``routes`` (entries of table ``address``; null: no pipeline, or
no answer) and, of an edge, ``ports``: those of its group of lb switches.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import grpc
from finsy.proto import p4r, p4r_grpc

from controller.southbound.p4.pipeline import balancer
from p4src.spec import UPLINKS

PAUSE = 0.03
DEADLINE = 5.0
_printing = threading.Lock()


def look(stub: p4r_grpc.P4RuntimeStub, device: int, edge: bool) -> dict[str, object]:
    """One look into a switch."""
    tables = balancer().tables
    request = p4r.ReadRequest(device_id=device)
    for name in ("address", "nexthop") if edge else ("address",):
        request.entities.add().table_entry.table_id = tables[name].id
    routes, ports = 0, set()
    try:
        for answer in stub.Read(request, timeout=DEADLINE):
            for entry in (entity.table_entry for entity in answer.entities):
                if entry.table_id == tables["address"].id:
                    routes += 1
                elif int.from_bytes(entry.match[0].exact.value, "big") == UPLINKS:
                    ports.add(int.from_bytes(entry.action.action.params[0].value, "big"))
    except grpc.RpcError:
        return {"routes": None}
    return {"routes": routes, "ports": sorted(ports)}


def watch(argument: str) -> None:
    """Look into one switch until killed."""
    place, _, address = argument.partition("@")
    role, name, device = place.split(":")
    stub = p4r_grpc.P4RuntimeStub(grpc.insecure_channel(address))
    while True:
        began = time.monotonic()
        seen = look(stub, int(device), role == "edge")
        row = {"switch": name, "began": began, "ended": time.monotonic(), **seen}
        with _printing:
            print(json.dumps(row), flush=True)
        time.sleep(PAUSE)


if __name__ == "__main__":
    for each in sys.argv[1:]:
        threading.Thread(target=watch, args=(each,)).start()
