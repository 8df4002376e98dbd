"""Wait until a P4 switch forwards: a controller has written routes, and then no more. Run as a program.

    python -m topo.p4ready ADDRESS:PORT DEVICE SECONDS        exit code 0: it forwards; 1: not within SECONDS

A program, because gRPC's threads do not follow the caller into a network namespace.
"""

from __future__ import annotations

import sys
import time

import grpc
from finsy.proto import p4r

ROUTES = 0x02000010
"""Id of the program's table ``address``."""
_ALL = 0
_PAUSE = 0.15
"""Seconds that a controller does not pause in the midst of writing."""


def _read(channel: grpc.Channel, device: int, table: int, deadline: float) -> bytes:
    """Entries of a table, as they come."""
    request = p4r.ReadRequest(device_id=device)
    request.entities.add().table_entry.table_id = table
    call = channel.unary_stream("/p4.v1.P4Runtime/Read")
    return b"".join(call(request.SerializeToString(), timeout=deadline))


def forwards(address: str, device: int, seconds: float) -> bool:
    """Whether it does, at the latest after ``seconds``."""
    end = time.monotonic() + seconds
    last: bytes | None = None
    with grpc.insecure_channel(address, [("grpc.max_receive_message_length", -1)]) as channel:
        while (left := end - time.monotonic()) > 0:
            try:
                now = _read(channel, device, _ALL, left) if _read(channel, device, ROUTES, left) else None
            except grpc.RpcError:
                now = None  # no server, or no program yet
            if now is not None and now == last:
                return True
            last = now
            time.sleep(_PAUSE)
    return False


if __name__ == "__main__":
    sys.exit(0 if forwards(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])) else 1)
