"""Another host says that it has a VIP: the controller is told, whatever becomes of the frame."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from tests.conformance.expect_control import Crosses
from tests.conformance.row import In, Row
from tests.conformance.says import Announcement, AnswerFromAfar, Say
from tests.conformance.scenario import ANNEX, SEGMENT, STRETCH, VIPS, VIRTUAL_MAC, web
from tests.conformance.target import Can, Reason

_WEB = web("b1")
_NOT_OURS = replace(_WEB, owned=False)
_NEEDS = frozenset({Can.RESPOND})
_TOLD = frozenset({Reason.CONFLICT})
_OTHER = "02:45:56:09:00:07"
"""A host that no switch knows."""
_CROSSES = Crosses(SEGMENT, ANNEX)
_BESIDE = Crosses(STRETCH, ANNEX)


def _says(version: int, mac: str = VIRTUAL_MAC, port: str = STRETCH) -> tuple[Say, ...]:
    """All ways to say it to everybody."""
    vip = VIPS[version]
    announced = Announcement(vip, mac=mac, port=port)
    if version == 4:
        return (announced, replace(announced, operation=2))
    return (announced, replace(announced, mac=VIRTUAL_MAC, named=_OTHER), replace(announced, named=""))


def _rows(version: int) -> tuple[Row, ...]:
    vip = VIPS[version]
    other = ip_address("10.0.0.77" if version == 4 else "fd00::77")
    return (
        Row(
            f"another-holder-v{version}",
            "A stranger with a VIP's address takes its clients away: who operates it has to know, from either side.",
            _NOT_OURS,
            (
                *(In(say, _CROSSES, _TOLD) for say in _says(version, mac=_OTHER)),
                *(In(say, _BESIDE, _TOLD) for say in _says(version, mac=_OTHER, port=SEGMENT)),
            ),
            needs=_NEEDS,
        ),
        Row(
            f"another-holder-answers-v{version}",
            "A server that answers for the VIP on its loopback speaks to the one who asked alone.",
            _WEB,
            (In(AnswerFromAfar(vip, mac=_OTHER), _CROSSES, _TOLD),),
            needs=_NEEDS if version == 4 else _NEEDS | {Can.FORWARDS},
        ),
        Row(
            f"the-holder-itself-v{version}",
            "Announcements of the other site's edges name the virtual MAC, and are none of a stranger.",
            _NOT_OURS,
            tuple(In(say, _CROSSES) for say in _says(version) if not getattr(say, "named", None)),
            needs=_NEEDS,
        ),
        Row(
            f"holder-of-another-address-v{version}",
            "Whose other addresses are is not the balancer's affair.",
            _WEB,
            (In(Announcement(other, operation=2, mac=_OTHER), _CROSSES),),
            needs=_NEEDS,
        ),
    )


ROWS = (*_rows(4), *_rows(6))
