"""From intent to the set of distinct questions that have to be asked of servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any

from controller.model.probe_values import body_pattern, datagram, http_host, http_path
from controller.model.units import Wrong
from controller.spec.health import HealthCheck, ProbeKind
from controller.spec.names import Candidate, Service, Zone, probe_key
from controller.spec.types import Address, Intent, Listener, Pool, Protocol

BackendRef = tuple[str, str]
"""(pool, backend)."""


_JUDGES: dict[str, Callable[[Any], object]] = {
    "path": http_path,
    "host": http_host,
    "body": body_pattern,
    "send": datagram,
}
"""What ``check`` refuses in an intent, a probe cannot be built from."""


@dataclass(frozen=True)
class Probe:
    """One question to one address, and how often it is asked; equal probes are asked once.

    Raises ``ValueError`` for values that cannot be put on the wire (see the fields).
    """

    kind: ProbeKind
    address: Address
    port: int = 0
    """Transport port; 0 for icmp."""
    interval: float = 1.0
    """Seconds between two probes, > 0."""
    timeout: float = 0.5
    """Seconds until a probe without a full answer has failed, > 0; above ``interval``, probes overlap."""
    path: str = "/"
    """HTTP request target (``probe_values.http_path``)."""
    host: str | None = None
    """Host header and TLS server name (``probe_values.http_host``); None: the address."""
    statuses: tuple[tuple[int, int], ...] = ((200, 399),)
    """Inclusive ranges of HTTP status codes that pass."""
    body: str | None = None
    """Regular expression searched in the first 64 KiB of the HTTP body."""
    send: bytes = b""
    """UDP request."""
    expect: bytes | None = None
    """Prefix of the UDP response; None: any response."""
    verify: bool = False
    """Verify the TLS certificate and its name."""
    reads: int = field(default=0, repr=False)
    """TCP and HTTP: a pass hands on what the server sent, at most so many octets, as its reason; 0: nothing."""

    def __post_init__(self) -> None:
        what = f"probe of {self.address}"
        if self.interval <= 0 or self.timeout <= 0:
            raise ValueError(f"{what}: interval and timeout must be above 0 seconds")
        for name, judge in _JUDGES.items():
            value = getattr(self, name)
            try:
                if value is not None:
                    judge(value)
            except Wrong as wrong:
                raise ValueError(f"{what}: {name} {wrong.problem}, {wrong.right}") from None

    def __hash__(self) -> int:
        """Of the few fields that tell most probes apart: 10,000 are hashed several times at every change."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((int(self.address), self.port))

    @cached_property
    def key(self) -> str:
        """Name of this probe, the same in every process and after every restart."""
        return blake2b(repr(self).encode(), digest_size=12).hexdigest()

    @cached_property
    def fraction(self) -> float:
        """Where in its interval this probe is due, 0 <= fraction < 1: spread evenly by hash."""
        return int(self.key[:12], 16) / 16**12


@dataclass(frozen=True)
class Policy:
    """How a sequence of results is judged; pools that differ here only share the probe."""

    rise: int = 2
    """Passes in a row that make a down backend up, >= 1."""
    fall: int = 3
    """Failures in a row that make an up backend down, >= 1."""
    flap_limit: int = 6
    """More changes of verdict than this within ``flap_window`` hold the backend down; 0: never."""
    flap_window: float = 60.0
    """Seconds."""


@dataclass(frozen=True)
class Target:
    """A question and how its answers are judged."""

    probe: Probe
    policy: Policy = Policy()

    def __hash__(self) -> int:
        """That of the probe; see there."""
        return hash(self.probe)


def targets_of(intent: Intent) -> dict[Target, frozenset[BackendRef]]:
    """Every target that ``intent`` needs, with the (pool, backend) pairs that depend on it.

    Pools without health, and pools that neither a listener nor discovery uses, need none. A backend is probed in each
    address family in which a VIP leads to it; it is up when it is up in all of them. If the check names no port,
    the backend port of the pool's lowest listener of that family is probed (listeners of the probe's own
    transport first), because one dead server port among several usually means a dead server. Backends that discovery
    alone leads to are probed in their first address, at the port of the service.

    Candidates of names are members under ``probe_key`` and their own names. Their addresses are asked as clients ask
    them, and those that are translated to them too.
    """
    users: dict[str, dict[int, list[Listener]]] = {}
    for vip in intent.vips:
        for listener in vip.listeners:
            users.setdefault(listener.pool, {}).setdefault(vip.address.version, []).append(listener)
    found: dict[Target, set[BackendRef]] = {}
    for pool in intent.pools:
        if pool.health is None:
            continue
        for version, listeners in sorted(users.get(pool.name, {}).items()):
            for target, member in _family(pool, pool.health, version, listeners):
                found.setdefault(target, set()).add(member)
    for zone, service, check in probed_services(intent):
        for candidate in service.candidates:
            ref = probe_key(zone, service), candidate.name
            for target in _candidate(intent, service, check, candidate):
                found.setdefault(target, set()).add(ref)
    _add_discovered(found, intent)
    return {target: frozenset(members) for target, members in found.items()}


def _add_discovered(found: dict[Target, set[BackendRef]], intent: Intent) -> None:
    ports: dict[str, int] = {}
    for service in () if intent.discovery is None else intent.discovery.services:
        for name in service.pools:
            ports.setdefault(name, service.port)
    asked = {(ref, target.probe.address.version) for target, members in found.items() for ref in members}
    for pool in intent.pools:
        if pool.health is None or pool.name not in ports:
            continue
        port = 0 if pool.health.kind is ProbeKind.ICMP else pool.health.port or ports[pool.name]
        for backend in pool.backends:
            ref, address = (pool.name, backend.name), backend.addresses[0]
            if (ref, address.version) not in asked:
                target = Target(_probe(pool.health, address, port), _policy(pool.health))
                found.setdefault(target, set()).add(ref)


def probed_services(intent: Intent) -> Iterator[tuple[Zone, Service, HealthCheck]]:
    """Services whose candidates are probed."""
    for zone in intent.zones:
        for service in zone.services:
            if service.health is not None:
                yield zone, service, service.health


def _candidate(
    intent: Intent, service: Service, check: HealthCheck, candidate: Candidate
) -> Iterator[Target]:
    vip = next((each for each in intent.vips if each.name == candidate.vip), None)
    own = candidate.address if vip is None else vip.address
    ports = () if vip is None else vip.listeners
    port = check.port or service.port or next((each.port for each in ports), 0)
    policy = Policy(check.rise, check.fall, check.flap_limit, check.flap_window)
    for address in (own, candidate.public):
        if address is not None:
            yield Target(_probe(check, address, 0 if check.kind is ProbeKind.ICMP else port), policy)


def members_of(targets: Mapping[Target, frozenset[BackendRef]]) -> dict[BackendRef, frozenset[Target]]:
    """The same relation seen from the backends."""
    result: dict[BackendRef, set[Target]] = {}
    for target, members in targets.items():
        for member in members:
            result.setdefault(member, set()).add(target)
    return {member: frozenset(of) for member, of in result.items()}


def _family(
    pool: Pool, check: HealthCheck, version: int, listeners: list[Listener]
) -> list[tuple[Target, BackendRef]]:
    port = 0 if check.kind is ProbeKind.ICMP else (check.port or _default_port(check, listeners))
    policy = _policy(check)
    pairs: list[tuple[Target, BackendRef]] = []
    for backend in pool.backends:
        address = backend.address(version)
        if address is not None:
            pairs.append((Target(_probe(check, address, port), policy), (pool.name, backend.name)))
    return pairs


def _policy(check: HealthCheck) -> Policy:
    return Policy(check.rise, check.fall, check.flap_limit, check.flap_window)


def _default_port(check: HealthCheck, listeners: list[Listener]) -> int:
    wanted = Protocol.UDP if check.kind is ProbeKind.UDP else Protocol.TCP
    return min((o.protocol is not wanted, o.port, o.backend_port) for o in listeners)[2]


def _probe(check: HealthCheck, address: Address, port: int) -> Probe:
    """Only what the kind uses goes in, so that settings without effect do not split a target in two."""
    kind = check.kind
    if kind in (ProbeKind.HTTP, ProbeKind.HTTPS):
        return Probe(
            kind, address, port, check.interval, check.timeout,
            path=check.path, host=check.host, statuses=check.statuses, body=check.body,
            verify=check.verify and kind is ProbeKind.HTTPS,
        )  # fmt: skip
    if kind is ProbeKind.UDP:
        return Probe(kind, address, port, check.interval, check.timeout, send=check.send, expect=check.expect)
    return Probe(kind, address, port, check.interval, check.timeout)
