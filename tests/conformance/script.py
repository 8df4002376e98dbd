"""Random lives of a small fabric, for the fuzzer: intents, packets and changes as data that hypothesis can shrink."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_network

from hypothesis import strategies as st

from controller.spec.access import OPEN
from controller.spec.policy import OnDown, Then
from controller.spec.types import Access, Backend, Mode, Pool, Protocol
from tests.conformance.says import Connection, FromClient
from tests.conformance.scenario import CLIENTS, SERVERS, Service, Setup, pool, server

_POOLS = ("web", "other")
_PORTS = 6
_CLIENTS = tuple(name for name in CLIENTS if name != "prober")


def _lists(everyone: str, front: str, version: int) -> tuple[Access, ...]:
    """Lists that are empty, block one, block all but one, and that nest."""
    all_, near = ip_network(everyone), ip_network(front)
    c1, far = (ip_network(CLIENTS[name].addresses[version]) for name in ("c1", "far"))
    return (
        OPEN,
        Access((), (c1,)),
        Access((far,), (all_,)),
        Access((near,), (all_, c1)),
        Access((c1,), (near,)),
    )


_LISTS = {4: _lists("0.0.0.0/0", "10.0.0.0/24", 4), 6: _lists("::/0", "fd00::/64", 6)}


@dataclass(frozen=True)
class Packets:
    """Packets of different connections, all on their way at once."""

    packets: tuple[FromClient, ...]


@dataclass(frozen=True)
class Verdict:
    """A server is judged up or down."""

    server: str
    up: bool


@dataclass(frozen=True)
class Backends:
    """A pool has other backends, weights, groups and drains."""

    pool: str
    backends: tuple[Backend, ...]


@dataclass(frozen=True)
class Repool:
    """A listener is given a pool."""

    number: int
    """Of its service."""
    pool: str


@dataclass(frozen=True)
class Relist:
    """A listener is given an access list."""

    number: int
    """Of its service."""
    access: Access


@dataclass(frozen=True)
class Time:
    """Time passes for the plan."""

    seconds: float


@dataclass(frozen=True)
class Pins:
    """The controller hears of what was reported."""


@dataclass(frozen=True)
class Amnesia:
    """The switch forgets its connections."""


Event = Packets | Verdict | Backends | Repool | Relist | Time | Pins | Amnesia


@dataclass(frozen=True)
class Script:
    """One case."""

    setup: Setup
    events: tuple[Event, ...]


def scripts(turning: bool, affine: bool = True) -> st.SearchStrategy[Script]:
    """Cases; ``turning``: time may pass by more than a generation of memory, and connections may end.

    A switch that watches for a FIN or an RST forgets earlier than the oracle, which does not. ``affine``: clients of
    fullnat may have affinity.
    """
    return _scripts(turning, affine)


@st.composite
def _scripts(draw: st.DrawFn, turning: bool, affine: bool) -> Script:
    services = draw(st.lists(_services(affine), min_size=1, max_size=4, unique_by=lambda each: each.number))
    pools = tuple(draw(_pools(name)) for name in _POOLS)
    # No few of them make the 20 s after which a P4 switch forgets a first packet: ticks are not so exact.
    seconds = (1.0, 12.0, 29.0, 61.0, 130.0, *((301.0, 700.0) if turning else ()))
    # Kinds of switches keep affinity by pool, or by listener.
    plain = [each.number for each in services if not each.sticky]
    repooled = [st.builds(Repool, st.sampled_from(plain), st.sampled_from(_POOLS))] if plain else []
    packets = _packets(services, ("syn", "data", "data", *(("fin", "rst") if turning else ())))
    events = st.lists(
        st.one_of(
            packets,
            packets,
            st.builds(Verdict, st.sampled_from(SERVERS), st.booleans()),
            st.builds(Backends, st.sampled_from(_POOLS), _backends()),
            *repooled,
            st.sampled_from(services).flatmap(_relists),
            st.builds(Time, st.sampled_from(seconds)),
            st.builds(Pins),
            st.builds(Amnesia),
        ),
        min_size=1,
        max_size=8,
    )
    # Something to remember at the beginning, and to look at in the end.
    return Script(Setup(pools, tuple(services)), (draw(packets), *draw(events), draw(packets)))


def _services(affine: bool) -> st.SearchStrategy[Service]:
    # With numbers of their own no two take one port, whatever else they have in common.
    drawn = st.builds(
        Service,
        st.sampled_from(Mode),
        st.sampled_from((4, 6)),
        st.sampled_from(Protocol),
        st.booleans(),
        pool=st.sampled_from(_POOLS),
        number=st.integers(0, 5),
    )
    settled = drawn.map(
        lambda each: replace(each, sticky=each.sticky and (affine or each.mode is not Mode.FULLNAT))
    )
    return settled.flatmap(
        lambda each: st.sampled_from((OPEN, OPEN, OPEN, *_LISTS[each.version])).map(
            lambda access: replace(each, access=access)
        )
    )


def _relists(service: Service) -> st.SearchStrategy[Relist]:
    return st.builds(Relist, st.just(service.number), st.sampled_from(_LISTS[service.version]))


def _backends() -> st.SearchStrategy[tuple[Backend, ...]]:
    member = st.builds(
        server,
        st.sampled_from(SERVERS),
        weight=st.sampled_from((1, 1, 1, 2, 4, 0)),
        group=st.sampled_from((0, 0, 0, 1)),
        drain=st.sampled_from((False, False, False, True)),
    )
    return st.lists(member, max_size=4, unique_by=lambda each: each.name).map(tuple)


@st.composite
def _pools(draw: st.DrawFn, name: str) -> Pool:
    then = st.sampled_from((Then.MOVE, Then.RESET, Then.KEEP))
    on_down = st.builds(OnDown, st.sampled_from((0.0, 10.0)), st.sampled_from((Then.MOVE, Then.RESET)))
    made = pool(*draw(_backends()), name=name)
    return replace(
        made,
        on_down_tcp=draw(on_down),
        on_down_udp=draw(on_down),
        drain_timeout=draw(st.sampled_from((0.0, 30.0, 300.0))),
        drain_then=draw(then),
        memory_timeout=300.0,
        transition=draw(st.sampled_from((30.0, 120.0))),
        panic_threshold=draw(st.sampled_from((0.5, 1.0))),
    )


def _packets(services: list[Service], kinds: tuple[str, ...]) -> st.SearchStrategy[Packets]:
    connection = st.builds(
        Connection,
        st.sampled_from(_CLIENTS),
        st.integers(40_000, 40_000 + _PORTS - 1),
        st.sampled_from(services),
    )
    one = st.tuples(connection, st.sampled_from(kinds))
    batch = st.lists(one, min_size=1, max_size=10, unique_by=lambda each: _memory(each[0]))
    return batch.map(lambda some: Packets(tuple(getattr(each, what)() for each, what in some)))


def _memory(connection: Connection) -> tuple[object, ...]:
    """What a switch would remember it under: of packets on their way at once each has a memory of its own."""
    service = connection.service
    if service.sticky:
        return connection.client, service.version, service.protocol, service.pool
    return connection.client, connection.port, service
