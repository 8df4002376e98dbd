"""What access lists and guards drop is counted where it belongs, and all of it."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address, ip_network

from controller.spec.switch import GuardSpec
from controller.spec.types import Access
from p4src.ids import Drop
from tests.p4.box import Box
from tests.p4.keeper import Keeper
from tests.p4.scene import Scene, Service
from tests.p4.traffic import syn_flood

ALL, OF_PREFIX = 3, 9
"""Numbers of guards."""
METERED, BLOCKED = ip_network("198.18.0.0/16"), ip_network("198.19.128.0/17")
"""A half and a quarter of the flood."""
LISTED = Service(
    1,
    guards=(GuardSpec(ALL, 5), GuardSpec(OF_PREFIX, 5, METERED)),
    access=Access((ip_network("198.19.129.0/24"),), (BLOCKED,)),
)
FREE = Service(2)
SYNS = 400


def test_each_list_and_each_guard_counts_what_it_drops(box: Box) -> None:
    Keeper([box], Scene((LISTED, FREE)))
    sent, came = Counter[str](), 0
    for batch in syn_flood(LISTED, SYNS, seed=1):
        for _, frame in batch:
            source = IPv4Address(frame[26:30])
            rule = LISTED.access.rule_of(source)
            sent["blocked" if rule is not None and not rule.allows else str(source in METERED)] += 1
        came += len(box.send(batch))
    (free,) = syn_flood(FREE, 100, seed=1)
    assert len(box.send(free)) == len(free)
    counted, drops = box.counted(), box.drops()
    assert counted.denied == {LISTED.id: sent["blocked"]}
    assert drops[Drop.ACCESS] == sent["blocked"] > SYNS // 8
    assert counted.over.keys() == {ALL, OF_PREFIX}
    assert sum(counted.over.values()) == drops[Drop.GUARD] == SYNS - sent["blocked"] - came
    # The guard of all takes what that of the prefix has let pass as well.
    assert sent["True"] - 50 < counted.over[OF_PREFIX] <= sent["True"]
    assert sent["False"] - 50 < counted.over[ALL] <= sent["False"] + 50
