"""Entities of the test program, one short maker for each kind."""

from __future__ import annotations

from typing import Any

from finsy.proto import p4r

from tests.fakes.p4rig import Rig, exact, lpm, octets


def acl(rig: Rig, *match: p4r.FieldMatch, priority: int = 1, action: str = "drop") -> p4r.Entity:
    return rig.entry("acl", *match, action=rig.action(action), priority=priority)


def route(rig: Rig, value: int = 0x0A000000, length: int = 8, port: int = 1, **more: Any) -> p4r.Entity:
    return rig.entry("route", lpm(value, length), action=rig.action("forward", port), **more)


def member(
    rig: Rig, number: int, port: int = 1, profile: str = "spread", action: str = "forward"
) -> p4r.Entity:
    values = (port,) if action == "forward" else (0xAABBCCDDEEFF, port)
    made = p4r.ActionProfileMember(
        action_profile_id=rig.ids[profile], member_id=number, action=rig.action(action, *values)
    )
    return p4r.Entity(action_profile_member=made)


def group(rig: Rig, number: int, *places: tuple[int, int, int | None], max_size: int = 8) -> p4r.Entity:
    made = p4r.ActionProfileGroup(action_profile_id=rig.ids["spread"], group_id=number, max_size=max_size)
    for member_id, weight, port in places:
        one = made.members.add(member_id=member_id, weight=weight)
        if port is not None:
            one.watch_port = octets(port)
    return p4r.Entity(action_profile_group=made)


def choice(rig: Rig, **action: Any) -> p4r.Entity:
    made = rig.entry("choice", exact(0x020000000001))
    made.table_entry.action.CopyFrom(p4r.TableAction(**action))
    return made


def one_shot(rig: Rig, *places: tuple[int, int, int | None]) -> p4r.Entity:
    made = p4r.ActionProfileActionSet()
    for port, weight, watch in places:
        one = made.action_profile_actions.add(action=rig.action("forward", port), weight=weight)
        if watch is not None:
            one.watch_port = octets(watch)
    return choice(rig, action_profile_action_set=made)


def counter(rig: Rig, index: int | None = 3, packets: int | None = 10, octet_count: int = 900) -> p4r.Entity:
    made = p4r.CounterEntry(counter_id=rig.ids["ports"])
    if index is not None:
        made.index.index = index
    if packets is not None:
        made.data.packet_count, made.data.byte_count = packets, octet_count
    return p4r.Entity(counter_entry=made)


def meter(rig: Rig, index: int | None = 1, *rates: int) -> p4r.Entity:
    made = p4r.MeterEntry(meter_id=rig.ids["rates"])
    if index is not None:
        made.index.index = index
    if rates:
        made.config.CopyFrom(rate(*rates))
    return p4r.Entity(meter_entry=made)


def rate(
    cir: int = 10, cburst: int = 20, pir: int = 30, pburst: int = 40, eburst: int = 0
) -> p4r.MeterConfig:
    return p4r.MeterConfig(cir=cir, cburst=cburst, pir=pir, pburst=pburst, eburst=eburst)


def register(rig: Rig, index: int | None = 2, value: int | None = 77) -> p4r.Entity:
    made = p4r.RegisterEntry(register_id=rig.ids["cells"])
    if index is not None:
        made.index.index = index
    if value is not None:
        made.data.bitstring = octets(value)
    return p4r.Entity(register_entry=made)


def multicast(number: int, *replicas: tuple[int, int], metadata: bytes = b"") -> p4r.Entity:
    made = p4r.MulticastGroupEntry(multicast_group_id=number, metadata=metadata)
    for port, instance in replicas:
        made.replicas.add(port=octets(port), instance=instance)
    return p4r.Entity(
        packet_replication_engine_entry=p4r.PacketReplicationEngineEntry(multicast_group_entry=made)
    )


def clone(number: int, port: int = 2, length: int = 0) -> p4r.Entity:
    made = p4r.CloneSessionEntry(session_id=number, packet_length_bytes=length)
    made.replicas.add(port=octets(port), instance=1)
    return p4r.Entity(
        packet_replication_engine_entry=p4r.PacketReplicationEngineEntry(clone_session_entry=made)
    )


def value_set(rig: Rig, *values: int) -> p4r.Entity:
    made = p4r.ValueSetEntry(value_set_id=rig.ids["address_types"])
    for value in values:
        made.members.add().match.add(field_id=1).exact.value = octets(value)
    return p4r.Entity(value_set_entry=made)


def digest(rig: Rig, size: int = 10, timeout: int = 1000) -> p4r.Entity:
    config = p4r.DigestEntry.Config(max_timeout_ns=timeout, max_list_size=size, ack_timeout_ns=5000)
    return p4r.Entity(digest_entry=p4r.DigestEntry(digest_id=rig.ids["seen_t"], config=config))


def identity(entity: p4r.Entity) -> p4r.Entity:
    """A request for one entity by its key."""
    wanted = p4r.Entity()
    wanted.CopyFrom(entity)
    kind = wanted.WhichOneof("entity")
    if kind == "table_entry":
        wanted.table_entry.ClearField("action")
    return wanted
