"""Packet-in and packet-out metadata: the fields of the controller headers, packed and unpacked."""

from __future__ import annotations

from collections.abc import Iterable

from finsy.proto import p4i, p4r

from topo.p4switch.runtime.errors import P4Error, invalid
from topo.p4switch.runtime.values import bits_of, canonical, unsigned


class ControllerHeader:
    """One controller header: its fields side by side at the front of the frames of the CPU port."""

    def __init__(self, info: p4i.P4Info, declared: p4i.ControllerPacketMetadata) -> None:
        """Raises P4Error INVALID_ARGUMENT if the header does not end at a whole byte."""
        self.name = declared.preamble.name
        self._fields = tuple(
            (one.id, bits_of(info, one.type_name.name, one.bitwidth), one.name) for one in declared.metadata
        )
        bits = sum(width for _, width, _ in self._fields)
        if bits % 8:
            raise invalid(f"{self.name} header has {bits} bits; it needs a field that fills its last byte")
        self.length = bits // 8

    def pack(self, metadata: Iterable[p4r.PacketMetadata]) -> bytes:
        """The header of a packet-out; raises P4Error INVALID_ARGUMENT unless each field is there once and fits."""
        given: dict[int, bytes] = {}
        known = {field_id for field_id, _, _ in self._fields}
        for one in metadata:
            if one.metadata_id not in known or one.metadata_id in given:
                raise invalid(f"{self.name}: metadata {one.metadata_id} is unknown, or given twice")
            given[one.metadata_id] = one.value
        header = 0
        for field_id, width, name in self._fields:
            if field_id not in given:
                raise invalid(f"{self.name}: metadata {field_id} ({name}) is missing")
            try:
                value = unsigned(given[field_id], width, f"{self.name}: metadata {field_id} ({name})")
            except P4Error as error:
                raise invalid(error.message) from error
            header = header << width | value
        return header.to_bytes(self.length, "big")

    def unpack(self, frame: bytes) -> p4r.PacketIn:
        """The packet-in of a frame that begins with this header; a frame too short for it has no metadata."""
        if len(frame) < self.length:
            return p4r.PacketIn(payload=frame)
        message = p4r.PacketIn(payload=frame[self.length :])
        header, shift = int.from_bytes(frame[: self.length], "big"), self.length * 8
        for field_id, width, _ in self._fields:
            shift -= width
            value = (header >> shift) & ((1 << width) - 1)
            message.metadata.add(metadata_id=field_id, value=canonical(value))
        return message
