"""Packets to a switch's pipeline on one stream, and its clock: what an election's primary may do without a write."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from finsy.proto import p4r

from controller.southbound.errors import SwitchError, SwitchGone, SwitchTimeout
from controller.southbound.p4.channel import Stream
from controller.southbound.p4.wire import canonical
from p4src.ids import Op, Reason

PATIENCE = 1.0
"""Seconds until the clock is asked again."""
_ASKED = 3
"""Times that the clock is asked: a packet may be lost or limited."""
_MICRO = 1_000_000
_LONGEST = 8
"""Octets of one number."""


@dataclass(frozen=True)
class Reading:
    """The switch's clock at a time of ours."""

    switch: int
    """Microseconds."""
    at: float
    """Our clock when the answer had come: the switch's showed this or more."""

    def deadline(self, until: float, drift: float = 0.0) -> int:
        """A time of the switch's clock that is not after ``until`` of ours, in microseconds.

        ``drift``: by which share each of the two clocks may run too fast or too slow.
        """
        left = (until - self.at) * ((1 - drift) / (1 + drift) if until > self.at else 1.0)
        return max(0, self.switch + int(left * _MICRO))


class Packets:
    """Of one stream. Belongs to the event loop."""

    def __init__(
        self,
        name: str,
        out: Mapping[str, int],
        into: Mapping[int, str],
        stream: Stream,
        now: Callable[[], float] | None = None,
    ) -> None:
        """``out``, ``into``: metadata of packet-outs by name, of packet-ins by id; ``now``: our clock, in seconds, the
        event loop's unless it is given."""
        self.name = name
        self.reading: Reading | None = None
        """The last one."""
        self._out, self._into = dict(out), dict(into)
        self._stream = stream
        self._now = now or asyncio.get_running_loop().time
        self._nonces = itertools.count()
        self._nonce = secrets.token_bytes(8)
        self._clocks: dict[bytes, asyncio.Future[int]] = {}

    async def send(self, frame: bytes, *, op: int, port: int = 0, vip: int = 0, deadline: int = 0) -> None:
        """Hand the pipeline a packet; ``op``: an ``Op``. Raises SwitchGone, SwitchTimeout."""
        message = p4r.StreamMessageRequest()
        message.packet.payload = frame
        values = {"port": port, "op": op, "unused": 0, "vip": vip, "deadline": deadline}
        for name, number in self._out.items():
            message.packet.metadata.add(metadata_id=number, value=canonical(values.get(name, 0)))
        await self._stream.send(message)

    async def ask(self, patience: float) -> Reading:
        """Ask the clock once; the answer comes after all that was sent before has been carried out.

        Raises TimeoutError when none comes within ``patience`` seconds, SwitchGone, SwitchTimeout.
        """
        nonce = self._nonce + next(self._nonces).to_bytes(8, "big")
        asked: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._clocks[nonce] = asked
        try:
            await self.send(nonce, op=Op.CLOCK)
            async with asyncio.timeout(patience):
                self.reading = Reading(await asked, self._now())
                return self.reading
        finally:
            self._clocks.pop(nonce, None)

    async def clock(self) -> Reading:
        """Ask the clock, again where an answer was lost. Raises SwitchGone, SwitchTimeout."""
        for _ in range(_ASKED):
            try:
                return await self.ask(PATIENCE)
            except TimeoutError:
                continue
        raise SwitchTimeout(f"switch {self.name} did not tell its clock, asked {_ASKED} times")

    def values(self, packet: p4r.PacketIn) -> Mapping[str, int]:
        """Metadata of a packet-in by name. Raises SwitchError."""
        if any(len(m.value) > _LONGEST for m in packet.metadata):
            raise SwitchError(f"switch {self.name} sent a packet whose metadata does not fit")
        return {self._into.get(m.metadata_id, ""): int.from_bytes(m.value, "big") for m in packet.metadata}

    def is_clock(self, packet: p4r.PacketIn, values: Mapping[str, int]) -> bool:
        """Take a packet-in, if it is an answer of the clock: to a question of this stream, or of another one."""
        if values.get("reason", 0) != Reason.CLOCK:
            return False
        asked = self._clocks.pop(packet.payload, None)
        if asked is not None and not asked.done():
            asked.set_result(values.get("time", 0))
        return True

    def close(self) -> None:
        """The stream has ended: all that wait get SwitchGone."""
        for future in self._clocks.values():
            if not future.done():
                future.set_exception(SwitchGone(f"switch {self.name} is gone"))
        self._clocks.clear()
