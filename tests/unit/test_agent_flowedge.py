"""An edge as an agent writes it: what it writes, leaves alone, and claims at its fence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import ip_address

from controller.agent.edge import Wanted
from controller.agent.flowedge import FlowEdge
from controller.frames.announce import announcement
from controller.southbound.errors import SwitchGone, TooLate
from controller.spec.switch import VipSpec
from controller.spec.types import FenceEnd, Role, Switch, Vip
from flows import messages
from flows.stages import respond
from flows.tables import Cookie, Kind, Placed
from tests.fakes.core import SetClock, journal, play, until
from tests.fakes.tables import FLOW_MOD, Tables

FENCED = Switch(
    "edge1", "ovs", 0x11, "east", frozenset({Role.EDGE}), "02:45:56:01:00:11", fence=(FenceEnd(30, "f0"),)
)
PLAIN = replace(FENCED, fence=())
SHOP = VipSpec(1, ip_address("10.0.0.100"), "02:45:56:00:01:01", 30)
API = VipSpec(2, ip_address("10.0.0.101"), "02:45:56:00:01:02", 30)


class Stream:
    """A switch's stream of a test: tables that can be looked at, and may be written by another agent."""

    def __init__(self, tables: Tables | None = None) -> None:
        self.tables = tables or Tables()
        for group in respond.groups(Placed(FENCED.placement), FENCED.fence).values():
            assert self.tables.apply(messages.group_mod(group, 0)) is None
        self.refused: list[str] = []
        """Said to the next messages, which are not carried out."""
        self.packets: list[tuple[bytes, bytes]] = []
        self.puts = 0
        self.cut = False
        self.hold = asyncio.Event()
        self.hold.set()

    async def put(self, sent: Sequence[bytes], holds: Callable[[], bool] = lambda: True) -> list[str]:
        self.puts += 1
        await self.hold.wait()
        if not holds():
            raise TooLate("late")
        if self.cut:
            raise SwitchGone("cut")
        if self.refused:
            refused, self.refused = self.refused, []
            return refused
        for message in sent:
            assert message[1] == FLOW_MOD
            assert self.tables.apply(message) is None
        return []

    async def send_packet(self, frame: bytes, actions: bytes, _: int) -> None:
        self.packets.append((frame, actions))

    def abort(self) -> None:
        self.cut = True

    def answers(self) -> set[int]:
        """VIPs of which there are flows that answer."""
        cookies = (Cookie.parse(entry.cookie) for entry in self.tables.flows.values())
        return {c.id for c in cookies if c is not None and c.kind is Kind.RESPOND and c.id}


class Rig:
    """An edge and what it said."""

    def __init__(self, switch: Switch = FENCED) -> None:
        self.clock = SetClock()
        written, self.said = journal()
        self.news = 0
        self.edge = FlowEdge(switch, written, self.clock, self._on_news)
        self.stream = Stream()

    def _on_news(self) -> None:
        self.news += 1

    def connect(self, stream: Stream | None = None) -> None:
        self.stream = stream or self.stream
        self.edge.connect(self.stream)  # type: ignore[arg-type]

    def want(
        self, *vips: VipSpec, foreign: Sequence[VipSpec] = (), acts: bool = True, left: float = 0.6
    ) -> None:
        """Of ``SHOP`` and ``API`` it may answer for these; the others are foreign, or it is not known whose."""
        until_ = self.clock.now() + left
        others = {each.id: each for each in (SHOP, API) if each not in vips}
        wanted = {each.id: Wanted(each, until_) for each in vips}
        self.edge.want(wanted, others, {each.id for each in foreign}, acts)


def test_the_acting_agent_writes_what_may_be_answered_and_claims_until_its_deadline() -> None:
    rig = Rig()

    async def body() -> None:
        rig.connect()
        rig.want(SHOP, foreign=[API])
        await until(lambda: rig.edge.is_silent(frozenset({2})), "the switch has taken it")
        assert rig.stream.answers() == {1}
        assert rig.edge.answering.until == rig.clock.now() + 0.6
        assert rig.edge.is_silent(frozenset({2}))
        assert not rig.edge.is_silent(frozenset({1, 2}))

    play(body, rig.edge.run)


def test_an_agent_that_does_not_act_writes_nothing_and_ends_nothing() -> None:
    other, rig = Rig(), Rig()

    async def body() -> None:
        other.connect()
        other.want(SHOP, foreign=[API])
        await until(lambda: other.stream.answers() == {1})
        rig.connect(other.stream)
        puts = other.stream.puts
        rig.want(foreign=[API], acts=False)
        await asyncio.sleep(0.02)
        assert other.stream.puts == puts
        assert rig.edge.answering.until == 0

    play(body, rig.edge.run, other.edge.run)


def test_what_another_agent_wrote_is_deleted_where_another_site_owns_it() -> None:
    before, rig = Rig(), Rig()

    async def body() -> None:
        before.connect()
        before.want(SHOP, API)
        await until(lambda: before.stream.answers() == {1, 2})
        rig.connect(before.stream)
        rig.want(SHOP, foreign=[API])
        await until(lambda: rig.stream.answers() == {1}, "the foreign VIP is not answered for")
        await until(lambda: rig.edge.is_silent(frozenset({2})))

    play(body, rig.edge.run, before.edge.run)


def test_while_it_is_not_known_who_owns_a_vip_its_flows_stay_and_nothing_is_claimed() -> None:
    """A fence is one for all VIPs: to claim it would have this edge answer for what another site may own."""
    before, rig = Rig(), Rig()

    async def body() -> None:
        before.connect()
        before.want(SHOP, API)
        await until(lambda: before.stream.answers() == {1, 2})
        rig.connect(before.stream)
        rig.want(SHOP)
        await until(lambda: rig.edge.standing == {1, 2} and rig.news)
        assert rig.stream.answers() == {1, 2}
        assert rig.edge.answering.until == 0
        rig.want(SHOP, API)
        await until(lambda: rig.edge.answering.until > rig.clock.now(), "both may be answered for")

    play(body, rig.edge.run, before.edge.run)


def test_a_claim_ends_at_its_deadline_when_another_agent_acts_and_is_forgotten_then() -> None:
    rig = Rig()

    async def body() -> None:
        rig.connect()
        rig.want(SHOP, foreign=[API])
        await until(lambda: rig.stream.answers() == {1} and rig.news)
        deadline = rig.edge.answering.until
        rig.want(foreign=[API], acts=False)
        await asyncio.sleep(0.02)
        assert rig.edge.answering.until == deadline
        rig.clock.time += 0.7
        await until(lambda: not rig.edge.standing)
        assert rig.stream.answers() == {1}, "they are the acting agent's"

    play(body, rig.edge.run)


def test_refused_flows_are_said_once_and_written_again() -> None:
    rig = Rig()

    async def body() -> None:
        rig.stream.refused = ["group mod failed (invalid group) for flow"]
        rig.connect()
        rig.want(SHOP, foreign=[API], left=60.0)
        await until(lambda: rig.edge.standing == {1} and rig.stream.answers() == {1})
        (said,) = rig.said.of("answers_refused")
        assert said["switch"] == "edge1"
        assert not rig.edge.problem

    play(body, rig.edge.run)


def test_flows_without_a_fence_last_a_second_and_are_renewed_while_there_is_authority() -> None:
    rig = Rig(PLAIN)
    spec = replace_authority(SHOP, 1)

    async def body() -> None:
        rig.connect()
        rig.want(spec, foreign=[API], left=60.0)
        await until(lambda: rig.stream.answers() == {1})
        assert {entry.hard for entry in rig.stream.tables.flows.values()} == {1}
        puts = rig.stream.puts
        rig.clock.time += 0.4
        await until(lambda: rig.stream.puts > puts, "they are renewed")

    play(body, rig.edge.run)


def replace_authority(spec: VipSpec, seconds: int) -> VipSpec:
    return replace(spec, authority=seconds)


def test_a_stream_that_fails_is_cut_and_the_next_one_gets_everything() -> None:
    rig = Rig()

    async def body() -> None:
        rig.stream.cut = True
        rig.connect()
        rig.want(SHOP, foreign=[API], left=60.0)
        await until(lambda: rig.edge.session is None)
        assert not rig.edge.is_silent(frozenset({2})), "nothing is known of an edge that is not here"
        rig.connect(Stream())
        await until(lambda: rig.stream.answers() == {1})

    play(body, rig.edge.run)


def test_what_is_late_is_not_written() -> None:
    """The process stood still between its look at the clock and the write."""
    rig = Rig()

    async def body() -> None:
        rig.stream.hold.clear()
        rig.connect()
        rig.want(SHOP, foreign=[API])
        await until(lambda: rig.stream.puts == 1)
        rig.clock.time += 0.7
        rig.stream.hold.set()
        await until(lambda: rig.stream.puts > 1 and rig.edge.is_silent(frozenset({2})))
        assert not rig.stream.answers()

    play(body, rig.edge.run)


def test_announcements_of_an_edge_with_a_fence_go_through_its_group() -> None:
    fenced, plain = Rig(), Rig(PLAIN)
    vip = Vip("shop", SHOP.address, SHOP.mac, ("east",), ())

    async def body() -> None:
        for rig in (fenced, plain):
            rig.connect()
            rig.edge.announce_on((3, 4))
            rig.want(SHOP, foreign=[API], left=60.0)
            await until(lambda rig=rig: rig.edge.announces() == {1})  # type: ignore[misc]
            await rig.edge.announce(vip)
        (frame, grouped), ((_, ports),) = fenced.stream.packets[0], plain.stream.packets
        assert frame == announcement(vip.address, vip.mac)
        assert grouped[:2] == b"\x00\x16", "a group"
        assert ports[:2] == b"\x00\x00", "an output"
        fenced.want(SHOP, foreign=[API], left=0.0)
        assert not fenced.edge.announces(), "there is no authority"

    play(body, fenced.edge.run, plain.edge.run)
