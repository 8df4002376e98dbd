"""Give all new connections to one set of backends of a pool instead of another one, in one change; and back.

    python blue_green.py --at unix:/var/lib/evenkeel/state.db.api.sock --pool web --to s3,s4 --from s1,s2

Established connections stay where they are. What the former set needs to end them is its own time: it is not drained.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

from controller.client import Client

WITHIN = 30.0
"""Seconds until tables have to be as asked."""
LOOK = 0.2


class SwitchError(Exception):
    """The set that was to take over cannot; nothing was changed."""


def switch(client: Client, pool: str, to: Sequence[str], away: Sequence[str], weight: int = 100) -> int:
    """Have ``to`` serve instead of ``away``; the revision. Raises SwitchError, ApiError.

    All weights change in one call: no table ever has both sets, or none.
    """
    unfit = {real.name for real in client.get(f"pools/{pool}").pool.backends if real.drain}
    for table in _tables(client.status(), pool):
        unfit |= {name for name, row in table.items() if row["up"] is False}
    if found := [name for name in to if name in unfit]:
        raise SwitchError(f"{', '.join(found)}: down, or draining")
    weights = dict.fromkeys(to, weight) | dict.fromkeys(away, 0)
    reason = f"{', '.join(to)} instead of {', '.join(away)}"
    done = client.because(reason).set_weights(
        {f"pools/{pool}/backends/{name}": each for name, each in weights.items()}
    )
    end = time.monotonic() + WITHIN
    while any(_slots(table, name) for table in _tables(client.status(), pool) for name in away):
        if time.monotonic() > end:
            raise TimeoutError(f"{', '.join(away)} still have slots after {WITHIN:g} s")
        time.sleep(LOOK)
    return done.revision


def _tables(status: dict[str, Any], pool: str) -> list[dict[str, Any]]:
    keys = (key for key in status["pools"] if key.rpartition(" ")[2].partition("/")[0] == pool)
    return [status["pools"][key]["backends"] for key in keys]


def _slots(table: dict[str, Any], name: str) -> float:
    return float(table[name]["slots"]) if name in table else 0.0


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--at", required=True, help="address of the controller")
    parser.add_argument("--pool", required=True)
    parser.add_argument("--to", required=True, metavar="NAME,...", help="who serves from now on")
    parser.add_argument("--from", required=True, metavar="NAME,...", dest="away", help="who served before")
    given = parser.parse_args()
    with Client(given.at) as client:
        print("revision", switch(client, given.pool, given.to.split(","), given.away.split(",")))


if __name__ == "__main__":
    main()
