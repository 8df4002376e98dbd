"""Questions that are not as they should be: what no host would answer, the VIP's switch does not answer either."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address

from tests.conformance.expect import Expect
from tests.conformance.expect_control import Answered, Unanswered
from tests.conformance.packets import Odd, mac
from tests.conformance.row import In, Row
from tests.conformance.says import Announcement, Ping, Question, Say
from tests.conformance.scenario import CLIENTS, SEGMENT, VIPS, web
from tests.conformance.target import Can, Reason

_V4, _V6 = VIPS[4], VIPS[6]
assert isinstance(_V6, IPv6Address)
_MAC = mac(CLIENTS["c1"].mac)
_LINK_LAYER = b"\x01\x01" + _MAC
_NONCE = b"\x0e\x01" + bytes(range(6))


def _odd(
    name: str,
    why: str,
    expect: Expect,
    *says: Say,
    more: Can = Can.RESPOND,
    reports: frozenset[Reason] = frozenset(),
) -> Row:
    needs = frozenset({Can.RESPOND, more})
    return Row(name, why, web("b1"), tuple(In(say, expect, reports) for say in says), needs=needs)


def _nd(**odd: object) -> Question:
    return Question(_V6, odd=Odd(**odd))  # type: ignore[arg-type]


def _probe(**odd: object) -> Question:
    return replace(_nd(**odd), unspecified=True)


def _arp(**odd: object) -> Question:
    return Question(_V4, odd=Odd(**odd))  # type: ignore[arg-type]


ROWS = (
    _odd(
        "solicitation-from-afar",
        "Only a hop limit of 255 proves that a solicitation comes from the link (RFC 4861, 7.1.1).",
        Unanswered(),
        *(_nd(hops=hops) for hops in (64, 254, 1, 0)),
        replace(_nd(hops=64), unicast=True),
        _probe(hops=64),
    ),
    _odd(
        "solicitation-of-another-code",
        "A solicitation has code 0.",
        Unanswered(),
        _nd(code=1),
        replace(_nd(code=1), unicast=True),
        _probe(code=1),
    ),
    _odd(
        "solicitation-cut-short",
        "A solicitation that ends before its target does has none.",
        Unanswered(),
        _nd(options=b"", short=8),
        _nd(options=b"", short=1),
    ),
    _odd(
        "solicitation-with-an-empty-option",
        "An option of no length would be read without end; such a message is discarded whole.",
        Unanswered(),
        _nd(options=b"\x01\x00" + _MAC),
        _nd(options=b"\x0e\x00" + bytes(6)),
    ),
    _odd(
        "solicitation-with-an-option-too-long",
        "An option that ends behind the message is none.",
        Unanswered(),
        _nd(options=b"\x01\x02" + _MAC),
        _nd(options=b"\x0e\x09" + bytes(6)),
    ),
    _odd(
        "solicitation-without-the-asker",
        "An answer to who asks a group has to name the VIP's MAC, and its question the asker's (RFC 4861, 4.3).",
        Unanswered(),
        _nd(options=b""),
    ),
    _odd(
        "solicitation-damaged",
        "A solicitation whose checksum is wrong may ask for something else than it was sent for.",
        Unanswered(),
        _nd(sum_off_by=1),
        _nd(sum_off_by=0x100),
        replace(_nd(sum_off_by=1), unicast=True),
        replace(_nd(sum_off_by=1, options=b""), unicast=True),
        _probe(sum_off_by=1),
        more=Can.QUESTION_SUMS,
    ),
    _odd(
        "probe-with-a-link-layer-address",
        "Who has no address yet must not give one to be remembered.",
        Unanswered(),
        _probe(options=_LINK_LAYER),
    ),
    _odd(
        "probe-to-another-address-than-the-group",
        "A probe goes to the group of the address that it probes.",
        Unanswered(),
        _probe(destination=IPv6Address("ff02::1")),
        _probe(destination=_V6),
    ),
    _odd(
        "probe-with-a-nonce",
        "A host that probes marks its own probes (RFC 7527, as Linux does), and learns that the address is taken.",
        Answered(),
        _probe(options=_NONCE),
        more=Can.PROBES,
    ),
    _odd(
        "solicitation-without-option",
        "A neighbour that knows the VIP's MAC already need not say its own.",
        Answered(),
        replace(_nd(options=b""), unicast=True),
    ),
    _odd(
        "advertisement-is-no-question",
        "Who says that it has the VIP asks for nothing.",
        Unanswered(),
        Announcement(_V6, port=SEGMENT),
    ),
    _odd(
        "arp-of-other-networks",
        "An ARP packet whose addresses are not Ethernet's and IPv4's asks for something else.",
        Unanswered(),
        _arp(hardware=6),
        _arp(protocol=0x86DD),
        _arp(lengths=(8, 4)),
        _arp(lengths=(6, 16)),
    ),
    _odd(
        "arp-of-other-operations",
        "Only a request is a question.",
        Unanswered(),
        *(Question(_V4, operation=operation) for operation in (0, 2, 3, 4, 8, 9, 257)),
    ),
    _odd(
        "arp-by-another-holder",
        "A host that announces the VIP as its own is told whose it is (RFC 5227).",
        Answered(),
        Question(_V4, source=_V4),
        reports=frozenset({Reason.CONFLICT}),
    ),
    *(
        _odd(
            f"ping-with-the-last-hop-v{version}",
            "A ping may arrive with no hop left; its answer has to get back all the way.",
            Answered(),
            Ping(VIPS[version], ttl=1),
            Ping(VIPS[version], ttl=255),
        )
        for version in (4, 6)
    ),
)
