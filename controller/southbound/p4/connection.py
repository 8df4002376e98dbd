"""One switch's connection, made again and again: arbitration, pipeline, digests, stream, heartbeat.

connect ─► claim ─┬► primary ─┬► ours runs ────────────────────────────────► digests on ─► Connected ─► messages ...
                  │           ├► none runs ──────────────────────────► push ─┘
                  │           └► another: PipelineMismatch, until allow_push ─► push ─┘
                  └► Backup, until promoted or claimed with a newer term

A heartbeat asks for the pipeline's cookie. It keeps bytes on their way, so that the kernel notices a half-open
connection (gRPC's own pings would be too many: servers by default allow one in five minutes); a switch that is there
but says nothing is given up when the cookie does not come; and a pipeline that another controller pushed is noticed.

A push empties the switch: one that runs another program forwards with what it holds until the core says when.

The election id is (term, number of the connection): a newer controller comes before an older one, and a new connection
before a dead one of ours that the switch still believes in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, auto

import grpc
from finsy.proto import p4r, rpc_code

from controller.southbound.errors import SwitchError, SwitchGone, SwitchTimeout
from controller.southbound.p4.channel import P4Channel, Stream, code_name, outcome
from controller.southbound.p4.events import (
    Backup,
    Connected,
    Disconnected,
    Event,
    MismatchEnded,
    PipelineMismatch,
    Unreachable,
)
from controller.southbound.p4.foreign import pins_of
from controller.southbound.p4.pipeline import Pipeline
from controller.southbound.p4.session import P4Session

BEAT = 1.0
"""Seconds between heartbeats."""
BEAT_DEADLINE = 2.0
"""Seconds that the answer to one may take."""
_MISSED, _MISSED_BUSY = 2, 4
"""Heartbeats in a row without an answer that end a connection; and while the switch has a write or read of ours to do,
which has a deadline of its own. One alone may be a machine that is short of time."""
MOST_TERM = 1 << 40
"""Terms are seconds of wall time, and grow by one. To outdo one beyond would leave none that a switch could take."""
HELLO = 3.0
"""Seconds that connecting and the first answer may take."""
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 1.0
_DIGEST = "report_t"
_DIGEST_LIST, _DIGEST_WAIT_NS = 1, 0
"""Every digest at once: a connection has no pin before we have heard of it, and PI, which BMv2 is built on, looks at
lists that fill only every 100 ms. The program's meters bound how many there are."""
_DIGEST_ACK_NS = 100_000_000
"""Until then the switch holds back a digest that was sent and not acknowledged; no longer, since PI may lose an
acknowledgement that another message follows closely."""


Credentials = Callable[[], grpc.ChannelCredentials]


class _Order(Enum):
    CLAIM = auto()
    """Claim the switch with the term that is ours now."""
    PUSH = auto()
    """Give it our pipeline."""
    CUT = auto()
    """End this connection."""


class Connection:
    """Owns the connection to one switch; ``run`` is its task."""

    def __init__(
        self,
        name: str,
        address: str,
        device_id: int,
        term: int,
        pipeline: Pipeline,
        on_event: Callable[[Event], None],
        credentials: Credentials | None = None,
    ) -> None:
        self._credentials = credentials
        self.name = name
        self.address = address
        self.device_id = device_id
        self.session: P4Session | None = None
        self._term = term
        self._tries = 0
        """Connections so far."""
        self._pipeline = pipeline
        self._on_event = on_event
        self._orders: asyncio.Queue[_Order] = asyncio.Queue()
        self._changing = asyncio.Lock()
        """Held while arbitration or a push decides whose the switch is and what it runs."""
        self._differs: int | None = None
        """Cookie of the other program that the switch runs while it waits for its push."""
        self._answered = False
        """Whether the switch answered in this connection."""
        self._activating = False
        self._problem = ""

    def claim(self, term: int) -> None:
        """Claim the switch with another term, in this connection and in later ones."""
        if term != self._term:
            self._term = term
            self._orders.put_nowait(_Order.CLAIM)

    def rename(self, name: str) -> None:
        """The switch is called otherwise now."""
        self.name = name
        if self.session is not None:
            self.session.name = name

    def allow_push(self) -> None:
        """Give the switch our pipeline, if it waits for that."""
        if self._differs is not None:
            self._orders.put_nowait(_Order.PUSH)

    def cut(self) -> None:
        """End this connection; the next one follows."""
        self._orders.put_nowait(_Order.CUT)

    async def run(self) -> None:
        """Until cancelled."""
        wait = _FIRST_WAIT
        while True:
            self._answered = False
            error = await outcome(self._connection(), f"connection of {self.name}")
            if isinstance(error, SwitchError):
                self._say(str(error))
            else:  # whatever a switch sends, it is tried again
                self._say(f"switch {self.name}: unexpected {type(error).__name__}: {error}")
            wait = _FIRST_WAIT if self._answered else min(2 * wait, _LONGEST_WAIT)
            await asyncio.sleep(wait)

    def _say(self, problem: str) -> None:
        new, self._problem = problem != self._problem, problem
        self._on_event(Unreachable(self.device_id, self.name, problem, new))

    async def _connection(self) -> None:
        """One connection, until it ends. Raises SwitchError."""
        self._orders = asyncio.Queue()
        self._tries += 1
        channel = P4Channel(self.name, self.address, self._credentials() if self._credentials else None)
        try:
            stream = channel.stream()
            first = await self._greet(stream)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._obey(channel, stream))
                group.create_task(self._beat(channel))
                group.create_task(self._listen(channel, stream, first))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            self._lose()
            await channel.close()

    async def _greet(self, stream: Stream) -> p4r.StreamMessageResponse:
        try:
            async with asyncio.timeout(HELLO):
                await stream.send(self._arbitration())
                return await stream.receive()
        except TimeoutError:
            raise SwitchTimeout(
                f"switch {self.name} at {self.address} did not answer within {HELLO:g} s"
            ) from None

    @property
    def _election(self) -> p4r.Uint128:
        return p4r.Uint128(high=self._term, low=self._tries)

    def _arbitration(self) -> p4r.StreamMessageRequest:
        claim = p4r.MasterArbitrationUpdate(device_id=self.device_id, election_id=self._election)
        return p4r.StreamMessageRequest(arbitration=claim)

    async def _obey(self, channel: P4Channel, stream: Stream) -> None:
        while True:
            match await self._orders.get():
                case _Order.CLAIM:
                    await stream.send(self._arbitration())
                case _Order.PUSH:
                    async with self._changing:
                        if self._differs is not None:
                            await self._activate(channel, stream, allowed=True)
                case _Order.CUT:
                    raise SwitchGone(f"switch {self.name}: cut by us")

    async def _beat(self, channel: P4Channel) -> None:
        missed = 0
        while True:
            await asyncio.sleep(BEAT)
            if self._activating:
                continue
            session = self.session
            try:
                cookie = await channel.cookie(self.device_id, BEAT_DEADLINE)
            except SwitchTimeout:
                missed += 1
                busy = session is not None and session.busy
                if missed >= (_MISSED_BUSY if busy else _MISSED):
                    raise
                continue
            missed = 0
            if session is self.session and (cookie or 0) != self._expected(cookie or 0):
                raise SwitchError(f"switch {self.name}: another client changed its pipeline")

    def _expected(self, cookie: int) -> int:
        """The cookie that the switch has to show; any, while it is not ours."""
        if self.session is not None:
            return self._pipeline.cookie
        return cookie if self._differs is None or self._activating else self._differs

    async def _listen(self, channel: P4Channel, stream: Stream, first: p4r.StreamMessageResponse) -> None:
        message = first
        while True:
            if message.WhichOneof("update") == "arbitration":
                self._answered = True
                async with self._changing:
                    await self._arbitrated(channel, stream, message.arbitration)
            elif self.session is not None:
                await self.session.take(message)
            message = await stream.receive()

    async def _arbitrated(
        self, channel: P4Channel, stream: Stream, update: p4r.MasterArbitrationUpdate
    ) -> None:
        if update.status.code == rpc_code.OK:
            waits = self._differs is not None
            if not waits and (self.session is None or self.session.term != self._term):
                self._lose()
                await self._activate(channel, stream)
            return
        if update.status.code not in (rpc_code.ALREADY_EXISTS, rpc_code.NOT_FOUND):
            what = f"{code_name(update.status.code)} {update.status.message}"
            raise SwitchError(f"switch {self.name} refused (arbitration): {what}")
        highest = update.election_id.high
        if highest >= MOST_TERM:
            raise SwitchError(
                f"switch {self.name} says that it has seen the term {highest}, which no controller has: restart it"
            )
        self._lose()
        self._problem = ""
        without = update.status.code == rpc_code.NOT_FOUND
        self._on_event(Backup(self.name, None if without else highest, highest))

    async def _activate(self, channel: P4Channel, stream: Stream, allowed: bool = False) -> None:
        """We are primary: see to the pipeline and the digests; ``allowed``: also where another program runs."""
        election = self._election
        self._activating = True
        try:
            pushed = await channel.cookie(self.device_id) != self._pipeline.cookie
            if pushed:
                running = None if allowed else await channel.described(self.device_id)
                if running is not None:
                    await self._wait(channel, running)
                    return
                await channel.push(self._push_request(election))
            await self._digests_on(channel, election)
        finally:
            self._activating = False
        self._differs = None
        self.session = P4Session(
            self.name,
            self.device_id,
            election,
            self._pipeline,
            channel,
            stream,
            self._on_event,
            self.cut,
        )
        self._problem = ""
        self._on_event(Connected(self.session, pushed))

    async def _wait(self, channel: P4Channel, running: p4r.ForwardingPipelineConfig) -> None:
        """The switch serves with what it holds, until we are allowed to push."""
        pins = await pins_of(channel, self.device_id, running, self._pipeline)
        self._differs = running.cookie.cookie
        self._problem = ""
        self._on_event(PipelineMismatch(self.device_id, self.name, self._differs, pins))

    def _push_request(self, election: p4r.Uint128) -> p4r.SetForwardingPipelineConfigRequest:
        return p4r.SetForwardingPipelineConfigRequest(
            device_id=self.device_id,
            election_id=election,
            action=p4r.SetForwardingPipelineConfigRequest.VERIFY_AND_COMMIT,
            config=self._pipeline.config,
        )

    async def _digests_on(self, channel: P4Channel, election: p4r.Uint128) -> None:
        """The switch may have them on already: then they are set again."""
        for kind in (p4r.Update.INSERT, p4r.Update.MODIFY):
            request = p4r.WriteRequest(device_id=self.device_id, election_id=election)
            update = request.updates.add(type=kind)
            update.entity.digest_entry.digest_id = self._pipeline.numbers[_DIGEST]
            config = update.entity.digest_entry.config
            config.max_list_size = _DIGEST_LIST
            config.max_timeout_ns = _DIGEST_WAIT_NS
            config.ack_timeout_ns = _DIGEST_ACK_NS
            refused = await channel.write(request.SerializeToString())
            if not refused:
                return
        raise SwitchError(f"switch {self.name} refused (digest {_DIGEST}): {refused[0]}")

    def _lose(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            session.close()
            self._on_event(Disconnected(session))
        differed, self._differs = self._differs, None
        if differed is not None:
            self._on_event(MismatchEnded(self.device_id, self.name))
