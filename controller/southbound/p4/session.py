"""One P4 switch that is ours: read everything, write changes in order, send packets, ask its clock, authorize."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from finsy.proto import p4r
from google.protobuf.message import DecodeError

from controller.southbound.aside import aside
from controller.southbound.errors import SwitchError, SwitchGone, WriteRefused
from controller.southbound.p4 import incoming
from controller.southbound.p4 import read as p4read
from controller.southbound.p4.batch import Batch, Wave, waves
from controller.southbound.p4.channel import P4Channel, Stream, code_name
from controller.southbound.p4.incoming import address
from controller.southbound.p4.packets import Packets
from controller.southbound.p4.pipeline import Pipeline
from controller.southbound.p4.reports import PinEnded, Punted, Refused, Report, SessionEvent
from controller.southbound.p4.wire import Encoder
from controller.spec.types import Address
from p4src.ids import Op
from p4src.target import Changes, EntryBody, EntryKey, Found

IN_FLIGHT = 2
"""Writes under way at a time, of those that do not depend on each other: one is encoded while one is carried out."""
_FRESH = 1.0
"""Seconds for which a reading of the clock serves for further authority: clocks drift by less than a millisecond."""


class P4Session:
    """We are the primary controller of one switch, and it runs our pipeline. Belongs to the event loop."""

    def __init__(
        self,
        name: str,
        device_id: int,
        election: p4r.Uint128,
        pipeline: Pipeline,
        channel: P4Channel,
        stream: Stream,
        on_event: Callable[[SessionEvent], None],
        cut: Callable[[], None],
    ) -> None:
        """``election``: our id, the term in its high half; ``cut`` ends the connection."""
        self.name = name
        self.id = device_id
        self.election = election
        self.term: int = election.high
        self.alive = True
        self._pipeline = pipeline
        self._channel = channel
        self._stream = stream
        self._on_event = on_event
        self._cut = cut
        self._head = p4r.WriteRequest(device_id=device_id, election_id=election).SerializeToString()
        self._encoder = Encoder(pipeline)
        self._reader = p4read.Reader(pipeline)
        self._requests = p4read.requests(pipeline, device_id)
        self._busy = asyncio.Lock()
        self._packets = Packets(name, pipeline.packet_out, pipeline.packet_in, stream)
        self.missed = 0
        """Lists of reports that did not arrive, by their numbers."""
        self._lists: int | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def busy(self) -> bool:
        """Whether the switch is being written or read."""
        return self._busy.locked()

    # -- the verbs ------------------------------------------------------------------------------------------

    async def read(self) -> Found:
        """Everything that the switch holds. Raises SwitchError."""
        self._check()
        async with self._busy:
            slots, rest = [await self._channel.read(request) for request in self._requests]
            try:
                return await aside(self._reader.found, slots, rest)
            except (ValueError, LookupError, DecodeError) as error:
                raise SwitchError(f"switch {self.name}: malformed answer: {error!r}") from None

    async def entries(self, keys: Sequence[EntryKey]) -> dict[EntryKey, EntryBody]:
        """Those of these entries that the switch holds. Raises SwitchError."""
        self._check()
        async with self._busy:
            answers = await self._channel.read(p4read.request_of(self._pipeline, self.id, keys))
        try:
            return p4read.entries_in(self._pipeline, answers)
        except (ValueError, LookupError, DecodeError) as error:
            raise SwitchError(f"switch {self.name}: malformed answer: {error!r}") from None

    async def write(self, changes: Changes) -> None:
        """Carry out changes in their order.

        Raises WriteRefused with every entry that the switch refused (all others stand), SwitchGone or SwitchTimeout.
        """
        self._check()
        refused: list[str] = []
        async with self._busy:
            for wave in waves(self._pipeline, self._encoder, changes):
                refused += await self._wave(wave)
        if refused:
            raise WriteRefused(self.name, refused)

    async def packet_out(
        self, frame: bytes, *, op: int, port: int = 0, vip: int = 0, deadline: int = 0
    ) -> None:
        """Hand the pipeline a packet; ``op``: an ``Op``. Raises SwitchGone, SwitchTimeout."""
        self._check()
        await self._packets.send(frame, op=op, port=port, vip=vip, deadline=deadline)

    async def clock(self) -> int:
        """The switch's clock in microseconds, somewhat later than now. Raises SwitchGone, SwitchTimeout."""
        self._check()
        return (await self._packets.clock()).switch

    async def authorize(self, vip: int, seconds: float) -> None:
        """Let the switch answer for a VIP until ``seconds`` after this call began.

        The deadline is one of the switch's clock, counted from a reading that it showed already before the reading came
        here: whatever is late on the way makes the authority shorter, never longer. Raises SwitchGone, SwitchTimeout.
        """
        now = asyncio.get_running_loop().time
        until = now() + seconds
        self._check()
        reading = self._packets.reading
        if reading is None or now() - reading.at > _FRESH:
            reading = await self._packets.clock()
        await self.packet_out(b"", op=Op.AUTHORIZE, vip=vip, deadline=reading.deadline(until))

    def abort(self) -> None:
        """Cut a connection that does not answer; it will be made again."""
        self._cut()

    # -- what the connection tells ----------------------------------------------------------------------------

    def close(self) -> None:
        """The switch is no longer ours: all that wait get SwitchGone."""
        self.alive = False
        self._packets.close()

    async def take(self, message: p4r.StreamMessageResponse) -> None:
        """A message of the stream, other than arbitration."""
        match message.WhichOneof("update"):
            case "digest":
                await self._digest(message.digest)
            case "packet":
                self._packet(message.packet)
            case "idle_timeout_notification":
                self._idle(message.idle_timeout_notification)
            case "error":
                error = message.error
                about = error.WhichOneof("details") or "message"
                said = f"{about}: {code_name(error.canonical_code)} {error.message}".strip()
                self._on_event(Refused(self, said))

    async def _digest(self, digests: p4r.DigestList) -> None:
        last, self._lists = self._lists, digests.list_id
        if last is not None and digests.list_id > last + 1:
            self.missed += digests.list_id - last - 1
        for each in incoming.reports(self.name, digests):
            self._on_event(Report(self, *each))
        message = p4r.StreamMessageRequest()
        message.digest_ack.digest_id = digests.digest_id
        message.digest_ack.list_id = digests.list_id
        await self._stream.send(message)

    def _packet(self, packet: p4r.PacketIn) -> None:
        values = self._packets.values(packet)
        if not self._packets.is_clock(packet, values):
            self._on_event(Punted(self, *incoming.punted(self.name, values), packet.payload))

    def _idle(self, notice: p4r.IdleTimeoutNotification) -> None:
        for key in incoming.idle(self.name, self._pipeline, notice):
            if key.table == "pin":
                self._on_event(PinEnded(self, *pin_place(key)))

    # -- inside -------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if not self.alive:
            raise SwitchGone(f"switch {self.name} is gone")

    async def _wave(self, wave: Wave) -> list[str]:
        refused: list[str] = []
        room = asyncio.Semaphore(IN_FLIGHT)

        async def send(batch: Batch) -> None:
            try:
                errors = await self._channel.write(self._head + batch.body)
            finally:
                room.release()
            refused.extend(f"{why} for {batch.name(number)}" for number, why in errors.items())

        try:
            async with asyncio.TaskGroup() as group:
                for batch in wave:
                    await room.acquire()
                    group.create_task(send(batch))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return refused


def pin_place(key: EntryKey) -> tuple[int, Address, int]:
    """Listener, client and the client's port of an entry of table ``pin``."""
    listener, client, port = (value for value in key.match if isinstance(value, int))
    return listener, address(client), port
