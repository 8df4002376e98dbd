"""``evenkeel`` with another wall clock: ``python -m tests.lab.clocked FILE run ...``.

CLOCK_REALTIME is later by the seconds that FILE holds, or stands at the time that it holds after a "=". Nothing is
imported here that may keep a reference to ``time.time``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def _install(path: Path) -> None:
    real = time.time_ns

    def stepped_ns() -> int:
        text = path.read_text(encoding="ascii")
        seconds = int(float(text.removeprefix("=")) * 1e9)
        return seconds if text.startswith("=") else real() + seconds

    def stepped() -> float:
        return stepped_ns() / 1e9

    time.time_ns, time.time = stepped_ns, stepped


if __name__ == "__main__":
    _install(Path(sys.argv.pop(1)))
    from controller.cli.main import main

    main()
