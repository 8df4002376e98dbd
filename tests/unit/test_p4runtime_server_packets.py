"""The service in front of the real data plane, on cables in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from finsy.proto import p4r

from tests.fakes.p4client import INSERT, MODIFY, Client, Ids, program_info
from tests.fakes.p4plane import FakePlane
from tests.fakes.p4rig import Rig, exact, lpm, octets, ternary
from topo.p4switch.cables import Cable, CableEnd
from topo.p4switch.dataplane import DataPlane
from topo.p4switch.runtime.server import Server
from topo.p4switch.runtime.service import Service

CPU = 510
HOSTS = 3


@dataclass
class Fabric:
    """A switch with three hosts on cables; nothing moves until ``step``."""

    plane: DataPlane
    rig: Rig
    hosts: dict[int, CableEnd]
    cables: dict[int, Cable]
    client: Client

    def step(self) -> None:
        while self.plane.step(0.0):
            pass

    def send(self, port: int, frame: bytes) -> None:
        self.hosts[port].send(frame)
        self.step()

    def got(self, port: int) -> list[bytes]:
        return self.hosts[port].receive(100)

    def route(self, *action: object) -> None:
        name, *values = action
        assert isinstance(name, str)
        numbers = [int(str(value)) for value in values]
        self.client.write(
            (INSERT, self.rig.entry("route", lpm(0x0A000000, 8), action=self.rig.action(name, *numbers)))
        )


@pytest.fixture
def fabric(tmp_path: Path) -> Iterator[Fabric]:
    with ExitStack() as parts:
        plane = DataPlane(CPU)
        parts.callback(plane.close)
        cables = {port: Cable() for port in range(1, HOSTS + 1)}
        for port, cable in cables.items():
            plane.add_cable(port, cable.a)
        service = Service(1, plane)
        server = Server(service, f"unix:{tmp_path}/p4rt")
        server.start()
        parts.callback(server.stop)
        client = parts.enter_context(Client(f"unix:{tmp_path}/p4rt")).become_primary()
        client.set_pipeline()
        rig = Rig(FakePlane(), service, f"unix:{tmp_path}/p4rt", Ids(program_info()))
        yield Fabric(plane, rig, {port: cable.b for port, cable in cables.items()}, cables, client)


def frame(dst: int = 0x0A010101, slot: int = 3, kind: int = 0x88B5, to: int = 0x020000000001) -> bytes:
    """A frame as the test program parses it, from source 0x0200000000AA and address 0x0A000001."""
    head = to.to_bytes(6, "big") + (0x0200000000AA).to_bytes(6, "big") + kind.to_bytes(2, "big")
    return head + octets(0x0A000001) + octets(dst) + bytes([0, 80]) + slot.to_bytes(2, "big") + b"payload"


def test_what_is_written_forwards_and_counts(fabric: Fabric) -> None:
    fabric.route("forward", 2)
    fabric.client.write((INSERT, fabric.rig.slot(3)))
    fabric.send(1, frame())
    assert fabric.got(2) == [frame()]
    wanted = fabric.rig.slot(3, None, counter_data=p4r.CounterData())
    (held,) = fabric.client.read(wanted)
    assert held.table_entry.counter_data == p4r.CounterData(packet_count=1, byte_count=len(frame()))


def test_a_packet_goes_to_the_controller_and_back_with_its_metadata(fabric: Fabric) -> None:
    fabric.route("forward", 2)
    rule = fabric.rig.entry(
        "acl", ternary(0x0A000001, 0xFFFFFFFF), action=fabric.rig.action("to_cpu", 5), priority=1
    )
    fabric.client.write((INSERT, rule))
    fabric.send(1, frame())
    packet = fabric.client.next().packet
    assert packet.payload == frame()
    assert [(one.metadata_id, one.value) for one in packet.metadata] == [(1, b"\1"), (2, b"\5")]
    metadata = [
        p4r.PacketMetadata(metadata_id=1, value=b"\3"),
        p4r.PacketMetadata(metadata_id=2, value=b"\0"),
    ]
    fabric.client.send(packet=p4r.PacketOut(payload=packet.payload, metadata=metadata))
    # An error on the stream tells that all before it was done.
    fabric.client.send(packet=p4r.PacketOut())
    assert fabric.client.next().WhichOneof("update") == "error"
    assert fabric.got(3) == [frame()]


def test_a_digest_of_the_data_plane_reaches_the_controller(fabric: Fabric) -> None:
    config = p4r.DigestEntry.Config(max_list_size=1, max_timeout_ns=0, ack_timeout_ns=10**12)
    entry = p4r.DigestEntry(digest_id=fabric.rig.ids["seen_t"], config=config)
    rule = fabric.rig.entry(
        "acl", ternary(0x0A000001, 0xFFFFFFFF), action=fabric.rig.action("learn"), priority=1
    )
    fabric.client.write((INSERT, p4r.Entity(digest_entry=entry)), (INSERT, rule))
    fabric.send(2, frame())
    (data,) = fabric.client.next().digest.data
    assert [one.bitstring for one in data.struct.members] == [octets(0x0200000000AA), b"\2"]


def test_an_idle_entry_of_the_data_plane_reaches_the_controller(fabric: Fabric) -> None:
    entry = fabric.rig.entry(
        "route", lpm(0x0A000000, 8), action=fabric.rig.action("forward", 2), idle_timeout_ns=1
    )
    fabric.client.write((INSERT, entry))
    (told,) = fabric.client.next().idle_timeout_notification.table_entry
    assert told.match == entry.table_entry.match


def test_a_multicast_group_copies_to_all_its_ports(fabric: Fabric) -> None:
    group = p4r.MulticastGroupEntry(multicast_group_id=4)
    for port in (2, 3):
        group.replicas.add(port=octets(port), instance=1)
    entity = p4r.PacketReplicationEngineEntry(multicast_group_entry=group)
    fabric.client.write((INSERT, p4r.Entity(packet_replication_engine_entry=entity)))
    fabric.route("to_group", 4)
    fabric.send(1, frame())
    assert (fabric.got(2), fabric.got(3)) == ([frame()], [frame()])


def test_a_clone_session_copies_as_long_as_it_says(fabric: Fabric) -> None:
    session = p4r.CloneSessionEntry(session_id=7, packet_length_bytes=20)
    session.replicas.add(port=octets(3))
    entity = p4r.PacketReplicationEngineEntry(clone_session_entry=session)
    fabric.client.write((INSERT, p4r.Entity(packet_replication_engine_entry=entity)))
    fabric.route("mirror", 2)
    fabric.send(1, frame())
    assert (fabric.got(2), fabric.got(3)) == ([frame()], [frame()[:20]])


def test_a_value_set_opens_a_way_through_the_parser(fabric: Fabric) -> None:
    fabric.route("forward", 2)
    fabric.send(1, frame(kind=0x1234))
    assert fabric.got(2) == []
    values = p4r.ValueSetEntry(value_set_id=fabric.rig.ids["address_types"])
    values.members.add().match.add(field_id=1).exact.value = b"\x12\x34"
    fabric.client.write((MODIFY, p4r.Entity(value_set_entry=values)))
    fabric.send(1, frame(kind=0x1234))
    assert fabric.got(2) == [frame(kind=0x1234)]


def test_registers_are_shared_with_the_data_plane(fabric: Fabric) -> None:
    cell = p4r.RegisterEntry(register_id=fabric.rig.ids["cells"], index=p4r.Index(index=0))
    cell.data.bitstring = b"\x64"
    fabric.client.write((MODIFY, p4r.Entity(register_entry=cell)))
    fabric.send(1, frame())
    (held,) = fabric.client.read(p4r.Entity(register_entry=cell))
    assert held.register_entry.data.bitstring == b"\x65"


def test_a_watched_port_that_goes_down_takes_its_member_out(fabric: Fabric) -> None:
    made = p4r.ActionProfileActionSet()
    for port in (2, 3):
        action = fabric.rig.action("forward", port)
        made.action_profile_actions.add(action=action, weight=1, watch_port=octets(port))
    entry = fabric.rig.entry("choice", exact(0x020000000001))
    entry.table_entry.action.action_profile_action_set.CopyFrom(made)
    fabric.client.write((INSERT, entry))
    fabric.cables[2].set(False)
    fabric.send(1, frame())
    assert fabric.got(3) == [frame()]
    fabric.cables[2].set(True)
    fabric.cables[3].set(False)
    fabric.send(1, frame())
    assert fabric.got(2) == [frame()]
    assert fabric.client.read(fabric.rig.all_of("choice")) == [entry]


def test_reconcile_keeps_packets_flowing_by_the_entries_that_were_there(fabric: Fabric) -> None:
    fabric.route("forward", 2)
    fabric.client.set_pipeline(p4r.SetForwardingPipelineConfigRequest.Action.RECONCILE_AND_COMMIT)
    fabric.send(1, frame())
    assert fabric.got(2) == [frame()]
