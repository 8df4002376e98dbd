"""Have Open vSwitch come back to its controllers soon.

It waits up to 8 s between two attempts whatever ``max_backoff`` says, until its configuration changes while it is
connected (seen with 3.1): from then on it heeds the setting, until ovs-vswitchd starts again.
"""

from __future__ import annotations

import secrets

from controller.southbound.ovsdb.client import Ovsdb, vsctl

KEY = "external_ids:evenkeel-connected"
"""Of the bridge: another value at each connection, and of no other use."""


async def heed(at: Ovsdb, number: int) -> None:
    """Change the configuration of the bridge with a datapath id. Raises OvsdbError."""
    found = await vsctl(at, ["--bare", "--columns=name", "find", "bridge", f'datapath_id="{number:016x}"'])
    for bridge in found.split():
        await vsctl(at, ["set", "bridge", bridge, f"{KEY}={secrets.token_hex(4)}"])
