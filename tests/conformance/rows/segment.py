"""The segment: what is for all hosts, or for an unknown one, goes on as a bridge would pass it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from tests.conformance.expect import Lost
from tests.conformance.expect_control import Answered, Crosses, Unanswered
from tests.conformance.row import Change, In, Pass, Row, Until
from tests.conformance.says import Announcement, AnswerFromAfar, Frame, Ping, Question, Say
from tests.conformance.scenario import ANNEX, ANNEX_MAC, SEGMENT, STRETCH, SWITCH_MAC, VIPS, web
from tests.conformance.target import Can

_WEB = web("b1")
_BRIEF = replace(_WEB, authority=1.0)
_NOT_OURS = replace(_WEB, owned=False)
_EXPIRES_WITHIN = 20.0
_GRANTED = 45.0
_QUESTIONS = frozenset({Can.RESPOND})
_BRIDGE = frozenset({Can.FORWARDS})
_EVERYBODY = "ff:ff:ff:ff:ff:ff"
_NOBODY = "02:45:56:09:00:01"
"""A MAC that the switch does not know."""
_AWAY = {4: ip_address("198.51.100.9"), 6: ip_address("fd77::9")}
"""No route leads there."""
_BESIDE = Crosses(STRETCH, ANNEX)


def _passes(name: str, why: str, *steps: tuple[Say, Crosses | Lost]) -> Row:
    return Row(name, why, _WEB, tuple(In(*step) for step in steps), needs=_BRIDGE)


def _crosses(version: int) -> Row:
    vip = VIPS[version]
    return Row(
        f"question-crosses-v{version}",
        "Where another site owns the VIP, its clients here have to find it: the question goes on.",
        _NOT_OURS,
        (
            # Whatever was granted before this row has to run out first.
            Until(In(Question(vip), _BESIDE), _GRANTED),
            In(Question(vip, port=STRETCH), Crosses(SEGMENT, ANNEX)),
            In(Question(vip, unicast=True), _BESIDE),
            In(Ping(vip), Unanswered()),
            Change(_WEB),
            In(Question(vip), Answered()),
        ),
        needs=_QUESTIONS,
    )


def _crosses_when_expired(version: int) -> Row:
    vip = VIPS[version]
    return Row(
        f"question-crosses-when-authority-ran-out-v{version}",
        "A site that is cut off stops to answer, and must not keep its clients from the site that does.",
        _BRIEF,
        (
            In(Question(vip), Answered()),
            Until(In(Question(vip), _BESIDE), _EXPIRES_WITHIN),
            Pass(1),
            In(Question(vip), Answered()),
        ),
        needs=_QUESTIONS,
    )


def _announced(version: int) -> Row:
    vip = VIPS[version]
    says = [Announcement(vip), *([Announcement(vip, operation=2)] if version == 4 else [])]
    return Row(
        f"announcement-of-the-other-site-v{version}",
        "When the VIP has moved away, clients and bridges here learn it from the other site's announcements.",
        _NOT_OURS,
        (
            Until(In(Question(vip), _BESIDE), _GRANTED),
            *(In(say, Crosses(SEGMENT, ANNEX)) for say in says),
        ),
        needs=_QUESTIONS,
    )


def _answered_from_afar(version: int) -> Row:
    return Row(
        f"answer-of-the-other-site-v{version}",
        "The other site's answer is for a host with a route: no hop is counted, or hosts take it for a forgery.",
        _NOT_OURS,
        (In(AnswerFromAfar(VIPS[version]), Crosses(SEGMENT, ANNEX)),),
        needs=_BRIDGE,
    )


def _rows(version: int) -> tuple[Row, ...]:
    away = _AWAY[version]
    other = ip_address("10.0.0.77" if version == 4 else "fd00::77")
    to_all = (_EVERYBODY, "224.0.0.251") if version == 4 else ("33:33:00:00:00:fb", "ff02::fb")
    group = "01:00:5e:00:00:fb" if version == 4 else "33:33:00:00:00:fb"
    return (
        _crosses(version),
        _crosses_when_expired(version),
        _announced(version),
        _answered_from_afar(version),
        _passes(
            f"who-has-another-crosses-v{version}",
            "Hosts of one segment on two ports of the switch find each other.",
            (Question(other), _BESIDE),
            (Question(other, port=ANNEX), Crosses(SEGMENT, STRETCH)),
            (Question(other, port="b1"), Lost()),
        ),
        _passes(
            f"for-everybody-v{version}",
            "Multicast and broadcast reach the whole segment, and neither servers nor, twice, who sent them.",
            (Frame(group, ip_address(to_all[1])), _BESIDE),
            (Frame(to_all[0], ip_address(to_all[1]), port=STRETCH), Crosses(SEGMENT, ANNEX)),
            (Frame(group, ip_address(to_all[1]), port="b1"), Lost()),
        ),
        _passes(
            f"unknown-host-v{version}",
            "A host that the switch does not know is found as behind any bridge; but fabrics have loops.",
            (Frame(_NOBODY, away), _BESIDE),
            (Frame(_NOBODY, away, port=ANNEX), Crosses(SEGMENT, STRETCH)),
            (Frame(_NOBODY, away, port="b1"), Lost()),
            (Frame(SWITCH_MAC, away), Lost()),
        ),
        _passes(
            f"known-host-v{version}",
            "What is for a host whose MAC is known goes to it alone, and not back to where it came from.",
            (Frame(ANNEX_MAC, away), Crosses(ANNEX)),
            (Frame(ANNEX_MAC, away, port=STRETCH), Crosses(ANNEX)),
            (Frame(ANNEX_MAC, away, port=ANNEX), Lost()),
        ),
    )


ROWS = (
    *_rows(4),
    *_rows(6),
    _passes(
        "neither-ip-nor-arp",
        "A bridge does not ask what is in a frame.",
        (Frame(_EVERYBODY), _BESIDE),
        (Frame(_NOBODY), _BESIDE),
        (Frame(ANNEX_MAC), Crosses(ANNEX)),
        (Frame(_NOBODY, port="b1"), Lost()),
    ),
    _passes(
        "bridges-among-themselves",
        "Spanning tree, pause and link discovery are for the next bridge, and no bridge passes them on.",
        (Frame("01:80:c2:00:00:00"), Lost()),
        (Frame("01:80:c2:00:00:0e"), Lost()),
        (Frame("01:80:c2:00:00:10"), _BESIDE),
    ),
)
