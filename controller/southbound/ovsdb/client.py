"""Ask a switch's OVSDB, by ``ovs-vsctl``, for what OpenFlow cannot do."""

from __future__ import annotations

import asyncio

DEADLINE = 5.0


class OvsdbError(RuntimeError):
    """The database could not be asked, or refused."""


async def vsctl(address: str, arguments: list[str]) -> str:
    """What ``ovs-vsctl`` prints. Raises OvsdbError within about ``DEADLINE`` seconds."""
    command = ["ovs-vsctl", f"--db={address}", f"--timeout={DEADLINE:.0f}", *arguments]
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    except FileNotFoundError:
        raise OvsdbError("ovs-vsctl is not installed (Debian: apt-get install openvswitch-switch)") from None
    out, err = await process.communicate()
    if process.returncode:
        raise OvsdbError(f"{address}: {err.decode(errors='replace').strip()}")
    return out.decode()
