"""What a P4 switch sends of its own accord is believed only where it fits."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from finsy.proto import p4r

from controller.southbound.errors import SwitchError
from controller.southbound.p4 import incoming
from controller.southbound.p4.pipeline import balancer
from p4src.ids import Reason

PIPELINE = balancer()
MAPPED = (0xFFFF << 32 | 0xC0000207).to_bytes(6, "big")
GOOD = (b"\x01", b"\x00\x07", MAPPED, b"\x9c\x40", b"\x02")


def digests(*members: bytes, count: int = 1) -> p4r.DigestList:
    made = p4r.DigestList()
    for _ in range(count):
        struct = made.data.add().struct
        for each in members:
            struct.members.add().bitstring = each
    return made


def test_a_digest_in_order_is_a_report() -> None:
    assert list(incoming.reports("s1", digests(*GOOD))) == [
        (Reason.EXCEPTION, 7, ip_address("192.0.2.7"), 40_000, 2)
    ]


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (digests(*GOOD[:4]), "a digest with 4 members"),
        (digests(*GOOD[:2], b"\xff" * 17, *GOOD[3:]), "17 octets, where there is room for 128 bits"),
        (digests(*GOOD[:3], b"\1\0\0", GOOD[4]), "3 octets, where there is room for 16 bits"),
        (digests(b"\x63", *GOOD[1:]), "the reason 99"),
        (digests(*GOOD, count=incoming.MOST_REPORTS + 1), "4097 digests in one list"),
    ],
    ids=["members", "client", "port", "reason", "count"],
)
def test_one_that_does_not_fit_ends_the_connection(made: p4r.DigestList, why: str) -> None:
    with pytest.raises(SwitchError, match=why):
        list(incoming.reports("s1", made))


@pytest.mark.parametrize("values", [{"reason": 99}, {"reason": 5, "port": 1 << 16}, {}])
def test_so_does_a_packet_whose_metadata_does_not_fit(values: dict[str, int]) -> None:
    with pytest.raises(SwitchError, match="switch s1 sent"):
        incoming.punted("s1", values)


def test_and_an_idle_pin_without_its_key() -> None:
    notice = p4r.IdleTimeoutNotification()
    notice.table_entry.add(table_id=PIPELINE.tables["pin"].id)
    with pytest.raises(SwitchError, match="an idle entry"):
        list(incoming.idle("s1", PIPELINE, notice))
    notice.table_entry[0].table_id = 1
    assert list(incoming.idle("s1", PIPELINE, notice)) == [], "of a table that is none of ours"
