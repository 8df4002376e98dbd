"""``evenkeel switch``: the embedded P4 switch, by simple_switch_grpc's command line."""

from __future__ import annotations

from collections.abc import Sequence


def switch(arguments: Sequence[str]) -> int:
    """Run a switch until it is told to stop; returns the exit code."""
    from topo.p4switch.main import main

    return main(arguments)
