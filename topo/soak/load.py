"""The soak's client program: the demo's load, but connections that end are followed by others in their place.

Run as ``python -m topo.soak.load SPEC.json``, like ``topo.demo.load``, whose log it writes. The connections of one
place are numbered: ``c1-4.0``, ``c1-4.1`` and so on. Kinds: ``active`` and ``silent`` ones live until the load ends,
``brief`` ones are proven and closed after some seconds, so that connections begin at every moment of the run.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from topo.demo import load as demo
from topo.demo.load import Failed, Long, Spec, failure_kind

BRIEF = (4.0, 20.0)
"""Seconds that a brief connection lives."""
AGAIN = (0.5, 2.0)
"""Seconds from the end of a connection to the next one in its place."""


class Load(demo.Load):
    """Runs one client's spec until ``finish`` is set."""

    async def _long(self, one: Long, delay: float) -> None:
        number = 0
        while not await self._idle(delay):
            lives = self._random.uniform(*BRIEF) if one.kind == "brief" else float("inf")
            await self._live(Long(f"{one.id}.{number}", one.target, one.kind, one.period), lives)
            number += 1
            delay = self._random.uniform(*AGAIN)

    async def _live(self, one: Long, lives: float) -> None:
        """One connection, from its first packet to its proof or failure."""
        begin = time.monotonic()
        during = "connect"
        used: asyncio.StreamWriter | None = None
        try:
            reader, writer = await asyncio.wait_for(
                self._connect(one.target.address, one.target.port), self._spec.connect_timeout
            )
            used = writer
            local = writer.get_extra_info("sockname")
            self._log("open", id=one.id, t=time.monotonic(), begin=begin, local=[local[0], local[1]])
            server, number, over = "", 0, False
            while not over:
                during = "echo"
                server = await self._echo("echo", one.id, number, server, reader, writer)
                number += 1
                during = "silence"
                over = await self._silence(reader, self._random.uniform(*one.period))
                over = over or time.monotonic() - begin > lives
            during = "proof"
            await self._echo("proof", one.id, number, server, reader, writer)
            self._log("close", id=one.id, t=time.monotonic())
        except (OSError, Failed, TimeoutError) as error:
            kind = error.kind if isinstance(error, Failed) else failure_kind(error)
            self._log("fail", id=one.id, t=time.monotonic(), begin=begin, kind=kind, during=during)
        finally:
            if used is not None:
                used.close()


def main(argv: list[str]) -> int:
    """Entry point; the one argument is the spec file."""
    if len(argv) != 1:
        print("usage: python -m topo.soak.load SPEC.json", file=sys.stderr)
        return 2
    asyncio.run(demo.run(Spec.parse(Path(argv[0]).read_text(encoding="utf-8")), program=Load))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
