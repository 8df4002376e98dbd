"""Capture files of an interface, one for each direction, as simple_switch names them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

_MAGIC_NS = 0xA1B23C4D
_ETHERNET = 1
_SNAP = 65535
_HEADER = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")


class Captures:
    """``IFACE_in.pcap`` and ``IFACE_out.pcap`` for every port; frames are written through, so a kill loses none."""

    def __init__(self, folder: Path, interfaces: dict[int, str], wall: Callable[[], int]) -> None:
        """``wall`` gives ns since the epoch. Raises OSError if a file cannot be made."""
        self._wall = wall
        self._files = {
            (port, way): (folder / f"{name}_{way}.pcap").open("wb", buffering=0)
            for port, name in interfaces.items()
            for way in ("in", "out")
        }
        for file in self._files.values():
            file.write(_HEADER.pack(_MAGIC_NS, 2, 4, 0, 0, _SNAP, _ETHERNET))

    def __enter__(self) -> Captures:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()

    def write(self, port: int, way: str, frame: bytes) -> None:
        """Record a frame of a port; ``way`` is in or out. Ports without an interface are passed over."""
        file = self._files.get((port, way))
        if file is not None:
            seconds, fraction = divmod(self._wall(), 1_000_000_000)
            file.write(_RECORD.pack(seconds, fraction, len(frame[:_SNAP]), len(frame)) + frame[:_SNAP])
