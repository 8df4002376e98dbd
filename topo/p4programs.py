"""Kinds of P4 switches as programs: all that labs have to know of each, one row a kind. Pure."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from topo.model import SwitchKind

BMV2 = "simple_switch_grpc"


@dataclass(frozen=True)
class Program:
    """How switches of one kind are run; ``options`` of ``topo.p4process`` follow its command."""

    command: tuple[str, ...]
    """In a container."""
    within: tuple[str, ...] = ()
    """What it is run with in a lab, where all switches share one machine."""
    absent: str | None = None
    """What to say where the first word of ``command`` is no program on PATH; None: it always is."""
    niceness: int | None = None
    """In a lab; None: real-time priority."""
    traces: bool = False
    """It tells what it does with a packet (``--trace-socket``)."""
    may_lose_carrier: bool = True
    """It goes on to receive from its other ports when one has no carrier."""


PROGRAMS: Mapping[SwitchKind, Program] = {
    # One in Python burns whole processors for seconds while its tables are written: with real-time priority, as the
    # other kinds have it, a few of them would leave the controller only what the kernel keeps back (50 ms of each
    # second, at a stretch), and its probes would time out. A share, however large, leaves the rest of every scheduling
    # period to others.
    "embedded": Program((sys.executable, "-m", "topo.p4switch"), niceness=-10, traces=True),
    "bmv2": Program(
        (BMV2,),
        # It asks /sys after its interfaces, and the machine's /sys shows those of another namespace.
        within=("unshare", "--mount", "sh", "-c", 'mount -t sysfs none /sys && exec "$@"', "sh"),
        absent=f"BMv2 is not installed ({BMV2} is not on PATH): install the p4lang-bmv2 package of the P4 "
        "project, build https://github.com/p4lang/behavioral-model, or use --switch embedded, which "
        "needs nothing",
        may_lose_carrier=False,
    ),
}
