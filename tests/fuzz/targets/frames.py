"""Frames that switches report: what reads them, and what is made in answer."""

from __future__ import annotations

from ipaddress import ip_address

from controller.frames.announce import announcement
from controller.frames.bfd import BfdPacket, BfdState, bfd_frame, read_bfd
from controller.frames.hello import Hello, hello_frame, read_hello
from controller.frames.packet import in_frame
from controller.frames.quote import quoted, redirect_error
from controller.frames.reset import tcp_reset
from controller.frames.segment import acknowledgement
from controller.frames.toobig import packet_too_big
from controller.frames.trial import small_fragments
from controller.frames.tuple import tuple_of
from tests.fuzz.target import Target

MAC, KEY = "02:45:56:00:01:01", bytes(32)
SERVERS = {4: ip_address("10.0.0.9"), 6: ip_address("2001:db8::9")}


class Frames(Target):
    """All of ``controller/frames`` that takes octets."""

    name = "frames"
    modules = ("controller/frames",)
    tokens = (b"\x08\x00\x45", b"\x86\xdd\x60", b"\x88\xb6\x01", b"\x06", b"\x11", b"\x01", b"\x3a", b"\x2c")

    def seeds(self) -> list[bytes]:
        """Frames of every kind."""
        ends = [
            (ip_address(a), 40_000, ip_address(b), 80)
            for a, b in (("192.0.2.1", "10.0.0.100"), ("2001:db8::1", "2001:db8::100"))
        ]
        segments = [acknowledgement(*each) for each in ends]
        macs = bytes.fromhex("024556000101024556000102")
        packet = BfdPacket(BfdState.UP, 0, 1, 2, 100_000, 100_000)
        seeds = [
            *segments,
            *(each for each in (packet_too_big(each, 1400, MAC) for each in segments) if each),
            *small_fragments(4),
            *small_fragments(6),
            bfd_frame(packet, macs, bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2)), 49152),
            hello_frame(Hello(1, 2, 3, 4), MAC, KEY),
        ]
        return [*seeds, *(announcement(ip_address(each), MAC) for each in ("10.0.0.100", "2001:db8::100"))]

    def feed(self, data: bytes) -> str:
        """Read it in every way, and look at what is made of it."""
        packet, flow = in_frame(data), tuple_of(data)
        assert flow is None or packet is not None
        said = [type(packet).__name__ if packet is None else f"ip{packet.version}.{packet.protocol}"]
        said += ["tuple"] if flow is not None else []
        said += ["hello"] if read_hello(data, KEY) is not None else []
        said += ["bfd"] if read_bfd(data) is not None else []
        said += self._made(data)
        return " ".join(said)

    def _made(self, data: bytes) -> list[str]:
        said = []
        for ports in (None, (1, 65535)):
            reset = tcp_reset(data, MAC, ports)
            if reset is not None:
                answered = tuple_of(reset)
                assert answered is not None
                assert answered.flags & 4
                said.append("reset")
        too_big = packet_too_big(data, 1400, MAC)
        if too_big is not None:
            assert in_frame(too_big) is not None
            assert len(too_big) <= 14 + 1280
            said.append("too big")
        inside = quoted(data)
        if inside is not None:
            moved = redirect_error(data, SERVERS[inside.version], 8080, MAC)
            assert moved is None or len(moved) == len(data)
            assert redirect_error(data, SERVERS[10 - inside.version], 8080) is None
            said.append("error" if moved is None else "error moved")
        return said
