"""Tell a switch's conntrack how long to remember, through its OVSDB (``ovs-vsctl``).

OpenFlow cannot do it, and without it a connection seen from one side is forgotten 30 s after its first packet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from controller.southbound.ovsdb.client import Ovsdb, vsctl
from controller.spec.switch import Timeouts

_STATES = ("tcp_syn_sent", "tcp_syn_recv", "tcp_established", "udp_first", "udp_single", "udp_multiple")
_LINE = re.compile(r"Zone:(\d+), Timeout Policies: (.*)")


async def ensure(at: Ovsdb, wanted: Iterable[Timeouts]) -> int:
    """Make the zones remember as long as wanted; returns how many zones were changed.

    Raises OvsdbError naming what failed.
    """
    await _make_datapath(at)
    held = _parse(await vsctl(at, ["list-zone-tp", "netdev"]))
    gone: list[str] = []
    new: list[str] = []
    changed = 0
    for item in wanted:
        policy = {state: str(item.seconds) for state in _STATES}
        for zone in item.zones:
            if held.get(zone) == policy:
                continue
            changed += 1
            if zone in held:
                gone += ["--", "del-zone-tp", "netdev", f"zone={zone}"]
            new += ["--", "add-zone-tp", "netdev", f"zone={zone}", *(f"{k}={v}" for k, v in policy.items())]
    for arguments in (gone, new):
        if arguments:
            await vsctl(at, arguments[1:])
    return changed


async def _make_datapath(at: Ovsdb) -> None:
    """The record that holds the zones; Open vSwitch does not make it by itself."""
    datapaths = await vsctl(at, ["get", "Open_vSwitch", ".", "datapaths"])
    if "netdev=" not in datapaths:
        record = ["--id=@d", "create", "Datapath", "datapath_version=0"]
        await vsctl(at, [*record, "--", "set", "Open_vSwitch", ".", "datapaths:netdev=@d"])


def _parse(text: str) -> dict[int, dict[str, str]]:
    out = {}
    for line in text.splitlines():
        found = _LINE.match(line)
        if found:
            pairs = (part.split("=") for part in found[2].split())
            out[int(found[1])] = dict(pairs)
    return out
