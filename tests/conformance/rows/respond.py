"""Answers for a VIP: ARP, neighbour discovery and ping, with authority, without, and when it runs out."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from tests.conformance.expect import To
from tests.conformance.expect_control import Answered, Unanswered
from tests.conformance.row import Change, In, Pass, Row, Until
from tests.conformance.says import Connection, Ping, Question, Say
from tests.conformance.scenario import DR, LOCAL, SWITCH_MAC, VIPS, web
from tests.conformance.target import Can

_NEEDS = frozenset({Can.RESPOND})
_WEB = web("b1")
_BRIEF = replace(_WEB, authority=1.0)
_NOT_OURS = replace(_WEB, owned=False)
_EXPIRES_WITHIN = 20.0
_GRANTED = 45.0
_LOCAL_PLACE = 4
"""Of an address in the local range that every kind of switch has, with fullnat listeners of each kind."""


def _answered(name: str, why: str, *says: Say, needs: frozenset[Can] = _NEEDS) -> Row:
    return Row(name, why, _WEB, tuple(In(say, Answered()) for say in says), needs=needs)


def _unanswered(name: str, why: str, *says: Say) -> Row:
    return Row(name, why, _WEB, tuple(In(say, Unanswered()) for say in says), needs=_NEEDS)


def _without(version: int) -> Row:
    vip = VIPS[version]
    return Row(
        f"not-the-owner-v{version}",
        "Two sites that answer for one address would tear its connections apart: only the owner does, while it is.",
        _NOT_OURS,
        (
            # Whatever was granted before this row has to run out first.
            Until(In(Question(vip), Unanswered()), _GRANTED),
            In(Ping(vip), Unanswered()),
            Change(_BRIEF),
            In(Question(vip), Answered()),
            In(Ping(vip), Answered()),
            Change(_NOT_OURS),
            Until(In(Question(vip), Unanswered()), _EXPIRES_WITHIN),
            In(Ping(vip), Unanswered()),
        ),
        needs=_NEEDS,
    )


def _expires(version: int) -> Row:
    vip = VIPS[version]
    return Row(
        f"authority-runs-out-v{version}",
        "A switch that is not renewed stops answering by itself, goes on with what is sent to it, and begins again.",
        _BRIEF,
        (
            In(Question(vip), Answered()),
            Until(In(Question(vip), Unanswered()), _EXPIRES_WITHIN),
            Until(In(Ping(vip), Unanswered()), _EXPIRES_WITHIN),
            In(Connection("c1", 40_000, replace(DR, version=version)).syn(), To("b1")),
            Pass(1),
            In(Question(vip), Answered()),
            In(Ping(vip), Answered()),
        ),
        needs=_NEEDS,
    )


def _rows(version: int) -> tuple[Row, ...]:
    vip = VIPS[version]
    other = ip_address("10.0.0.77" if version == 4 else "fd00::77")
    return (
        _answered(
            f"who-has-v{version}",
            "Routers and hosts find the VIP at its virtual MAC, which is the same at whatever site.",
            Question(vip),
            Question(vip, client="c2"),
        ),
        _answered(
            f"who-has-unicast-v{version}",
            "A neighbour that checks whether the VIP is still there asks it alone.",
            Question(vip, unicast=True),
        ),
        _answered(
            f"who-has-probe-v{version}",
            "A host that wants to take the address itself has to learn that it is taken.",
            Question(vip, unspecified=True),
            needs=_NEEDS | {Can.PROBES} if version == 6 else _NEEDS,
        ),
        _unanswered(
            f"who-has-another-v{version}",
            "An answer for another host's address would take that host's traffic.",
            Question(other),
        ),
        _answered(
            f"ping-v{version}",
            "Operators ping a VIP to see that it is there; what they sent comes back.",
            Ping(vip),
            Ping(vip, client="far"),
            Ping(vip, size=1_400),
            Ping(vip, size=9),
        ),
        Row(
            f"local-address-v{version}",
            "Servers of fullnat answer to an address of the switch: it has it itself, at whatever site the VIP is.",
            _NOT_OURS,
            (
                In(Question(LOCAL[version][_LOCAL_PLACE], client="c2"), Answered(SWITCH_MAC)),
                In(Question(LOCAL[version][_LOCAL_PLACE], unicast=True), Answered(SWITCH_MAC)),
            ),
            needs=_NEEDS,
        ),
        _without(version),
        _expires(version),
    )


ROWS = (
    *_rows(4),
    *_rows(6),
    _unanswered(
        "announcement-v4",
        "An answer that was not asked for is no question.",
        Question(VIPS[4], operation=2),
    ),
    Row(
        "ping-with-an-empty-pool",
        "The VIP answers pings whether or not a backend serves: a router that checks it must not flap.",
        web(),
        (In(Ping(VIPS[4]), Answered()), In(Ping(VIPS[6]), Answered())),
        needs=_NEEDS,
    ),
)
