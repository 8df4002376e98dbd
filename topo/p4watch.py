"""Waits for the end of a P4 switch's process and shuts its neighbours' ends of cables, as a dead switch's ports would.

A crashed program leaves its virtual cables up, and Open vSwitch, which judges a P4 neighbour by nothing but the cable,
would go on sending. Run as ``python -m topo.p4watch PID NAMESPACE/INTERFACE...``.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from contextlib import suppress

DEADLINE = 5.0
"""Seconds for shutting one end."""


def main() -> None:
    """Wait, shut, end."""
    pid, ends = int(sys.argv[1]), sys.argv[2:]
    with suppress(ProcessLookupError):  # it has ended already
        handle = os.pidfd_open(pid)
        select.select([handle], [], [])
    for space, _, interface in (end.partition("/") for end in ends):
        with suppress(subprocess.TimeoutExpired):
            words = ["ip", "-n", space, "link", "set", interface, "down"]
            subprocess.run(words, check=False, capture_output=True, timeout=DEADLINE)


if __name__ == "__main__":
    main()
