"""VLAN tags: VIPs live where untagged frames do. A priority alone (VID 0) is no VLAN; a VLAN is another network."""

from __future__ import annotations

from collections.abc import Iterator

from controller.spec.types import Mode, Protocol
from tests.conformance.expect import Home, Same, To
from tests.conformance.expect_control import Answered, ErrorAt, NotOurs
from tests.conformance.packets import SERVICE_VLAN, Tag
from tests.conformance.row import In, Row
from tests.conformance.says import Connection, Ping, Question
from tests.conformance.scenario import EVERY_MODE, STICKY, TUNNEL_MTU, VIPS, Service, web
from tests.conformance.target import Can

_PRIORITY = Tag(0, 5)
_PRIORITIES = (_PRIORITY, Tag(), Tag(0, 7, SERVICE_VLAN))
_OTHERS = (Tag(100), Tag(4095, 7), Tag(1), Tag(100, 0, SERVICE_VLAN))
_WEB = web("b1")
_LARGE = 2_000
_UDP = [service for service in EVERY_MODE if service.protocol is Protocol.UDP]
_STICKY = [service for service in STICKY if service.protocol is Protocol.TCP and service.mode is Mode.DR]
_TRANSLATED = [service for service in EVERY_MODE if service.mode in (Mode.NAT, Mode.FULLNAT)]
_NONE: frozenset[Can] = frozenset()


def _c(service: Service, port: int = 40_000) -> Connection:
    return Connection("c1", port, service)


def _row(name: str, why: str, *steps: In, needs: frozenset[Can] = _NONE) -> Row:
    return Row(name, why, _WEB, steps, needs=needs)


def _opened(name: str, why: str, c: Connection, *steps: In, needs: frozenset[Can] = _NONE) -> Row:
    """What an untagged connection, which b1 has, sees then."""
    return _row(f"{name}-{c.service}", why, In(c.syn(), To("b1")), *steps, needs=needs)


def _priority(service: Service) -> Row:
    c = _c(service)
    return _row(
        f"priority-tagged-{service}",
        "A host may put a priority on its frames without being in a VLAN; servers get them untagged, as from a bridge.",
        In(c.syn(), To("b1"), tag=_PRIORITY),
        In(c.data(), Same()),
        *(In(c.data(), Same(), tag=tag) for tag in _PRIORITIES),
    )


def _answer(service: Service) -> Row:
    c = _c(service)
    return _opened(
        "priority-tagged-answer",
        "What a server sends with a priority is the VIP's answer like any other.",
        c,
        In(c.answer(), Home(), tag=_PRIORITY),
        In(c.answer(), Home()),
        needs=frozenset({Can.ANSWERS}),
    )


def _fragmented(service: Service) -> Row:
    c = _c(service)
    answers = (
        [In(c.answer(size=_LARGE, fragments="12"), Home(), tag=_PRIORITY)] if service in _TRANSLATED else []
    )
    return _row(
        f"priority-tagged-fragments-{service}",
        "Fragments carry the tag that whole packets carry.",
        In(c.syn(size=_LARGE, fragments="12"), To("b1"), tag=_PRIORITY),
        In(c.data(size=_LARGE, fragments="12"), Same()),
        In(c.data(), Same(), tag=_PRIORITY),
        *answers,
        needs=frozenset({Can.FRAGMENTS, Can.ANSWERS} if answers else {Can.FRAGMENTS}),
    )


def _vlan(service: Service) -> Row:
    c, other = _c(service), _c(service, 40_001)
    return _row(
        f"vlan-{service}",
        "The same addresses in a VLAN are another network's: nothing of it may reach our servers.",
        *(In(other.syn(), NotOurs(), tag=tag) for tag in _OTHERS),
        In(c.syn(), To("b1")),
        *(In(c.data(), NotOurs(), tag=tag) for tag in _OTHERS),
        In(c.data(), Same()),
    )


def _vlan_answer(service: Service) -> Row:
    c = _c(service)
    return _opened(
        "vlan-answer",
        "A host of a VLAN that has a server's address and port does not speak for the VIP.",
        c,
        In(c.answer(), NotOurs(), tag=Tag(100)),
        In(c.answer(), Home()),
        needs=frozenset({Can.ANSWERS}),
    )


def _vlan_fragments(service: Service) -> Row:
    c = _c(service)
    return _opened(
        "vlan-fragments",
        "Fragments of a VLAN must not be taken for those of a connection outside it.",
        c,
        In(c.data(size=_LARGE, fragments="12"), NotOurs(), tag=Tag(100)),
        In(c.data(size=_LARGE, fragments="12"), Same()),
        needs=frozenset({Can.FRAGMENTS}),
    )


def _error(service: Service) -> Row:
    c = _c(service)
    return _opened(
        "tagged-error",
        "A router may send its errors with a priority; those of a VLAN are about other connections.",
        c,
        In(c.error(), NotOurs(), tag=Tag(100)),
        In(c.error(), ErrorAt("b1"), reports=None, tag=_PRIORITY),
        needs=frozenset({Can.ICMP_ERRORS}),
    )


def _questions(version: int) -> Iterator[Row]:
    vip, needs = VIPS[version], frozenset({Can.RESPOND})
    asked = (Question(vip), Question(vip, unicast=True), Ping(vip))
    yield _row(
        f"priority-tagged-questions-v{version}",
        "Hosts that put a priority on their frames have to find the VIP as well.",
        *(In(say, Answered(), tag=tag) for say in asked for tag in _PRIORITIES),
        needs=needs,
    )
    yield _row(
        f"vlan-questions-v{version}",
        "An answer in a VLAN would take the traffic of a host there that has the VIP's address.",
        *(In(say, NotOurs(), tag=tag) for say in asked for tag in _OTHERS),
        needs=needs,
    )


def _tunnelled(version: int) -> Row:
    c = _c(Service(Mode.TUN, version))
    headers = 20 + (20 if version == 4 else 40)
    return _row(
        f"priority-tagged-full-tunnel-v{version}",
        "The tag is no part of the packet that has to fit the tunnel.",
        In(c.syn(), To("b1")),
        In(c.data(size=TUNNEL_MTU - headers), Same(), tag=_PRIORITY),
        needs=frozenset({Can.FRAMES}),
    )


ROWS = (
    *map(_priority, (*EVERY_MODE, *_STICKY)),
    *map(_answer, _TRANSLATED),
    *map(_fragmented, _UDP),
    *map(_vlan, EVERY_MODE),
    *map(_vlan_answer, _TRANSLATED),
    *map(_vlan_fragments, _UDP),
    *map(_error, [service for service in EVERY_MODE if service.protocol is Protocol.TCP]),
    *_questions(4),
    *_questions(6),
    *map(_tunnelled, (4, 6)),
)
