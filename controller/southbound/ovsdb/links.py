"""BFD on a switch's links, set in its OVSDB.

A fence is watched by BFD. An lb switch's links to the edges are opened, and marked to be shut when it boots again.

A switch that restarts has lost its flows, and BFD says no more than that it runs. While no controller is there, only
the switch itself can keep edges away: BFD's "concatenated path down", set before ovs-vswitchd starts.
"""

from __future__ import annotations

from collections.abc import Iterable

from controller.southbound.ovsdb.client import Ovsdb, vsctl

MARK = "external_ids:evenkeel=shut-at-boot"
"""On interfaces that the start of the switch has to shut first."""

_FENCE = ("bfd:min_tx=50", "bfd:min_rx=50")
"""Milliseconds."""


async def open_links(at: Ovsdb, interfaces: Iterable[str]) -> None:
    """Tell the neighbours behind these interfaces that they may send. Raises OvsdbError."""
    commands: list[str] = []
    for name in interfaces:
        commands += ["--", "set", "interface", name, "bfd:cpath_down=false", MARK]
    if commands:
        await vsctl(at, commands[1:])


async def watch(at: Ovsdb, interfaces: Iterable[str]) -> None:
    """Run BFD on these interfaces, as fast as a fence needs it. Raises OvsdbError."""
    commands: list[str] = []
    for name in interfaces:
        commands += ["--", "set", "interface", name, "bfd:enable=true", *_FENCE]
    if commands:
        await vsctl(at, commands[1:])
