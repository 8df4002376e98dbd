"""A simulated client: the demo's programs with the connections of a simulated host.

Run as ``python -m topo.sim.client HOST.json MODULE SPEC.json``; MODULE is ``topo.demo.load`` or ``topo.demo.ready``.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from topo.demo import load, ready
from topo.demo.load import Spec, Target
from topo.demo.ready import Wanted
from topo.p4switch.unixlink import UnixLink
from topo.sim.host import HostSpec, SimHost

REQUEST = b"GET / HTTP/1.0\r\nHost: evenkeel\r\nConnection: close\r\n\r\n"


async def ask(host: SimHost, target: Target) -> str:
    """The name of the server that answers one short request. Raises OSError."""
    async with asyncio.timeout(ready.ANSWER_WITHIN):
        reader, writer = await host.open_connection(target.address, target.port)
        try:
            writer.write(REQUEST)
            raw = await reader.read(-1)
        finally:
            writer.close()
    return raw.partition(b"\r\n\r\n")[2].decode(errors="replace").strip()


async def _wait(host: SimHost, wanted: Wanted) -> str:
    loop = asyncio.get_running_loop()

    def ask_here(target: Target) -> str:
        return asyncio.run_coroutine_threadsafe(ask(host, target), loop).result()

    return await asyncio.to_thread(ready.wait, wanted, ask_here)


async def _main(host_file: Path, module: str, spec: str) -> int:
    who = HostSpec.load(host_file)
    # Both programs of a client have ports of their own: what one left behind is not the other's.
    host = SimHost(who, UnixLink(Path(who.cable)), seed=module)
    if module == load.__name__:
        await load.run(Spec.parse(spec), host.open_connection)
        return 0
    trouble = await _wait(host, Wanted.parse(spec))
    if trouble:
        print(trouble, file=sys.stderr)
    return 1 if trouble else 0


def main(argv: list[str]) -> int:
    """Entry point."""
    host_file, module, spec = argv
    return asyncio.run(_main(Path(host_file), module, Path(spec).read_text(encoding="utf-8")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
