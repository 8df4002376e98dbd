"""A simulated server: the lab's server program with the connections of a simulated host.

Run as ``python -m topo.sim.server HOST.json SERVES.json``. The controller's probes cannot get into the simulation, so
that it listens for them on a real loopback address as well, which lives and dies with it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from topo.p4switch.unixlink import UnixLink
from topo.servers.server import Echo, Http, Journal, Server
from topo.sim.host import HostSpec, SimHost

READY = "ready"


@dataclass(frozen=True)
class Serves:
    """What a simulated server serves."""

    http: tuple[int, ...]
    echo: tuple[int, ...]
    log: str
    """File that its connections are logged to."""
    probe: tuple[str, int]
    """Loopback address and port for the controller's probes."""

    def dump(self) -> str:
        """As JSON."""
        return json.dumps(vars(self))

    @staticmethod
    def load(path: Path) -> Serves:
        """From a file that ``dump`` was written to."""
        raw = json.loads(path.read_text(encoding="utf-8"))
        where = (str(raw["probe"][0]), int(raw["probe"][1]))
        return Serves(tuple(raw["http"]), tuple(raw["echo"]), raw["log"], where)


async def _main(who: HostSpec, what: Serves) -> None:
    server = Server(who.name, Journal(what.log, who.name))
    probed = Server(who.name, Journal("/dev/null", who.name))
    listeners: dict[int, Callable[[], asyncio.Protocol]] = {
        **dict.fromkeys(what.http, lambda: Http(server)),
        **dict.fromkeys(what.echo, lambda: Echo(server)),
    }
    # Kept: the event loop knows only its cable.
    host = SimHost(who, UnixLink(Path(who.cable)), listeners)
    real = await asyncio.get_running_loop().create_server(lambda: Http(probed), *what.probe)
    print(READY, flush=True)
    async with real:
        await real.serve_forever()
    del host


def main(argv: list[str]) -> int:
    """Entry point."""
    asyncio.run(_main(HostSpec.load(Path(argv[0])), Serves.load(Path(argv[1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
