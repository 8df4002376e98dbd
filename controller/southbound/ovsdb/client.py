"""Ask a switch's OVSDB, by ``ovs-vsctl``, for what OpenFlow cannot do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

DEADLINE = 5.0
_NO_FILES = "needs a certificate of ours: give run --switch-cert, --switch-key and --switch-ca"
_NO_SWITCH_CA = "its certificate is of an authority that --switch-ca does not hold"


@dataclass(frozen=True)
class Files:
    """PEM files, of which the program reads what they hold at the time."""

    cert: Path
    key: Path
    ca: Path


@dataclass(frozen=True)
class Ovsdb:
    """Where a switch's database is."""

    address: str
    """``tcp:HOST:PORT``, ``ssl:HOST:PORT`` or ``unix:/PATH``."""
    files: Files | None = None
    """For ``ssl:``."""


class OvsdbError(RuntimeError):
    """The database could not be asked, or refused."""


async def vsctl(at: Ovsdb, arguments: list[str]) -> str:
    """What ``ovs-vsctl`` prints. Raises OvsdbError within about ``DEADLINE`` seconds."""
    command = ["ovs-vsctl", f"--db={at.address}", f"--timeout={DEADLINE:.0f}", *_tls(at), *arguments]
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    except FileNotFoundError:
        raise OvsdbError("ovs-vsctl is not installed (Debian: apt-get install openvswitch-switch)") from None
    out, err = await process.communicate()
    if process.returncode:
        raise OvsdbError(f"{at.address}: {_why(err.decode(errors='replace').strip())}")
    return out.decode()


def _tls(at: Ovsdb) -> list[str]:
    if not at.address.startswith("ssl:"):
        return []
    if at.files is None:
        raise OvsdbError(f"{at.address}: {_NO_FILES}")
    files = at.files
    return [f"--certificate={files.cert}", f"--private-key={files.key}", f"--ca-cert={files.ca}"]


def _why(said: str) -> str:
    """Its lines repeat, and those about TLS end with what it does not say of anything else."""
    return _NO_SWITCH_CA if "certificate verify failed" in said else said
