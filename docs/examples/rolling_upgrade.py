"""Upgrade the backends of a pool one after the other, without breaking a connection.

    drain ─► its connections are gone, or the deadline is over ─► upgrade ─► it is up ─► undrain ─► the next one

    python rolling_upgrade.py --at unix:/var/lib/evenkeel/state.db.api.sock --pool web \\
      --connections 'ssh $BACKEND ss -Htn state established sport = :80 | wc -l' \\
      --upgrade 'ssh $BACKEND apt-get -y install nginx'

The pool's ``drain_timeout`` has to be longer than the deadline: after it the pool itself ends what is left. Where only
the client is installed, it is imported from ``evenkeel_client``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from controller.client import Client

LOOK = 0.5
"""Seconds between two looks."""
GONE = 3
"""Looks in a row that have to find no connection: one may be about to begin when switches hear of the drain."""


class UpgradeError(Exception):
    """The roll stopped; the backend that is named drains and is as the upgrade left it."""


def roll(
    client: Client,
    pool: str,
    upgrade: Callable[[str], None],
    connections: Callable[[str], int],
    deadline: float = 300.0,
    up_within: float = 120.0,
    look: float = LOOK,
) -> Iterator[str]:
    """Upgrade all backends of a pool; what was done, step by step. Raises UpgradeError, ApiError.

    ``connections``: how many its server has; ``deadline``: seconds for these to end, ``up_within``: to be up again.
    """
    client = client.because(f"rolling upgrade of {pool}")
    for backend in [real.name for real in client.get(f"pools/{pool}").pool.backends]:
        name = f"pools/{pool}/backends/{backend}"
        if client.get(name).backend.drain:
            yield f"{backend}: drains already, left alone"
            continue
        _others_serve(client, pool, backend)
        client.drain(name)
        left = _wait_gone(lambda backend=backend: connections(backend), deadline, look)  # type: ignore[misc]
        yield f"{backend}: drained" + (f", {left} connections left at the deadline" if left else "")
        upgrade(backend)
        _wait_up(client, pool, backend, up_within, look)
        client.undrain(name)
        yield f"{backend}: upgraded"


def _others_serve(client: Client, pool: str, backend: str) -> None:
    """Raises UpgradeError if nothing would be left to serve."""
    for table in tables(client.status(), pool):
        rest = (row for name, row in table.items() if name != backend)
        if not any(row["slots"] and row["state"] == "normal" and row["up"] is not False for row in rest):
            raise UpgradeError(f"{backend}: no other backend of {pool} serves")


def _wait_gone(count: Callable[[], int], deadline: float, look: float) -> int:
    """Connections that are left."""
    end, looks, left = time.monotonic() + deadline, 0, 0
    while looks < GONE and time.monotonic() < end:
        left = count()
        looks = 0 if left else looks + 1
        time.sleep(look)
    return left


def _wait_up(client: Client, pool: str, backend: str, within: float, look: float) -> None:
    """A pool that asks its servers nothing takes them as they are."""
    end = time.monotonic() + within
    while any(table[backend]["up"] is False for table in tables(client.status(), pool)):
        if time.monotonic() > end:
            raise UpgradeError(f"{backend}: not up within {within:g} s after its upgrade; it still drains")
        time.sleep(look)


def tables(status: dict[str, Any], pool: str) -> list[dict[str, Any]]:
    """Backends by name, of each table of a pool (``web/tcp``, or ``listener web/tcp``)."""
    keys = (key for key in status["pools"] if key.rpartition(" ")[2].partition("/")[0] == pool)
    return [status["pools"][key]["backends"] for key in keys]


def _asked(command: str, backend: str) -> str:
    environment = os.environ | {"BACKEND": backend}
    return subprocess.run(
        command, shell=True, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--at", required=True, help="address of the controller")
    parser.add_argument("--pool", required=True)
    parser.add_argument("--connections", required=True, help="prints how many connections $BACKEND has")
    parser.add_argument("--upgrade", required=True, help="upgrades $BACKEND")
    parser.add_argument("--deadline", type=float, default=300.0, help="seconds for connections to end")
    given = parser.parse_args()
    with Client(given.at) as client:
        for line in roll(
            client,
            given.pool,
            lambda backend: print(_asked(given.upgrade, backend), end=""),
            lambda backend: int(_asked(given.connections, backend)),
            given.deadline,
        ):
            print(line, flush=True)


if __name__ == "__main__":
    main()
