"""P4 switches as an agent reaches them: beside the controller that leads, which keeps all entries and the pipeline.

edge        ask what runs ─► open a stream with our role ─┬► backup ─► claim ─► primary: packets to the pipeline
                                                          └► refused: the switch has no such role; asked again later
lb switch   ask what runs, again and again: it is there

A role has an election of its own, so the primary of ours may send packets while the controller that leads stays that of
the default role. We write no entry. A server that ignores roles would have us in the election of the controller: its
answer lacks our role, and that stream is closed at once. Until then the lowest ids are ours, lower than any term.

What runs is asked for as long as a connection lasts: the switch lives, and runs no other program yet.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from finsy.proto import U128, p4i, p4r, rpc_code

from controller.southbound.errors import SwitchError, SwitchGone, SwitchTimeout
from controller.southbound.p4.channel import P4Channel, Stream, code_name, outcome
from controller.southbound.p4.connection import Credentials
from controller.southbound.p4.packets import Packets

ROLE = "evenkeel.authority"
"""Of all agents of a site, at each of its edges."""
BEAT = 0.5
"""Seconds between questions what runs."""
BEAT_DEADLINE = 1.0
"""Seconds that an answer may take."""
_MISSED = 2
"""Answers in a row that did not come, after which a connection ends."""
HELLO = 3.0
"""Seconds that connecting and the first answers may take."""
REFUSED_AGAIN = 30.0
"""Seconds until a switch that refused our role is asked for it again."""
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 1.0
_OUT, _IN = frozenset({"port", "op", "vip", "deadline"}), frozenset({"reason", "time"})
"""Metadata that its program has to have."""


class Place(NamedTuple):
    """Where a switch is."""

    name: str
    address: str
    """As gRPC writes it."""
    role: bool
    """Whether our role is asked for."""


class Guest:
    """A switch that is there. Belongs to the event loop."""

    def __init__(self, number: int, name: str, refused: str = "", packets: Packets | None = None) -> None:
        self.id = number
        self.name = name
        self.refused = refused
        """Why the switch does not let us have our role; empty: it does, or was not asked."""
        self.packets = packets
        """Of our stream, while there is one."""
        self.primary = False
        """Whether we are our role's primary, as far as we have heard."""
        self.complaint = ""
        """What the switch refused last of what was sent, since it said who is primary: that a backup may not send is
        usual where another agent goes on."""
        self._ends = asyncio.Event()

    def abort(self) -> None:
        """End the connection; the next one follows."""
        self._ends.set()

    async def claim(self) -> None:
        """Become our role's primary; returns when the switch has said who is. Raises SwitchError."""
        raise SwitchGone(f"switch {self.name}: it has no stream of ours")

    async def _ended(self) -> None:
        await self._ends.wait()
        raise SwitchGone(f"switch {self.name}: cut by us")


class _Member(Guest):
    """With a stream of our role."""

    def __init__(self, number: int, name: str, packets: Packets, stream: Stream, mark: int) -> None:
        super().__init__(number, name, packets=packets)
        self._stream = stream
        self._mark = mark
        """What tells our election ids from those of others, below 2 ** 32."""
        self._highest = 0
        self._heard = asyncio.Event()

    async def claim(self) -> None:
        """With an id above all that the switch has seen."""
        self._heard.clear()
        next_id = ((self._highest >> 32) + 1 << 32) | self._mark
        if next_id >> 128:
            raise SwitchError(f"switch {self.name} says that it has seen the greatest election id")
        await self._stream.send(_arbitration(self.id, next_id))
        try:
            async with asyncio.timeout(HELLO):
                await self._heard.wait()
        except TimeoutError:
            raise SwitchTimeout(f"switch {self.name} did not say who is primary within {HELLO:g} s") from None

    def take(self, message: p4r.StreamMessageResponse) -> bool:
        """A message of the stream; whether we became primary, or are it no more. What is the leader's is left to it."""
        was = self.primary
        match message.WhichOneof("update"):
            case "arbitration":
                self.complaint = ""
                self._highest = max(self._highest, U128.decode(message.arbitration.election_id))
                self.primary = message.arbitration.status.code == rpc_code.OK
                self._heard.set()
            case "packet" if self.packets is not None:
                self.packets.is_clock(message.packet, self.packets.values(message.packet))
            case "error":
                error = message.error
                self.complaint = f"packet-out: {code_name(error.canonical_code)} {error.message}".strip()
        return was != self.primary


class _Link:
    """Owns the connection to one switch; ``run`` is its task."""

    def __init__(self, number: int, place: Place, guests: Guests) -> None:
        self.place = place
        self._id = number
        self._guests = guests
        self._mark = secrets.randbits(32) | 1
        self._answered = False

    async def run(self) -> None:
        """Until cancelled."""
        wait, said = _FIRST_WAIT, ""
        while True:
            self._answered = False
            error = await outcome(self._connection(), f"guest of {self.place.name}")
            why = (
                str(error)
                if isinstance(error, SwitchError)
                else f"unexpected {type(error).__name__}: {error}"
            )
            if why != said and not isinstance(error, _Again):
                self._guests.on_lost(self.place.name, why)
            said = why
            wait = _FIRST_WAIT if self._answered else min(2 * wait, _LONGEST_WAIT)
            await asyncio.sleep(wait)

    async def _connection(self) -> None:
        """One connection, until it ends. Raises SwitchError."""
        channel = self._guests.channel(self.place)
        refused = ""
        try:
            running = await self._running(channel)
            if not self.place.role:
                await self._stay(channel, running.cookie.cookie, Guest(self._id, self.place.name))
            try:
                await self._join(channel, running)
            except _RoleRefused as error:
                refused = str(error)
        finally:
            await channel.close()
        # Another channel: no stream of ours may be left where it would stand in the controller's election.
        channel = self._guests.channel(self.place)
        try:
            async with asyncio.timeout(REFUSED_AGAIN):
                guest = Guest(self._id, self.place.name, refused)
                await self._stay(channel, running.cookie.cookie, guest)
        except TimeoutError:
            raise _Again(refused) from None
        finally:
            await channel.close()

    async def _running(self, channel: P4Channel) -> p4r.ForwardingPipelineConfig:
        try:
            async with asyncio.timeout(HELLO):
                running = await channel.described(self._id)
        except TimeoutError:
            raise SwitchTimeout(f"switch {self.place.name} did not answer within {HELLO:g} s") from None
        if running is None:
            raise SwitchError(f"switch {self.place.name} runs no pipeline yet")
        self._answered = True
        return running

    async def _join(self, channel: P4Channel, running: p4r.ForwardingPipelineConfig) -> None:
        """With our role, until the connection ends. Raises SwitchError, _RoleRefused."""
        name = self.place.name
        out, into = _metadata(running.p4info, "packet_out"), _metadata(running.p4info, "packet_in")
        if not (out.keys() >= _OUT and into.keys() >= _IN):
            raise _RoleRefused(f"switch {name} runs a program that takes no authority")
        stream = channel.stream()
        first = await self._greet(stream)
        packets = Packets(
            name, out, {number: each for each, number in into.items()}, stream, self._guests.now
        )
        member = _Member(self._id, name, packets, stream, self._mark)
        member.take(first)
        try:
            await self._stay(channel, running.cookie.cookie, member, self._listen(stream, member))
        finally:
            packets.close()

    async def _greet(self, stream: Stream) -> p4r.StreamMessageResponse:
        name = self.place.name
        try:
            async with asyncio.timeout(HELLO):
                await stream.send(_arbitration(self._id, self._mark))
                first = await stream.receive()
        except TimeoutError:
            raise SwitchTimeout(f"switch {name} did not answer within {HELLO:g} s") from None
        except (SwitchGone, SwitchTimeout):
            raise
        except SwitchError as error:
            raise _RoleRefused(f"{error} (role {ROLE})") from None
        if first.WhichOneof("update") != "arbitration" or first.arbitration.role.name != ROLE:
            raise _RoleRefused(
                f"switch {name} has one election for all: its server does not know role {ROLE}"
            )
        return first

    async def _listen(self, stream: Stream, member: _Member) -> None:
        while True:
            if member.take(await stream.receive()):
                self._guests.on_news()

    async def _stay(
        self,
        channel: P4Channel,
        cookie: int,
        guest: Guest,
        *beside: asyncio.Future[None] | object,
    ) -> None:
        """Until the connection ends. Raises SwitchError."""
        self._guests.on_up(guest)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._beat(channel, cookie))
                group.create_task(guest._ended())
                for each in beside:
                    group.create_task(each)  # type: ignore[arg-type]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            guest.primary = False
            self._guests.on_down(guest)

    async def _beat(self, channel: P4Channel, cookie: int) -> None:
        missed = 0
        while True:
            await asyncio.sleep(BEAT)
            try:
                runs = await channel.cookie(self._id, BEAT_DEADLINE)
            except SwitchTimeout:
                missed += 1
                if missed >= _MISSED:
                    raise
                continue
            missed = 0
            if (runs or 0) != cookie:
                raise SwitchError(f"switch {self.place.name} runs another program now")


class Guests:
    """All P4 switches that an agent reaches. Belongs to the event loop."""

    def __init__(
        self,
        on_up: Callable[[Guest], None],
        on_down: Callable[[Guest], None],
        on_news: Callable[[], None],
        on_lost: Callable[[str, str], None],
        now: Callable[[], float],
    ) -> None:
        """``on_news``: some guest is primary, or no longer; ``on_lost``: switch by name, and why it is not reached,
        said once for each reason; ``now``: our clock."""
        self.on_up, self.on_down, self.on_news, self.on_lost, self.now = on_up, on_down, on_news, on_lost, now
        self.credentials: Credentials | None = None
        """For a connection that is made now; None: without TLS."""
        self._wanted: Mapping[int, Place] = {}
        self._links: dict[int, tuple[_Link, asyncio.Task[None]]] = {}
        self._changed = asyncio.Event()

    def use(self, wanted: Mapping[int, Place]) -> None:
        """Reach these switches, by device id, and no others."""
        if wanted != self._wanted:
            self._wanted = dict(wanted)
            self._changed.set()

    def channel(self, place: Place) -> P4Channel:
        """A new one to a switch."""
        return P4Channel(place.name, place.address, self.credentials() if self.credentials else None)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self._changed.clear()
                await self._end(
                    {n for n, (link, _) in self._links.items() if self._wanted.get(n) != link.place}
                )
                for number in self._wanted.keys() - self._links.keys():
                    link = _Link(number, self._wanted[number], self)
                    task = asyncio.create_task(link.run(), name=f"p4runtime {link.place.name}")
                    self._links[number] = link, task
                await self._changed.wait()
        finally:
            await self._end(set(self._links))

    async def _end(self, numbers: set[int]) -> None:
        tasks = [self._links.pop(number)[1] for number in numbers]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


class _RoleRefused(SwitchError):
    """The switch does not let us have our role."""


class _Again(SwitchError):
    """Our role is asked for again."""


def _arbitration(device_id: int, election: int) -> p4r.StreamMessageRequest:
    claim = p4r.MasterArbitrationUpdate(device_id=device_id, election_id=U128.encode(election))
    claim.role.name = ROLE
    return p4r.StreamMessageRequest(arbitration=claim)


def _metadata(info: p4i.P4Info, header: str) -> dict[str, int]:
    """Ids of a controller header's fields by name."""
    headers = (each for each in info.controller_packet_metadata if each.preamble.name == header)
    return {field.name: field.id for each in headers for field in each.metadata}
