"""The intent of the lab "trio", edited as in the faults found on real switches; ports that are used again."""

from __future__ import annotations

import socket
import struct
from typing import Any

from tests.lab.balanced import Balanced
from tests.lab.long_connections import ANSWER_WITHIN, ENDPOINTS, Connection, LongConnections
from tests.lab.tuned import Change, weights
from topo.ovs import OpenVSwitch

VAULT = "10.0.0.104"
"""VIP of the pool without a window: only what switches remember holds its connections on moved slots."""


def vip(document: Any, address: str) -> Any:
    """A VIP of an intent."""
    return next(each for each in document["vips"] if each["address"] == address)


def listener(**settings: Any) -> Change:
    """Set keys of the listener of mode dr of the first pool."""
    return lambda document: vip(document, "10.0.0.100")["listeners"][0].update(settings)


def renamed(old: str, new: str) -> Change:
    """Give a switch another name, wherever it is named."""

    def change(document: Any) -> None:
        for switch in document["switches"]:
            switch["name"] = new if switch["name"] == old else switch["name"]
            for number, peer in switch["ports"].items():
                switch["ports"][number] = new if peer == old else peer
            for route in switch.get("routes", ()):
                route["via"][:] = [new if via == old else via for via in route["via"]]

    return change


def without(name: str) -> Change:
    """Take a switch out, and all that leads to it."""

    def change(document: Any) -> None:
        document["switches"][:] = [each for each in document["switches"] if each["name"] != name]
        for switch in document["switches"]:
            for number in [n for n, peer in switch["ports"].items() if peer == name]:
                del switch["ports"][number]

    return change


def shift(served: Balanced, pool: str) -> Change:
    """Another share for s1 in a pool, whatever it has: many slots move."""
    backends = served.status()["pools"][f"{pool}/tcp"]["backends"]
    return weights(pool, s1=1 if backends["s1"]["weight"] > 1 else 6)


def exceptions(served: Balanced, long: LongConnections) -> None:
    """Idle connections of "vault"; then many of their slots move."""
    assert not [one.problem for one in long.open(40, ["vault"], idle_of_three=3) if one.problem]
    served.edit_intent(shift(served, "vault"))
    served.wait_event("table", pool="vault/tcp")
    served.settle()


def abort(served: Balanced, long: LongConnections, some: list[Connection]) -> list[tuple[int, str]]:
    """Abort connections; their ports and modes. What switches remember of them stays, but for cached decisions."""
    ports = [(one.port, one.mode) for one in some]
    for one in some:
        long.all.remove(one)
        one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.socket.close()
    long.speak()  # what comes behind the resets has passed every lb switch when it is answered
    for name, switch in served.lab.switches.items():
        if isinstance(switch, OpenVSwitch):
            served.lab.appctl(name, "revalidator/purge")
    return ports


def reopen(served: Balanced, long: LongConnections, port: int, mode: str) -> Connection:
    """Open a connection from a port that was used before."""
    made = Connection(mode, False, served.lab.socket("c1"))
    made.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.socket.settimeout(ANSWER_WITHIN)
    made.socket.bind(("", port))
    made.socket.connect(ENDPOINTS[mode])
    long.speak([made])
    long.all.append(made)
    return made
