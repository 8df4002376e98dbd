from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from finsy.proto import p4d, p4r
from google.protobuf import any_pb2

from tests.fakes.p4client import DELETE, INSERT, MODIFY, Client
from tests.fakes.p4rig import Rig, lpm, octets, serving
from topo.p4switch.runtime.notifier import SWEEP_NS
from topo.p4switch.runtime.outbox import Outbox
from topo.p4switch.state import DigestMessage

MS = 1_000_000
SECOND = 1000 * MS


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with serving(Path(tmp_path_factory.mktemp("p4rt"))) as made:
        # The tests move the clock and poll themselves; a second poller would see it move between two looks.
        made.service.notifier.stop()
        yield made


@pytest.fixture
def client(rig: Rig) -> Iterator[Client]:
    with rig.controller() as made:
        yield made


def metadata(*values: bytes) -> list[p4r.PacketMetadata]:
    return [
        p4r.PacketMetadata(metadata_id=number, value=value) for number, value in enumerate(values, start=1)
    ]


def silent(client: Client) -> bool:
    """Whether nothing has come: a packet-in that is sent now must be the next on the stream."""
    return client.stream.empty()


def test_a_packet_out_reaches_the_program_behind_its_header(rig: Rig, client: Client) -> None:
    rig.plane.injected.clear()
    client.send(packet=p4r.PacketOut(payload=b"frame", metadata=metadata(b"\x01\x02", b"\x03")))
    client.send(packet=p4r.PacketOut(payload=b"", metadata=metadata(b"\x01", b"\x00")[::-1]))
    client.send(packet=p4r.PacketOut(payload=b"wrong"))
    client.next()
    # 9 bits of port, 7 of padding: 258 and 3, then 1 and 0.
    assert rig.plane.injected == [bytes([0b10000001, 0b00000011]) + b"frame", bytes([0b00000000, 0b10000000])]


def test_a_frame_from_the_cpu_port_is_a_packet_in_with_its_header_cut_off(rig: Rig, client: Client) -> None:
    rig.plane.on_cpu(bytes([0b10000001, 0b00000011]) + b"frame")
    assert client.next().packet == p4r.PacketIn(payload=b"frame", metadata=metadata(b"\x01\x02", b"\x03"))


PACKETS = [
    ("no metadata", metadata()),
    ("one missing", metadata(b"\1")),
    ("one too many", metadata(b"\1", b"\1", b"\1")),
    ("one twice", [*metadata(b"\1", b"\1"), *metadata(b"\1")]),
    ("too wide", metadata(b"\x02\x00", b"\1")),
    ("empty", metadata(b"", b"\1")),
]


@pytest.mark.parametrize("wrong", [row[1] for row in PACKETS], ids=[row[0] for row in PACKETS])
def test_a_packet_out_with_wrong_metadata_is_dropped_and_told_of(
    rig: Rig, client: Client, wrong: list[p4r.PacketMetadata]
) -> None:
    rig.plane.injected.clear()
    packet = p4r.PacketOut(payload=b"frame", metadata=wrong)
    client.send(packet=packet)
    error = client.next().error
    assert (error.canonical_code, error.packet_out.packet_out) == (3, packet)
    assert rig.plane.injected == []


def test_only_the_primary_sends_and_gets_packets(rig: Rig, client: Client) -> None:
    with rig.client() as backup:
        backup.claim(0)
        backup.next()
        backup.send(packet=p4r.PacketOut(payload=b"frame", metadata=metadata(b"\1", b"\1")))
        assert backup.next().error.canonical_code == 7
        rig.plane.on_cpu(b"\0\0to the primary")
        assert client.next().packet.payload == b"to the primary"
        assert silent(backup)


def test_the_primary_of_every_role_sends_and_gets_packets(rig: Rig, client: Client) -> None:
    """A role without a config has access to everything, packets too; each role has an election of its own."""
    with rig.client(role="authority") as first, rig.client(role="authority") as second:
        first.become_primary(1)
        second.claim(2)
        assert second.next().arbitration.status.code == 0
        assert first.next().arbitration.status.code == 6
        rig.plane.injected.clear()
        for one in (client, first, second):
            one.send(packet=p4r.PacketOut(payload=b"frame", metadata=metadata(b"\1", b"\1")))
            one.send(packet=p4r.PacketOut(payload=b"wrong"))
        codes = [one.next().error.canonical_code for one in (client, second, first, first)]
        assert codes == [3, 3, 7, 7]
        assert [frame[2:] for frame in rig.plane.injected] == [b"frame"] * 2
        rig.plane.on_cpu(b"\0\0to all primaries")
        for one in (client, second):
            assert one.next().packet.payload == b"to all primaries"
        assert silent(first)


def test_without_a_cpu_port_packets_are_refused(rig: Rig, client: Client) -> None:
    rig.plane.cpu_port = None
    try:
        client.send(packet=p4r.PacketOut(payload=b"frame", metadata=metadata(b"\1", b"\1")))
        assert client.next().error.canonical_code == 9
    finally:
        rig.plane.cpu_port = 510


def test_other_messages_and_acks_of_no_digest_are_told_of(rig: Rig, client: Client) -> None:
    client.send(other=any_pb2.Any(type_url="type.example/Message"))
    assert client.next().error.canonical_code == 12
    client.send(digest_ack=p4r.DigestListAck(digest_id=1, list_id=1))
    error = client.next().error
    assert (error.canonical_code, error.WhichOneof("details")) == (3, "digest_list_ack")


def test_a_client_that_does_not_read_holds_nobody_up_and_what_it_misses_is_counted() -> None:
    box = Outbox(limit=2)
    packet = p4r.StreamMessageResponse(packet=p4r.PacketIn(payload=b"x"))
    assert [box.offer(packet) for _ in range(4)] == [True, True, False, False]
    assert box.dropped == 2
    box.insist(p4r.StreamMessageResponse(arbitration=p4r.MasterArbitrationUpdate(device_id=1)))
    box.close()
    assert [message.WhichOneof("update") for message in box.messages()] == ["packet", "packet", "arbitration"]


def test_a_client_that_reads_nothing_at_all_is_let_go() -> None:
    box = Outbox(limit=2)
    for _ in range(5):
        box.insist(p4r.StreamMessageResponse(arbitration=p4r.MasterArbitrationUpdate(device_id=1)))
    assert list(box.messages()) == []
    assert box.error is not None
    assert box.error.code.name == "RESOURCE_EXHAUSTED"


def learn(rig: Rig, *sources: int) -> None:
    """As if the data plane had seen packets of these sources on port 1."""
    assert rig.plane.running is not None
    assert rig.plane.running.digest_sink is not None
    for source in sources:
        rig.plane.running.digest_sink(DigestMessage(1, "seen_t", (source, 1), rig.plane.now))


def configure(
    rig: Rig, client: Client, size: int, timeout: int = SECOND, ack: int = SECOND, kind: int = INSERT
) -> None:
    config = p4r.DigestEntry.Config(max_list_size=size, max_timeout_ns=timeout, ack_timeout_ns=ack)
    client.write((kind, p4r.Entity(digest_entry=p4r.DigestEntry(digest_id=rig.ids["seen_t"], config=config))))


def poll(rig: Rig, later: int = 0) -> None:
    rig.plane.now += later
    rig.service.notifier.poll(rig.plane.now)


def sources(client: Client) -> list[int]:
    """The sources in the next digest list."""
    digest = client.next().digest
    assert digest.digest_id
    return [int.from_bytes(one.struct.members[0].bitstring, "big") for one in digest.data]


def marked(rig: Rig, client: Client) -> None:
    """Nothing else is on the stream."""
    rig.plane.on_cpu(b"\0\0mark")
    assert client.next().packet.payload == b"mark"


def test_the_notifier_rests_no_longer_than_a_list_may_wait(rig: Rig, client: Client) -> None:
    configure(rig, client, size=10, timeout=SECOND // 100)
    notifier = rig.service.notifier
    idle = notifier.rest(rig.plane.now)
    learn(rig, 1)
    poll(rig)
    assert notifier.rest(rig.plane.now) == pytest.approx(0.01)
    assert notifier.rest(rig.plane.now + SECOND // 125) == pytest.approx(0.002)
    assert notifier.rest(rig.plane.now + SECOND) == 0
    poll(rig, later=SECOND // 100)
    assert sources(client) == [1]
    assert notifier.rest(rig.plane.now) == idle > 0.01


def test_a_digest_nobody_asked_for_is_not_sent(rig: Rig, client: Client) -> None:
    learn(rig, 1)
    poll(rig, later=10 * SECOND)
    marked(rig, client)


def test_a_full_list_is_sent_at_once_in_the_type_of_p4info(rig: Rig, client: Client) -> None:
    configure(rig, client, size=2)
    learn(rig, 0x020000000001, 3)
    poll(rig)
    digest = client.next().digest
    bits = [p4d.P4Data(bitstring=octets(0x020000000001)), p4d.P4Data(bitstring=b"\1")]
    assert digest.data[0] == p4d.P4Data(struct=p4d.P4StructLike(members=bits))
    assert (digest.digest_id, len(digest.data), digest.timestamp) == (rig.ids["seen_t"], 2, rig.plane.now)


def test_a_list_that_is_not_full_waits_for_its_timeout(rig: Rig, client: Client) -> None:
    configure(rig, client, size=10)
    learn(rig, 1)
    poll(rig)
    poll(rig, later=SECOND - 1)
    marked(rig, client)
    poll(rig, later=1)
    assert sources(client) == [1]


def test_repeats_are_left_out_until_the_list_is_acknowledged(rig: Rig, client: Client) -> None:
    configure(rig, client, size=2, ack=100 * SECOND)
    learn(rig, 1, 1, 2)
    poll(rig)
    digest = client.next().digest
    assert len(digest.data) == 2
    learn(rig, 1, 2, 3)
    poll(rig, later=SECOND)
    poll(rig, later=SECOND)
    assert sources(client) == [3]
    client.send(digest_ack=p4r.DigestListAck(digest_id=digest.digest_id, list_id=digest.list_id))
    client.send(packet=p4r.PacketOut())
    client.next()
    learn(rig, 1, 3, 2)
    poll(rig)
    assert sources(client) == [1, 2]


def test_repeats_are_news_when_the_acknowledgement_is_overdue(rig: Rig, client: Client) -> None:
    configure(rig, client, size=1, ack=5 * SECOND)
    learn(rig, 1)
    poll(rig)
    assert sources(client) == [1]
    poll(rig, later=5 * SECOND - 1)
    learn(rig, 1)
    poll(rig)
    marked(rig, client)
    poll(rig, later=1)
    learn(rig, 1)
    poll(rig)
    assert sources(client) == [1]


def test_without_an_ack_timeout_nothing_is_remembered(rig: Rig, client: Client) -> None:
    configure(rig, client, size=1, ack=0)
    learn(rig, 1, 1)
    poll(rig)
    assert [sources(client), sources(client)] == [[1], [1]]


def test_a_new_primary_hears_of_digests_that_the_one_before_did_not_acknowledge(
    rig: Rig, client: Client
) -> None:
    configure(rig, client, size=1, ack=100 * SECOND)
    learn(rig, 1)
    poll(rig)
    assert sources(client) == [1]
    client.claim(rig.election_id())
    client.next()
    learn(rig, 1)
    poll(rig)
    marked(rig, client)
    with rig.client() as other:
        other.become_primary(rig.election_id())
        learn(rig, 1)
        poll(rig)
        assert sources(other) == [1]


def test_a_deleted_digest_falls_silent(rig: Rig, client: Client) -> None:
    configure(rig, client, size=1)
    configure(rig, client, size=1, kind=DELETE)
    learn(rig, 1)
    poll(rig, later=SECOND)
    marked(rig, client)


def route(rig: Rig, length: int, timeout: int, **more: object) -> p4r.Entity:
    return rig.entry(
        "route", lpm(0, length), action=rig.action("forward", 1), idle_timeout_ns=timeout, **more
    )


def idle(client: Client) -> list[p4r.TableEntry]:
    notice = client.next().idle_timeout_notification
    assert notice.timestamp
    return list(notice.table_entry)


def test_an_entry_that_is_not_hit_is_told_of_with_what_names_it(rig: Rig, client: Client) -> None:
    client.write(
        (INSERT, route(rig, 8, 2 * SECOND, metadata=b"mine", controller_metadata=5)),
        (INSERT, route(rig, 9, 0)),
    )
    poll(rig, later=SECOND)
    marked(rig, client)
    poll(rig, later=SECOND)
    (told,) = idle(client)
    expected = route(rig, 8, 2 * SECOND, metadata=b"mine", controller_metadata=5).table_entry
    expected.ClearField("action")
    assert told == expected


def test_a_hit_starts_the_idle_time_anew(rig: Rig, client: Client) -> None:
    client.write((INSERT, route(rig, 8, 2 * SECOND)))
    assert rig.plane.running is not None
    (entry,) = rig.plane.running.tables["Enter.route"].entries()
    entry.last_hit = rig.plane.now + SECOND
    poll(rig, later=3 * SECOND - 1)
    marked(rig, client)
    poll(rig, later=SECOND)
    assert len(idle(client)) == 1


def test_a_notice_starts_the_idle_time_anew(rig: Rig, client: Client) -> None:
    client.write((INSERT, route(rig, 8, 2 * SECOND)))
    for _ in range(2):
        poll(rig, later=2 * SECOND)
        assert len(idle(client)) == 1
        poll(rig, later=2 * SECOND - SWEEP_NS)
        marked(rig, client)
        poll(rig, later=SWEEP_NS)
        assert len(idle(client)) == 1


def test_a_modified_or_deleted_entry_is_not_told_of(rig: Rig, client: Client) -> None:
    client.write((INSERT, route(rig, 8, 2 * SECOND)), (INSERT, route(rig, 9, 2 * SECOND)))
    rig.plane.now += SECOND
    client.write((MODIFY, route(rig, 8, 2 * SECOND)), (DELETE, route(rig, 9, 2 * SECOND)))
    poll(rig, later=2 * SECOND - 1)
    marked(rig, client)
