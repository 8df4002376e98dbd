"""Entities of the embedded switch's test program, one or more of each kind."""

from __future__ import annotations

from finsy.proto import p4r

from tests.fakes import p4entities as e
from tests.fakes.p4rig import Rig, span, ternary


def entities(rig: Rig) -> list[p4r.Entity]:
    """All of them."""
    found = [
        rig.slot(1),
        rig.slot(300, 65535),
        rig.slot(2, None),
        rig.all_of("slot"),
        rig.all_of("acl"),
        e.acl(rig, ternary(1, 3, 1), span(1, 9, 2)),
        e.route(rig),
        e.member(rig, 1),
        e.member(rig, 2, 3),
        e.group(rig, 1, (1, 1, None), (2, 2, 1)),
        e.choice(rig, action_profile_group_id=1),
        e.choice(rig, action_profile_member_id=1),
        e.one_shot(rig, (1, 1, None), (2, 1, 2)),
        e.counter(rig),
        e.counter(rig, None, None),
        e.meter(rig, 1, 10, 20, 30, 40),
        e.meter(rig, None),
        e.register(rig),
        e.register(rig, None, None),
        e.multicast(1, (1, 1), (2, 2)),
        e.clone(7),
        e.value_set(rig, 1, 2),
        e.digest(rig),
        p4r.Entity(table_entry=p4r.TableEntry()),
    ]
    return [*found, *map(e.identity, found)]
