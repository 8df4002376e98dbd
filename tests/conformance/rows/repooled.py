"""Remembered backends that a listener's plan does not know: a plan without its history, which a planner avoids."""

from __future__ import annotations

from dataclasses import replace

from controller.spec.types import Backend, Mode, Pool, Protocol
from tests.conformance.expect import To
from tests.conformance.expect_control import ErrorAt
from tests.conformance.row import Change, Hear, In, Pass, Row
from tests.conformance.says import Connection
from tests.conformance.scenario import EVERY_MODE, STICKY, Service, Setup, pool, server
from tests.conformance.target import Can, Reason

EXCEPTION, STALE = frozenset({Reason.EXCEPTION}), frozenset({Reason.PIN_STALE})
_TCP = [service for service in EVERY_MODE if service.protocol is Protocol.TCP]
_LARGE = 2000
"""Octets of payload that do not fit one frame."""


def _web(*backends: str | Backend) -> Pool:
    return pool(*backends, transition=10.0)


def _other(*backends: str | Backend) -> Pool:
    return pool(*backends, name="other", transition=10.0)


def _setup(service: Service, web: Pool, other: Pool) -> Setup:
    """Both pools are on the switch throughout, each with a listener of its own besides the one that changes."""
    beside = (replace(service, number=number, pool=name) for number, name in ((1, "web"), (2, "other")))
    return Setup((web, other), (service, *beside))


def _moved(service: Service) -> Service:
    return replace(service, pool="other")


_B1, _B2 = server("b1", group=1), server("b2", group=1)


def _repooled(service: Service) -> Row:
    old, silent = Connection("c1", 40_000, service), Connection("c1", 40_001, service)
    here, there = Connection("c1", 40_002, service), replace(service, number=1)
    return Row(
        f"repooled-{service}",
        "A listener given another pool drops nothing: what its switch remembers of the former one counts for nothing.",
        _setup(service, _web("b1"), _other(_B2)),
        (
            In((old.syn(), silent.syn()), To("b1")),
            In(old.data(), To("b1")),
            In(Connection("c1", 40_000, there).syn(), To("b1")),
            Change(_setup(_moved(service), _web("b1"), _other(_B2)), abrupt=True),
            In(old.data(), To("b2")),
            In(old.data(), To("b2")),
            In(silent.syn(), To("b2")),
            In(silent.data(), To("b2")),
            In(here.syn(), To("b2")),
            In(Connection("c1", 40_000, there).data(), To("b1")),
            # What was decided is remembered in place of what was not known.
            Change(_setup(_moved(service), _web("b1"), _other(_B2, "b3")), abrupt=True),
            Pass(10),
            In((old.data(), silent.data()), To("b2"), reports=EXCEPTION),
        ),
    )


def _repooled_source(service: Service) -> Row:
    old, other = Connection("c1", 40_000, service), Connection("c1", 40_001, service)
    return Row(
        f"repooled-{service}",
        "With affinity the whole source is decided again, and stays together.",
        _setup(service, _web("b1"), _other("b2")),
        (
            In(old.syn(), To("b1")),
            In(old.data(), To("b1")),
            Change(_setup(_moved(service), _web("b1"), _other("b2")), abrupt=True),
            In(old.data(), To("b2")),
            In(other.syn(), To("b2")),
            In(other.data(), To("b2")),
        ),
    )


def _in_window(service: Service) -> Row:
    old, again = Connection("c1", 40_000, service), Connection("c1", 40_001, service)
    return Row(
        f"repooled-in-window-{service}",
        "What is forgotten is unknown: on a slot that moves a SYN is new, and the rest belongs to the former backend.",
        _setup(service, _web("b1"), _other(_B2)),
        (
            In((old.syn(), again.syn()), To("b1")),
            In((old.data(), again.data()), To("b1")),
            Change(_setup(_moved(service), _web("b1"), _other(_B2, "b3")), abrupt=True),
            In(old.data(), To("b2")),
            In(old.data(), To("b2"), reports=EXCEPTION),
            In(again.syn(), To("b3")),
            In(again.data(), To("b3"), reports=None),
            Pass(10),
            In(old.data(), To("b2"), reports=EXCEPTION),
            In(again.data(), To("b3")),
        ),
    )


def _in_window_udp(service: Service) -> Row:
    old = Connection("c1", 40_000, service)
    return Row(
        f"repooled-in-window-{service}",
        "Datagrams have no SYN: what is forgotten belongs to the slot's former backend.",
        _setup(service, _web("b1"), _other(_B2)),
        (
            In(old.syn(), To("b1")),
            In(old.data(), To("b1")),
            Change(_setup(_moved(service), _web("b1"), _other(_B2, "b3")), abrupt=True),
            In(old.data(), To("b2")),
            In(old.data(), To("b2"), reports=EXCEPTION),
        ),
    )


def _pinned(service: Service) -> Row:
    old = Connection("c1", 40_000, service)
    return Row(
        f"repooled-pinned-{service}",
        "A pin to a backend that the listener no longer has pins nothing; its end may still be on the way.",
        _setup(service, _web(_B1), _other("b2")),
        (
            In(old.syn(), To("b1")),
            In(old.data(), To("b1")),
            Change(_setup(service, _web(_B1, "b3"), _other("b2"))),
            Pass(10),
            In(old.data(), To("b1"), reports=EXCEPTION),
            Hear(pins=1),
            In(old.data(), To("b1")),
            Change(_setup(_moved(service), _web(_B1, "b3"), _other("b2")), abrupt=True),
            In(old.data(), To("b2")),
            In(old.data(), To("b2")),
        ),
        needs=frozenset({Can.FULLNAT_PINS} if service.mode is Mode.FULLNAT else ()),
    )


def _error(service: Service) -> Row:
    old = Connection("c1", 40_000, service)
    return Row(
        f"repooled-error-{service}",
        "An error about a connection of the former pool goes where its next packet will go.",
        _setup(service, _web("b1"), _other("b2")),
        (
            In(old.syn(), To("b1")),
            In(old.data(), To("b1")),
            Change(_setup(_moved(service), _web("b1"), _other("b2")), abrupt=True),
            In(old.error(), ErrorAt("b2"), reports=None),
        ),
        needs=frozenset({Can.ICMP_ERRORS}),
    )


def _fragments(service: Service) -> Row:
    old = Connection("c1", 40_000, service)
    return Row(
        f"repooled-fragments-{service}",
        "Fragments follow the same rule as whole packets.",
        _setup(service, _web("b1"), _other("b2")),
        (
            In(old.syn(), To("b1")),
            In(old.data(), To("b1")),
            Change(_setup(_moved(service), _web("b1"), _other("b2")), abrupt=True),
            In(old.data(size=_LARGE, fragments="12"), To("b2")),
            In(old.data(size=_LARGE, fragments="12"), To("b2")),
            In(old.data(), To("b2")),
        ),
        needs=frozenset({Can.FRAGMENTS}),
    )


ROWS = (
    *map(_repooled, EVERY_MODE),
    *map(_repooled_source, STICKY),
    *map(_in_window, _TCP),
    *map(_in_window_udp, [s for s in EVERY_MODE if s.protocol is Protocol.UDP]),
    *map(_pinned, EVERY_MODE),
    *map(_error, [s for s in EVERY_MODE if s.mode in (Mode.DR, Mode.TUN)]),
    *map(_fragments, [s for s in EVERY_MODE if s.protocol is Protocol.UDP]),
)
