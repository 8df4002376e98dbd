"""Some Open vSwitches of the large case, in a process of their own, until standard input ends."""

from __future__ import annotations

import contextlib
import sys
import time

from tests.bench.bulkswitch import BulkSwitch

DEADLINE = 60.0
"""Seconds for the controller to listen."""
_AGAIN = 0.2


def main(port: int, ids: list[int]) -> None:
    """Connect them all, then wait."""
    switches = [BulkSwitch(number, port) for number in ids]
    deadline = time.monotonic() + DEADLINE
    while not _listens(switches[0]):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing listens on port {port}")
        time.sleep(_AGAIN)
    for switch in switches[1:]:
        switch.connect()
    sys.stdin.read()


def _listens(switch: BulkSwitch) -> bool:
    with contextlib.suppress(ConnectionRefusedError):
        switch.connect()
        return True
    return False


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(each) for each in sys.argv[2:]])
