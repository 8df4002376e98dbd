"""The driver beside another os-ken application: each gets its own messages and no others; events of ours."""

from __future__ import annotations

import itertools
import queue
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from controller.southbound.openflow import hook
from controller.southbound.openflow.connection import OpenFlowApp
from controller.southbound.openflow.events import Disconnected, FlowEnded, PacketIn, PortsChanged
from controller.southbound.openflow.session import Session
from flows import messages
from flows.diff import diff
from flows.entries import Target, flow
from flows.fields import FIELDS
from flows.match import Match
from flows.tables import Cookie, Kind, Placed, Stage
from tests.fakes import duties
from tests.fakes.bystander import Bystander
from tests.fakes.control import control
from tests.fakes.openflow import FakeSwitch
from tests.fakes.tables import REASON_DELETE, REASON_HARD, REASON_IDLE

PLACED = Placed(duties.LB_PLACE)
OWN = duties.LB_PLACE.cookie
FOREIGN = 0x1AB << 48 | 1
_ids = itertools.count(0x1000)
FRAME = bytes(range(64))


@pytest.fixture
def switch() -> Iterator[FakeSwitch]:
    """A switch of ours that has connected."""
    control().expect(number := next(_ids))
    fake = FakeSwitch(number, control().port)
    fake.connect()
    Bystander.seen.clear()
    yield fake
    fake.hang_up()


@pytest.fixture
def session(switch: FakeSwitch) -> Session:
    return control().session(switch.datapath_id)


def eventually(holds: Callable[[], object]) -> None:
    """Wait for something that another thread does."""
    for _ in range(1000):
        if holds():
            return
        threading.Event().wait(0.01)
    pytest.fail("it did not happen within 10 s")


def seen(kind: str, switch: FakeSwitch) -> list[object]:
    """Messages of a switch that reached the other application."""
    return [
        m for m in list(Bystander.seen) if type(m).__name__ == kind and m.datapath.id == switch.datapath_id
    ]


def test_packets_that_our_flows_report_reach_us_and_nobody_else(switch: FakeSwitch, session: Session) -> None:
    cookie = Cookie(OWN, Kind.EXCEPTION, 3)
    tlvs = FIELDS["in_port"].tlv(9) + FIELDS["reg3"].tlv(77) + FIELDS["ct_mark"].tlv(0x30007)
    switch.packet_in(cookie.value, tlvs, FRAME)
    switch.packet_in(FOREIGN, FIELDS["in_port"].tlv(8), b"for others" + FRAME)
    event = control().event(switch.datapath_id, PacketIn)
    assert event == PacketIn(session, cookie, {"in_port": 9, "reg3": 77, "ct_mark": 0x30007}, FRAME)
    eventually(lambda: seen("OFPPacketIn", switch))
    assert [m.data for m in seen("OFPPacketIn", switch)] == [b"for others" + FRAME]  # type: ignore[attr-defined]
    with pytest.raises(queue.Empty):
        control().event(switch.datapath_id, PacketIn, 0.1)


def test_fields_unknown_to_us_do_not_hide_the_others(switch: FakeSwitch, session: Session) -> None:
    metadata = struct.pack("!HBBQ", 0x8000, 2 << 1, 8, 5)
    pkt_mark = struct.pack("!HBBI", 1, 33 << 1, 4, 5)
    switch.packet_in(Cookie(OWN, Kind.RESET, 1).value, metadata + FIELDS["reg1"].tlv(4) + pkt_mark, FRAME)
    event = control().event(switch.datapath_id, PacketIn)
    assert (event.fields, event.frame) == ({"reg1": 4}, FRAME)


def test_packets_of_a_switch_that_is_not_ours_go_to_others_whatever_their_cookie() -> None:
    stranger = FakeSwitch(next(_ids), control().port)
    stranger.connect()
    cookie = Cookie(OWN, Kind.EXCEPTION, 3).value

    def reached() -> bool:
        # Before the handshake is over, os-ken itself drops packets.
        stranger.packet_in(cookie, FIELDS["in_port"].tlv(1), FRAME)
        return bool(seen("OFPPacketIn", stranger))

    eventually(reached)
    stranger.hang_up()
    with pytest.raises(queue.Empty):
        control().event(stranger.datapath_id, PacketIn, 0.1)


def test_a_switch_that_is_not_ours_is_said_when_it_comes_and_when_it_goes() -> None:
    stranger = FakeSwitch(next(_ids), control().port)
    stranger.connect()

    def said() -> list[bool]:
        return [each.here for each in control().strangers if each.id == stranger.datapath_id]

    eventually(said)
    assert said() == [True]
    stranger.hang_up()
    eventually(lambda: said() == [True, False])
    assert all(each.address.startswith("127.0.0.1:") for each in control().strangers)


def test_cookies_of_ours_that_mean_nothing_are_ignored(switch: FakeSwitch, session: Session) -> None:
    switch.packet_in(OWN << 48 | 200 << 40, FIELDS["in_port"].tlv(1), FRAME)
    switch.packet_in(Cookie(OWN, Kind.RESET, 1).value, FIELDS["in_port"].tlv(1), FRAME)
    assert control().event(switch.datapath_id, PacketIn).cookie.kind is Kind.RESET


@pytest.mark.parametrize(
    ("reason", "idle"), [(REASON_IDLE, True), (REASON_HARD, False), (REASON_DELETE, False)]
)
def test_the_end_of_a_flow_of_ours_is_told_to_us_alone(
    switch: FakeSwitch, session: Session, reason: int, idle: bool
) -> None:
    cookie = Cookie(OWN, Kind.PIN, 12)
    own = flow(PLACED.table(Stage.PIN), 10, Match.of(in_port=1), cookie=cookie.value, idle=5, notify=True)
    foreign = flow(0, 10, Match.of(in_port=1), cookie=FOREIGN, idle=5, notify=True)
    control().run(session.write(diff(PLACED, Target(), Target({own.key: own.body})), "lb1"))
    switch.tables.apply(messages.flow_mod(foreign))
    for key in list(switch.tables.flows):
        switch.expire(key, reason)
    assert control().event(switch.datapath_id, FlowEnded) == FlowEnded(session, cookie, idle)
    eventually(lambda: seen("OFPFlowRemoved", switch))
    assert [m.cookie for m in seen("OFPFlowRemoved", switch)] == [FOREIGN]  # type: ignore[attr-defined]


def test_answers_to_us_do_not_reach_others(switch: FakeSwitch, session: Session) -> None:
    control().run(session.read(PLACED, {}))
    control().run(session.write(diff(PLACED, Target(), duties.with_slots(Target(), duties.table())), "lb1"))
    assert seen("OFPFlowStatsReply", switch) == []
    assert seen("OFPBarrierReply", switch) == []


def test_answers_to_others_reach_them_while_we_read(switch: FakeSwitch, session: Session) -> None:
    datapath = session.datapath
    datapath.send_barrier()
    request = datapath.ofproto_parser.OFPFlowStatsRequest(datapath)
    datapath.send_msg(request)
    control().run(session.read(PLACED, {}))
    eventually(lambda: seen("OFPFlowStatsReply", switch) and seen("OFPBarrierReply", switch))
    assert len(seen("OFPBarrierReply", switch)) == 1


def test_a_port_that_changed_is_told_to_us_and_to_others(switch: FakeSwitch, session: Session) -> None:
    switch.port_status(7, 4)
    assert control().event(switch.datapath_id, PortsChanged) == PortsChanged(session)
    eventually(lambda: seen("OFPPortStatus", switch))
    assert [m.desc.port_no for m in seen("OFPPortStatus", switch)] == [7]  # type: ignore[attr-defined]


def test_errors_about_messages_of_others_reach_them(switch: FakeSwitch, session: Session) -> None:
    datapath = session.datapath
    datapath.send_msg(datapath.ofproto_parser.OFPTableStatsRequest(datapath, 0))
    eventually(lambda: seen("OFPErrorMsg", switch))


def test_other_applications_do_not_number_their_messages_like_ours(switch: FakeSwitch) -> None:
    session = control().session(switch.datapath_id)
    datapath = session.datapath
    switch.hang_up()
    control().event(switch.datapath_id, Disconnected)
    datapath.xid = hook.OWN_XID << 24 | 5
    assert OpenFlowApp.hub is not None
    OpenFlowApp.hub.up(datapath)
    assert datapath.xid >> 24 != hook.OWN_XID


def test_the_hook_gives_os_ken_back_as_it_was() -> None:
    from os_ken.base.app_manager import Datapath
    from os_ken.ofproto import ofproto_v1_3_parser as parser

    hooked = dict(parser._MSG_PARSERS), Datapath._recv_loop

    def refuse(datapath: object, kind: int, xid: int, message: bytes) -> bool:
        return False

    hook.install(refuse)
    hook.remove(refuse)
    assert (dict(parser._MSG_PARSERS), Datapath._recv_loop) == hooked
