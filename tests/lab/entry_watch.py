"""Looks into P4 switches again and again, as a client that writes nothing: who holds entries, and where an edge sends.

``python -m tests.lab.entry_watch DEVICE@ADDRESS ...`` prints a JSON object a round: device id -> [claims, next hops of
the edges' group, by port], or null for a switch that has no pipeline or does not answer.
"""

from __future__ import annotations

import json
import sys
import time

import grpc
from finsy.proto import p4r, p4r_grpc

from controller.southbound.p4pipeline import balancer
from p4src.spec import UPLINKS

PAUSE = 0.05
DEADLINE = 5.0
Seen = tuple[int, list[int]] | None


def look(stub: p4r_grpc.P4RuntimeStub, device: int) -> Seen:
    """Claims in table ``vip`` and the ports to which the edges' group leads."""
    tables = balancer().tables
    request = p4r.ReadRequest(device_id=device)
    request.entities.add().table_entry.table_id = tables["vip"].id
    entry = request.entities.add().table_entry
    entry.table_id = tables["nexthop"].id
    claims, ports = 0, set()
    try:
        for answer in stub.Read(request, timeout=DEADLINE):
            for entity in answer.entities:
                found = entity.table_entry
                if found.table_id == tables["vip"].id:
                    claims += 1
                elif int.from_bytes(found.match[0].exact.value, "big") == UPLINKS:
                    ports.add(int.from_bytes(found.action.action.params[0].value, "big"))
    except grpc.RpcError:
        return None
    return claims, sorted(ports)


def main() -> None:
    """Until killed."""
    stubs = {}
    for argument in sys.argv[1:]:
        device, _, address = argument.partition("@")
        stubs[int(device)] = p4r_grpc.P4RuntimeStub(grpc.insecure_channel(address))
    while True:
        began = time.monotonic()
        seen = {device: look(stub, device) for device, stub in stubs.items()}
        print(json.dumps({"t": began, "until": time.monotonic(), "seen": seen}), flush=True)
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
