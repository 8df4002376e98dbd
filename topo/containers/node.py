"""A container's first process: ``python -m topo.containers.node NAME`` gets the node's cables, then runs its programs.

It ends with the first of its programs, with that one's exit code; on SIGTERM, with 0, after they have ended; and with
1 when the wiring service is gone.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress

from topo.containers import badge, fabric, programs
from topo.errors import LabError

WAIT = 60.0
"""Seconds until the wiring service must have answered."""
GRACE = 5.0
"""Seconds from SIGTERM to SIGKILL."""


def wired(node: str, within: float = WAIT) -> socket.socket:
    """Get the node's cables; the connection then lasts as long as the wiring. Raises ``LabError``."""
    end = time.monotonic() + within
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(within)
            connection.connect(str(badge.SOCKET))
            badge.show(connection, node)
            answer = connection.recv(4096)
        except OSError as error:
            answer = b""
            why = str(error)
        else:
            why = "it ended"
        if answer == badge.WIRED:
            connection.setblocking(False)
            return connection
        connection.close()
        if answer:
            raise LabError(f"wiring: {answer.decode(errors='replace').strip()}")
        if time.monotonic() > end:
            raise LabError(f"{badge.SOCKET}: no answer of the wiring service within {within:g} s: {why}")
        time.sleep(0.1)  # until it is there; nothing announces that


async def attend(commands: list[list[str]], connection: socket.socket) -> int:
    """Run programs until one ends, the wiring is gone or SIGTERM comes; the exit code."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    running = [await asyncio.create_subprocess_exec(*command) for command in commands]
    try:
        return await _first(running, connection, told)
    finally:
        await _end(running)


async def _first(running: Sequence[Process], connection: socket.socket, told: asyncio.Event) -> int:
    """Wait for whatever comes first; the exit code that belongs to it."""

    async def told_to_end() -> int:
        await told.wait()
        return 0

    async def unplugged() -> int:
        await asyncio.get_running_loop().sock_recv(connection, 1)
        print("the wiring service is gone, and its cables with it", file=sys.stderr)
        return 1

    async def ended(program: Process) -> int:
        code = await program.wait()
        return code if code >= 0 else 128 - code

    each = [told_to_end(), unplugged(), *(ended(program) for program in running)]
    tasks = [asyncio.create_task(one) for one in each]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task.result() for task in tasks if task in done)
    finally:
        for task in tasks:
            task.cancel()


async def _end(running: Sequence[Process]) -> None:
    """SIGTERM, and SIGKILL after ``GRACE`` for what is left."""
    for program in running:
        with suppress(ProcessLookupError):
            program.terminate()
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE):
            for program in running:
                await program.wait()
    for program in running:
        with suppress(ProcessLookupError):
            program.kill()
        await program.wait()


def main(arguments: list[str]) -> int:
    """Entry point; the one argument is the node's name."""
    if len(arguments) != 1:
        print("usage: python -m topo.containers.node NAME", file=sys.stderr)
        return 2
    # The first process of a container ignores what it does not handle.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: sys.exit(0))
    (node,) = arguments
    try:
        chosen = fabric.chosen()
        commands = programs.commands(chosen, node)
        with wired(node) as connection:
            programs.prepare(chosen, node)
            return asyncio.run(attend(commands, connection))
    except (LabError, OSError) as error:
        print(f"{node}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
