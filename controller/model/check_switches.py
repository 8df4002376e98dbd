"""Checks of switches: identities, local addresses, room for our tables and zones."""

from __future__ import annotations

from collections import defaultdict

from controller.model.check_fence import check_fence, check_no_fence
from controller.model.check_p4 import check_p4
from controller.model.findings import Findings
from controller.spec.kinds import Protocol as Speaks
from controller.spec.kinds import kinds_of
from controller.spec.switch import FALLBACKS
from controller.spec.types import Network, Role, Switch
from flows.tables import COUNT as OWN_TABLES
from flows.tables import FENCE_GROUPS, MOST_GROUPS, MOST_VIPS, ZoneBase

LAST_TABLE = 253
"""254 is the last that OpenFlow can name; Open vSwitch keeps it to itself."""
LAST_ZONE = 65535


def check_switches(found: Findings) -> None:
    """Everything that concerns switches but not what they serve."""
    _check_identities(found)
    _check_local(found)
    _check_zones_of_vips(found)
    check_fence(found)
    for switch in found.intent.switches:
        if switch.of_kind.protocol is Speaks.OPENFLOW:
            _check_tables(found, switch)
            _check_zones(found, switch)
            _check_uplinks(found, switch)
            for port in switch.ports:
                if port.number not in switch.of_kind.ports:
                    found.add(
                        port,
                        (),
                        f'port {port.number} of switch "{switch.name}" does not exist on {switch.kind}',
                        "count from 1",
                    )
            _check_keys(found, switch, ("p4runtime", "routes"), Speaks.P4RUNTIME)
        else:
            _check_keys(found, switch, ("openflow", "ovsdb", "tunnel_port"), Speaks.OPENFLOW)
            check_no_fence(found, switch)
            check_p4(found, switch)


def _check_uplinks(found: Findings, switch: Switch) -> None:
    """The groups of an edge are numbered after its ports."""
    lbs = {s.name for s in found.intent.switches if Role.LB in s.roles}
    most = (MOST_GROUPS - (FENCE_GROUPS if switch.fence else 0)) // FALLBACKS - 1
    for port in switch.ports if Role.EDGE in switch.roles and Role.LB not in switch.roles else ():
        if port.to in lbs and port.number > most:
            message = f'edge "{switch.name}" leads to "{port.to}" from port {port.number}'
            found.add(port, (), message, f"give that port a number up to {most} (ofport_request)")


def _check_keys(found: Findings, switch: Switch, keys: tuple[str, ...], others: Speaks) -> None:
    """Keys that this kind of switch has no use for, but those of another protocol."""
    right = f"use kind {kinds_of(others)}"
    for key in keys:
        if found.given(switch, key):
            message = f'"{key}" means nothing to the {switch.kind} switch "{switch.name}"'
            found.add(switch, key, message, f"leave {key} out or {right}", unless=[(switch, "kind")])


def _check_identities(found: Findings) -> None:
    ids: dict[int, Switch] = {}
    macs: dict[str, Switch] = {}
    for switch in found.intent.switches:
        same_id = ids.setdefault(switch.id, switch)
        if same_id is not switch:
            message = f'switches "{same_id.name}" and "{switch.name}" both have the id {switch.id:#x}'
            found.add(switch, "id", message, "give each switch an id of its own")
        same_mac = macs.setdefault(switch.mac, switch)
        if same_mac is not switch:
            message = f'switches "{same_mac.name}" and "{switch.name}" both have the mac {switch.mac}'
            found.add(switch, "mac", message, "give each switch a mac of its own")


def _check_local(found: Findings) -> None:
    """Answers find the switch that asked only if no other address is the same."""
    taken: list[tuple[Network, Switch]] = []
    addresses = [(vip.address, f'the address of vip "{vip.name}"') for vip in found.intent.vips]
    for pool in found.intent.pools:
        for backend in pool.backends:
            addresses += [
                (address, f'the address of backend "{backend.name}"') for address in backend.addresses
            ]
    for switch in found.intent.switches:
        for index, prefix in enumerate(switch.local):
            place = ("local", index)
            for other, owner in taken:
                if prefix.version == other.version and prefix.overlaps(other):
                    message = (
                        f'local prefix {prefix} of switch "{switch.name}" overlaps {other} of "{owner.name}"'
                    )
                    found.add(switch, (place,), message, "give each lb switch local addresses of its own")
            taken.append((prefix, switch))
            for address, whose in dict.fromkeys(addresses):
                if address in prefix:
                    message = f'local prefix {prefix} of switch "{switch.name}" holds {address}, {whose}'
                    found.add(switch, (place,), message, "choose a prefix that nothing else uses")


def _check_tables(found: Findings, switch: Switch) -> None:
    placement = switch.placement
    thing = placement if found.given(switch, "openflow") else switch
    first, last = placement.tables_from, placement.tables_from + OWN_TABLES - 1
    ours = f'the tables of evenkeel on switch "{switch.name}" are {first} to {last}'
    free = f"choose a tables_from with {OWN_TABLES} free tables after it"
    if last > LAST_TABLE:
        right = f"set tables_from to at most {LAST_TABLE - OWN_TABLES + 1}"
        found.add(thing, "tables_from", f"{ours}, and {LAST_TABLE} is the last", right)
    for key, table in (("entry_table", placement.entry_table), ("next_table", placement.next_table)):
        if table is not None and first <= table <= last:
            found.add(thing, (key, "tables_from"), f"{ours}, and {key} {table} is one of them", free)
    if placement.entry_table > last:
        message = f"{ours}, before entry_table {placement.entry_table}"
        right = "raise tables_from above entry_table: OpenFlow jumps forward only"
        found.add(thing, ("tables_from", "entry_table"), message, right)
    if placement.next_table == placement.entry_table:
        message = f'next_table of switch "{switch.name}" is the entry_table {placement.entry_table}'
        found.add(
            thing, "next_table", message, "name the table of others that follows, or leave next_table out"
        )


def _check_zones(found: Findings, switch: Switch) -> None:
    needed = ZoneBase.FULLNAT + len(found.intent.listeners())
    first, end = switch.placement.zones_from, switch.placement.zones_from + needed
    if end > LAST_ZONE:
        zones = f"needs conntrack zones {first} to {end}"
        message = f'switch "{switch.name}" {zones}, and {LAST_ZONE} is the last'
        right = f"set zones_from to at most {LAST_ZONE - needed}"
        thing = switch.placement if found.given(switch, "openflow") else switch
        found.add(thing, "zones_from", message, right)


def _check_zones_of_vips(found: Findings) -> None:
    """Their conntrack zones end where those of backends begin."""
    vips = found.intent.vips
    if len(vips) > MOST_VIPS and any(
        switch.of_kind.protocol is Speaks.OPENFLOW for switch in found.intent.switches
    ):
        message = (
            f'vip "{vips[MOST_VIPS].name}" is one of {len(vips)}, and ovs switches have conntrack zones for'
        )
        right = (
            "put several listeners under one vip, or give some VIPs to another controller and other switches"
        )
        found.add(vips[MOST_VIPS], "name", f"{message} {MOST_VIPS} VIPs", right)


def local_capacity(switch: Switch) -> dict[int, int]:
    """How many local source addresses a switch has, per IP version (4, 6)."""
    count: dict[int, int] = defaultdict(int)
    for prefix in switch.local:
        # Network and broadcast addresses of a v4 subnet belong to no host; a /31 or /32 has neither.
        unusable = 2 if prefix.version == 4 and prefix.prefixlen < 31 else 0
        count[prefix.version] += prefix.num_addresses - unusable
    return {4: count[4], 6: count[6]}
