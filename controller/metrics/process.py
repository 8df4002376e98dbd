"""What the kernel says of this process, as Prometheus' own clients have it."""

from __future__ import annotations

import os
import resource
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from controller.metrics.figures import ProcessFigures
from controller.security.credentials import certificate_ends

_PROC = Path("/proc")
_START, _RESIDENT = 19, 21
"""Fields of ``/proc/PID/stat`` after the name: start in ticks since boot, resident pages."""


def process_figures() -> ProcessFigures:
    """The process now. Raises OSError where there is no /proc."""
    stat = (_PROC / "self/stat").read_text().rpartition(")")[2].split()
    times = os.times()
    return ProcessFigures(
        times.user + times.system,
        int(stat[_RESIDENT]) * resource.getpagesize(),
        len(os.listdir(_PROC / "self/fd")),
        resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        _booted() + int(stat[_START]) / os.sysconf("SC_CLK_TCK"),
        certificate_ends(),
    )


def _booted() -> float:
    """Unix time of the boot."""
    for line in (_PROC / "stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


def program_version() -> str:
    """Of what runs."""
    try:
        return version("evenkeel")
    except PackageNotFoundError:  # a checkout that was not installed
        return "unknown"
