"""What a switch sends of its own accord, looked at before it is believed: numbers fit, reasons are known. Pure.

A message that does not is no accident: the program that the switch shows sends none of these. It ends the connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address

from finsy.proto import p4r

from controller.southbound.errors import SwitchError
from controller.southbound.p4 import read as p4read
from controller.southbound.p4.pipeline import Pipeline
from controller.spec.types import Address
from p4src.ids import Reason
from p4src.numbers import MAPPED
from p4src.target import EntryKey

MOST_REPORTS = 4096
"""Digests in one list; we ask for one."""
MOST_IDLE = 1 << 17
"""Entries in one notice: as many as there are pins."""
_WIDTHS = (8, 16, 128, 16, 16)
"""Bits of a digest's members: reason, listener, client, port, backend."""
_PUNTED = ("reason", "port", "listener", "backend")
_SHORT = 16
_REASONS = frozenset(Reason)


def reports(name: str, digests: p4r.DigestList) -> Iterator[tuple[int, int, Address, int, int]]:
    """Reason, listener, client, its port and backend of each digest. Raises SwitchError."""
    if len(digests.data) > MOST_REPORTS:
        raise _malformed(name, f"{len(digests.data)} digests in one list")
    for entry in digests.data:
        members = [member.bitstring for member in entry.struct.members]
        if len(members) != len(_WIDTHS):
            raise _malformed(name, f"a digest with {len(members)} members")
        values = [number(name, octets, width) for octets, width in zip(members, _WIDTHS, strict=True)]
        reason, listener, client, port, backend = values
        yield _known(name, reason), listener, address(client), port, backend


def punted(name: str, values: Mapping[str, int]) -> tuple[int, int, int, int]:
    """Reason, port, listener and backend of a packet. Raises SwitchError."""
    reason, port, listener, backend = (values.get(each, 0) for each in _PUNTED)
    if max(port, listener, backend) >> _SHORT:
        raise _malformed(name, "a packet whose metadata does not fit")
    return _known(name, reason), port, listener, backend


def idle(name: str, pipeline: Pipeline, notice: p4r.IdleTimeoutNotification) -> Iterator[EntryKey]:
    """The entries of known tables. Raises SwitchError."""
    if len(notice.table_entry) > MOST_IDLE:
        raise _malformed(name, f"{len(notice.table_entry)} idle entries at once")
    for entry in notice.table_entry:
        try:
            key = p4read.entry_key(pipeline, entry)
        except (ValueError, LookupError) as error:
            raise _malformed(name, f"an idle entry: {error!r}") from None
        if key is not None:
            yield key


def number(name: str, octets: bytes, width: int) -> int:
    """A number of so many bits at most. Raises SwitchError."""
    if len(octets) > (width + 7) // 8:
        raise _malformed(name, f"a number of {len(octets)} octets, where there is room for {width} bits")
    return int.from_bytes(octets, "big")


def address(value: int) -> Address:
    """An address as the pipeline carries it: IPv4 as ::ffff:a.b.c.d."""
    return IPv4Address(value & 0xFFFFFFFF) if value >> 32 == MAPPED >> 32 else IPv6Address(value)


def _known(name: str, reason: int) -> int:
    if reason not in _REASONS:
        raise _malformed(name, f"something for the reason {reason}, which there is not")
    return reason


def _malformed(name: str, what: str) -> SwitchError:
    return SwitchError(f"switch {name} sent {what}")
