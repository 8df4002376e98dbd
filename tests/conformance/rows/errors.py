"""ICMP errors at the server of their connection and at its client, and packets too big for the tunnel."""

from __future__ import annotations

from controller.spec.types import Mode, Protocol
from tests.conformance.expect import Lost, Refused, To
from tests.conformance.expect_control import ErrorAt, ToldTooBig
from tests.conformance.row import Change, Forget, Hear, In, Pass, Row
from tests.conformance.says import Connection
from tests.conformance.scenario import DR, EVERY_MODE, TUNNEL_MTU, Service, pool, server, web
from tests.conformance.server_errors import ErrorHome, ServerError
from tests.conformance.target import Can, Reason

_NEEDS = frozenset({Can.ICMP_ERRORS})
_BACK = frozenset({Can.ANSWERS, Can.SERVER_ERRORS})
_STANDBY = server("b1", group=1)
_EXCEPTION = frozenset({Reason.EXCEPTION})
_TUNNELLED = [service for service in EVERY_MODE if service.mode is Mode.TUN]
_TRANSLATED = [service for service in EVERY_MODE if service.mode in (Mode.NAT, Mode.FULLNAT)]


def _c(service: Service) -> Connection:
    return Connection("c1", 40_000, service)


def _of_known(service: Service) -> Row:
    c = _c(service)
    return Row(
        f"error-of-a-connection-{service}",
        "A server that is not told that its packets are too big sends them again and again: the connection hangs.",
        web("b1"),
        (
            In(c.syn(), To("b1")),
            In(c.data(), To("b1")),
            In(c.error(), ErrorAt("b1"), reports=None),
            In(c.data(), To("b1")),
        ),
        needs=_NEEDS,
    )


def _of_moved(service: Service) -> Row:
    c = _c(service)
    return Row(
        f"error-of-an-exception-{service}",
        "An error goes where its connection is, not where its slot would send it.",
        web(_STANDBY),
        (
            In(c.syn(), To("b1")),
            In(c.data(), To("b1")),
            Change(pool(_STANDBY, "b2", transition=10.0)),
            Pass(10),
            In(c.error(), ErrorAt("b1"), reports=None),
        ),
        needs=_NEEDS,
    )


def _of_unknown(service: Service) -> Row:
    c = _c(service)
    return Row(
        f"error-unknown-{service}",
        "Where no switch remembers the connection, the table's server is the best guess.",
        web("b2"),
        (In(c.error(), ErrorAt("b2"), reports=None),),
        needs=_NEEDS,
    )


def _of_pinned(service: Service) -> Row:
    c = _c(service)
    return Row(
        f"error-of-a-pin-{service}",
        "An error about a pinned connection goes to the pin's server, also on a switch that has never seen it.",
        web(_STANDBY),
        (
            In(c.syn(), To("b1")),
            In(c.data(), To("b1")),
            Change(pool(_STANDBY, "b2", transition=10.0)),
            Pass(10),
            In(c.data(), To("b1"), reports=_EXCEPTION),
            Hear(pins=1),
            Forget(),
            In(c.error(), ErrorAt("b1"), reports=None),
        ),
        needs=_NEEDS,
    )


def _in_window(service: Service) -> Row:
    old, new = _c(service), Connection("c1", 40_001, service)
    return Row(
        f"error-in-window-{service}",
        "While a slot moves old connections and new ones have different servers, and so have errors about them.",
        web(_STANDBY),
        (
            In(old.syn(), To("b1")),
            In(old.data(), To("b1")),
            Change(pool(_STANDBY, "b2")),
            In(new.syn(), To("b2")),
            In(old.error(), ErrorAt("b1"), reports=None),
            In(new.error(), ErrorAt("b2"), reports=None),
            In(new.data(), To("b2")),
        ),
        needs=_NEEDS,
    )


def _unknown_in_window(service: Service) -> Row:
    old = _c(service)
    return Row(
        f"error-unknown-in-window-{service}",
        "No switch remembers an idle connection; while its slot moves it belongs to the server that had the slot.",
        web(_STANDBY),
        (
            Change(pool(_STANDBY, "b2")),
            In(old.error(), ErrorAt("b1"), reports=None),
            Pass(120),
            In(old.error(), ErrorAt("b2"), reports=None),
        ),
        needs=_NEEDS,
    )


def _of_server(service: Service, by: str) -> Row:
    c = _c(service)
    return Row(
        f"error-by-{by}-{service}",
        "The client knows the VIP alone: of an error about its packet to the server it would know nothing.",
        web("b1"),
        (
            In(c.syn(), To("b1")),
            In(ServerError(c, by), ErrorHome()),
            In(c.data(), To("b1")),
            In(ServerError(c, by), ErrorHome()),
        ),
        needs=_BACK,
    )


def _of_other_port() -> Row:
    c = _c(next(s for s in _TRANSLATED if s.mode is Mode.FULLNAT))
    return Row(
        "error-by-server-about-nobody",
        "An error about a local port that no connection has concerns no client.",
        web("b1"),
        (In(c.syn(), To("b1")), In(ServerError(c, of_port=1), Lost())),
        needs=_BACK,
    )


def _to_nobody() -> Row:
    c = Connection("c1", 40_000, DR)
    other = Connection("c1", 40_000, Service(Mode.DR, number=7))
    return Row(
        "error-to-nobody",
        "An error about a port that no listener has concerns no server.",
        web("b1"),
        (In(c.syn(), To("b1")), In(other.error(), Refused(), reports=None)),
        needs=_NEEDS,
    )


def _headers(service: Service) -> int:
    return (20 if service.version == 4 else 40) + (20 if service.protocol == "tcp" else 8)


def _too_big(service: Service) -> Row:
    c = _c(service)
    fits = TUNNEL_MTU - _headers(service)
    return Row(
        f"too-big-{service}",
        "A packet that does not fit the tunnel is answered with the size that does, or the client never learns it.",
        web("b1"),
        (
            In(c.syn(), To("b1")),
            In(c.data(size=fits), To("b1")),
            In(c.data(size=1_495 - _headers(service)), ToldTooBig(), reports=None),
            In(c.data(size=fits), To("b1")),
        ),
        needs=frozenset({Can.CONTROLLER, Can.FRAMES}),
    )


ROWS = (
    *map(_of_known, EVERY_MODE),
    *map(_of_moved, EVERY_MODE),
    *map(_of_unknown, [s for s in EVERY_MODE if s.mode is not Mode.FULLNAT]),
    *map(_of_pinned, [s for s in EVERY_MODE if s.mode is not Mode.FULLNAT]),
    *map(_in_window, [s for s in EVERY_MODE if s.protocol is Protocol.TCP]),
    *map(
        _unknown_in_window,
        [s for s in EVERY_MODE if s.protocol is Protocol.UDP and s.mode is not Mode.FULLNAT],
    ),
    *(_of_server(service, by) for service in _TRANSLATED for by in ("server", "router")),
    _of_other_port(),
    _to_nobody(),
    *map(_too_big, _TUNNELLED),
)
