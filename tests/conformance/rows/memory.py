"""Memory: what a switch remembers of a connection, how long, and what it tells the controller: exceptions and pins."""

from __future__ import annotations

from random import Random

from controller.spec.types import Mode, Protocol
from tests.conformance.expect import Same, To
from tests.conformance.row import Change, Do, Forget, Hear, In, Judge, Miss, Pass, Row, Step
from tests.conformance.says import Connection, connections, going_on, opening
from tests.conformance.scenario import DR, EVERY_MODE, STICKY, Service, pool, server, web
from tests.conformance.target import Can, Reason

EXCEPTION, STALE = frozenset({Reason.EXCEPTION}), frozenset({Reason.PIN_STALE})
SEEN = frozenset({Reason.PIN_SEEN})
_STANDBY = server("b1", group=1)
_TCP = [service for service in EVERY_MODE if service.protocol is Protocol.TCP]
_UDP = [service for service in EVERY_MODE if service.protocol is Protocol.UDP]


def _c(service: Service, port: int = 40_000) -> Connection:
    return Connection("c1", port, service)


def _both(**policies: float) -> Change:
    """b2 takes every slot; b1 lives on."""
    return Change(pool(_STANDBY, "b2", **policies))  # type: ignore[arg-type]


def _moved_away() -> tuple[Step, ...]:
    """b2 takes every slot, and no slot moves any more."""
    return _both(transition=10.0), Pass(10)


def _known_to_b1(c: Connection) -> tuple[Step, ...]:
    """Two packets, so that no switch takes the connection for one that only began."""
    return In(c.syn(), To("b1")), In(c.data(), To("b1"))


def _pinned_to_b1(c: Connection) -> tuple[Step, ...]:
    """A connection of b1 becomes an exception, is reported, and has its pin."""
    return *_known_to_b1(c), *_moved_away(), In(c.data(), To("b1"), reports=EXCEPTION), Hear(pins=1)


def _unknown_remembered(service: Service) -> Row:
    c = _c(service)
    return Row(
        f"first-seen-midway-{service}",
        "A connection that another switch has lost is remembered from whatever packet comes first.",
        web(_STANDBY),
        (
            In(c.data(), To("b1")),
            *_moved_away(),
            In(c.data(), To("b1"), reports=EXCEPTION),
            In(c.data(), To("b1"), reports=EXCEPTION),
        ),
    )


def _half_closed() -> Row:
    c = _c(DR)
    return Row(
        "half-closed",
        "A client that has closed its side still acknowledges what it gets, to the same server.",
        web(_STANDBY),
        (
            *_known_to_b1(c),
            In(c.fin(), To("b1")),
            *_moved_away(),
            In(c.data(), To("b1"), reports=EXCEPTION),
        ),
    )


def _separate() -> Row:
    tcp, udp, six = (_c(Service(DR.mode, *rest)) for rest in ((4, Protocol.TCP), (4, Protocol.UDP), (6,)))
    return Row(
        "each-tuple-its-own",
        "The same ports by another protocol or family are another connection.",
        web(_STANDBY),
        (
            In(tcp.syn(), To("b1")),
            *_moved_away(),
            In(udp.data(), To("b2")),
            In(six.syn(), To("b2")),
            In(Connection("c2", 40_000, DR).syn(), To("b2")),
            In(_c(DR, 40_001).syn(), To("b2")),
            In(tcp.data(), To("b1"), reports=EXCEPTION),
        ),
    )


def _many() -> Row:
    # Ports at random: those in a row do not share places.
    ports = Random(1).sample(range(1024, 65_536), 1000)
    old, new = (
        [tuple(Connection(client, port, DR) for port in ports[at : at + 100]) for at in range(0, 1000, 100)]
        for client in ("c1", "far")
    )
    return Row(
        "connections-of-their-own",
        "Of many connections some share a place in memory, and must not be taken for each other.",
        web(_STANDBY),
        (
            *(In(send(some), To("b1")) for some in old for send in (opening, going_on)),
            *_moved_away(),
            *(In(opening(some), To("b2")) for some in new),
        ),
    )


def _outlives(service: Service) -> Row:
    c = _c(service)
    return Row(
        f"remembered-while-it-speaks-{service}",
        "A connection that speaks now and then is always remembered, whichever way its packets pass.",
        web(_STANDBY),
        (
            *_known_to_b1(c),
            _both(),
            Pass(600),
            In(c.data(), To("b1"), reports=EXCEPTION),
            Pass(600),
            In(c.data(), To("b1"), reports=None),
            Pass(600),
            In(c.data(), To("b1"), reports=None),
            Pass(899),
            In(c.data(), To("b1"), reports=None),
        ),
        needs=frozenset({Can.MEMORY_CLOCK}),
    )


def _forgotten(service: Service) -> Row:
    c = _c(service)
    return Row(
        f"forgotten-when-silent-{service}",
        "What is silent for more than two memory timeouts is forgotten, or memory would never end.",
        web(_STANDBY),
        (
            *_known_to_b1(c),
            _both(),
            Pass(1_801),
            In(c.data(), To("b2")),
        ),
        needs=frozenset({Can.MEMORY_CLOCK}),
    )


def _pinned(service: Service) -> Row:
    c = _c(service)
    return Row(
        f"pinned-{service}",
        "What was reported is pinned, and then stays where it is without the switch's memory, and is reported no more.",
        web(_STANDBY),
        (
            *_pinned_to_b1(c),
            In(c.data(), To("b1")),
            Forget(),
            In(c.data(), To("b1")),
            In(_c(service, 40_001).data(), To("b2")),
        ),
        needs=_pins_of(service),
    )


def _pins_of(service: Service) -> frozenset[Can]:
    return frozenset({Can.FULLNAT_PINS} if service.mode is Mode.FULLNAT else ())


def _again_and_again() -> Row:
    c = _c(DR)
    return Row(
        "reported-until-pinned",
        "A report may get lost, so it comes again with every packet until the pin is there.",
        web(_STANDBY),
        (
            In(c.syn(), To("b1")),
            _both(),
            *(In(c.data(), To("b1"), reports=EXCEPTION) for _ in range(3)),
            Hear(pins=1),
            In(c.data(), To("b1")),
        ),
    )


def _only_moved() -> Row:
    old, new = _c(DR), _c(DR, 40_001)
    return Row(
        "exceptions-only",
        "Connections that are where their slot says are not reported.",
        web(_STANDBY),
        (
            In(old.syn(), To("b1")),
            In(old.data(), To("b1")),
            *_moved_away(),
            In(new.syn(), To("b2")),
            In(new.data(), To("b2")),
            In(new.data(), To("b2")),
            In(old.data(), To("b1"), reports=EXCEPTION),
            Hear(pins=1),
        ),
    )


def _pinned_many(service: Service) -> Row:
    some = connections(32, service)
    return Row(
        f"pinned-many-{service}",
        "Pins are for single connections: each keeps its own server over a change and the loss of memory.",
        web("b1", "b2", "b3"),
        (
            In(opening(some), To("b1", "b2", "b3")),
            In(going_on(some), Same()),
            Change(pool("b4", "b5", transition=10.0)),
            In(going_on(some), Same(), reports=EXCEPTION),
            Hear(pins=32),
            Pass(10),
            In(going_on(some), Same(), reports=None),
            Forget(),
            In(going_on(some), Same()),
        ),
    )


def _port_again(service: Service) -> Row:
    c = _c(service)
    return Row(
        f"pinned-port-used-again-{service}",
        "A new connection with the ports of a pinned one is new, at once and once the controller has heard of it.",
        web(_STANDBY),
        (
            *_pinned_to_b1(c),
            Forget(),
            In(c.syn(), To("b2"), reports=STALE),
            In(c.data(), To("b2"), reports=STALE),
            Hear(pins=0),
            In(c.data(), To("b2")),
        ),
        needs=_pins_of(service),
    )


def _pinned_again(service: Service) -> Row:
    c = _c(service)
    third = server("b3", group=-1)
    return Row(
        f"pinned-again-{service}",
        "Nothing hides the pin of the new connection: it is reported until that is there, and then no more.",
        web(_STANDBY),
        (
            *_pinned_to_b1(c),
            Forget(),
            # The new connection is b2's, and becomes an exception while the controller has not heard of it.
            In(c.syn(), To("b2"), reports=STALE),
            In(c.data(), To("b2"), reports=STALE),
            Change(pool(_STANDBY, "b2", third, transition=10.0)),
            Pass(10),
            In(c.data(), To("b2"), reports=None),
            In(c.syn(), To("b2"), reports=None),
            In(c.data(), To("b2"), reports=None),
            Hear(pins=1),
            In(c.data(), To("b2")),
            In(c.data(), To("b2")),
            # The same once more, without a change of servers between.
            Forget(),
            In(c.data(), To("b2")),
            In(c.syn(), To("b3"), reports=STALE),
            Hear(pins=0),
            In(c.data(), To("b3")),
        ),
        needs=_pins_of(service),
    )


def _unheard_retraction() -> Row:
    c = _c(DR)
    third = server("b3", group=-1)
    return Row(
        "retraction-unheard",
        "A controller that missed the SYN and hears only of the exception gives the new connection a pin of its own.",
        web(_STANDBY),
        (
            *_pinned_to_b1(c),
            Forget(),
            In(c.syn(), To("b2"), reports=STALE),
            Miss(),
            Change(pool(_STANDBY, "b2", third, transition=10.0)),
            Pass(10),
            In(c.data(), To("b2"), reports=None),
            Miss(Reason.PIN_STALE),
            Hear(pins=1),
            In(c.data(), To("b2")),
            Forget(),
            In(c.data(), To("b2")),
        ),
    )


def _pin_of_source(service: Service) -> Row:
    c = _c(service)
    return Row(
        f"pinned-source-{service}",
        "With affinity the whole source is pinned: its new connections go there too.",
        web(_STANDBY),
        (
            *_pinned_to_b1(c),
            Forget(),
            In(_c(service, 40_001).syn(), To("b1")),
            In(c.data(), To("b1")),
            In(Connection("c2", 40_000, service).syn(), To("b2")),
        ),
        needs=_pins_of(service),
    )


def _pin_seen() -> Row:
    c = _c(DR)
    return Row(
        "pin-of-a-sibling",
        "A switch that sees a connection pinned by another one says so, and keeps the pin alive from then on.",
        web(_STANDBY),
        (
            In(c.syn(), To("b1")),
            *_moved_away(),
            In(c.data(), To("b1"), reports=EXCEPTION),
            Hear(pins=1),
            Forget(),
            Do(lambda plant: plant.hand_pins_to("lb2"), "another switch has the idle timer"),
            In(c.data(), To("b1"), reports=SEEN),
            Hear(pins=1),
            In(c.data(), To("b1")),
        ),
        needs=frozenset({Can.PINS_SEEN}),
    )


def _pin_drains() -> Row:
    c = _c(DR)
    return Row(
        "pin-to-a-draining-server",
        "A pin keeps its connection while the server drains; it opens no new one there.",
        web("b1", transition=10.0),
        (
            *_known_to_b1(c),
            Change(pool(server("b1", drain=True), "b2", transition=10.0)),
            Pass(10),
            In(c.data(), To("b1"), reports=EXCEPTION),
            Hear(pins=1),
            Forget(),
            In(c.data(), To("b1")),
            In(c.syn(), To("b2"), reports=STALE),
        ),
    )


def _pin_dies() -> Row:
    c = _c(DR)
    return Row(
        "pin-to-a-dead-server",
        "Pins follow the fate of their server: kept, and then over.",
        web(_STANDBY, transition=10.0),
        (
            *_pinned_to_b1(c),
            Judge(down=("b1",)),
            Pass(9),
            In(c.data(), To("b1")),
            Pass(1),
            In(c.data(), To("b2")),
            In(c.data(), To("b2")),
        ),
    )


ROWS = (
    *map(_unknown_remembered, EVERY_MODE),
    _half_closed(),
    _separate(),
    _many(),
    *map(_outlives, _UDP),
    *map(_forgotten, _TCP),
    *map(_pinned, _UDP),
    _again_and_again(),
    _only_moved(),
    *map(_pinned_many, [s for s in EVERY_MODE if s.mode is not Mode.FULLNAT]),
    *map(_port_again, _TCP),
    *map(_pinned_again, _TCP),
    _unheard_retraction(),
    *map(_pin_of_source, STICKY),
    _pin_seen(),
    _pin_drains(),
    _pin_dies(),
)
