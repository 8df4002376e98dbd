"""A zone with one balanced name, and what is known of its candidates: small worlds for tests of names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network
from random import Random
from typing import Any

from controller.exits.names.compiling import compiled
from controller.exits.names.content import Asker, Choice, Content
from controller.exits.names.inputs import Inputs, State, state_key
from controller.exits.names.memory import Memory
from controller.spec.names import Candidate, NameServer, Policy, Region, Service, Zone

EU, US = "10.1.0.5", "10.2.0.5"
ELSEWHERE = "192.0.2.9"
REGIONS = (
    Region("eu", (ip_network("10.1.0.0/16"), ip_network("2001:db8:1::/48")), ("east",)),
    Region("us", (ip_network("10.2.0.0/16"), ip_network("10.1.128.0/24")), ("west",)),
)


def candidate(name: str, number: int, **more: Any) -> Candidate:
    """A foreign candidate at 198.51.100.NUMBER."""
    return Candidate(name, address=ip_address(f"198.51.100.{number}"), **more)


def zone(service: Service, **more: Any) -> Zone:
    """One with the service and the usual regions."""
    servers = (NameServer("ns1", (ip_address("192.0.2.53"),)),)
    return Zone("example.net", servers, regions=REGIONS, services=(service,), **more)


def service(candidates: Iterable[Candidate], *policies: Policy, **more: Any) -> Service:
    """``shop``."""
    return Service("shop", tuple(candidates), policies=policies or Service.policies, **more)


def states(of: Zone, known: Mapping[str, State]) -> dict[str, State]:
    """By key; what is not in ``known`` is what the intent says alone."""
    found = {}
    for each in of.services:
        for row in each.candidates:
            assert row.address is not None
            usual = State(row.address, row.site or "", servers=1)
            found[state_key(of, each.name, row.name)] = known.get(row.name, usual)
    return found


def inputs(of: Zone, known: Mapping[str, State] | None = None, **more: Any) -> Inputs:
    """Of one zone."""
    return Inputs(7, (of,), states(of, known or {}), **more)


def state(of: Candidate, **more: Any) -> State:
    """What is known of a candidate."""
    assert of.address is not None
    return replace(State(of.address, of.site or "", servers=1), **more)


def memory(seed: int = 1, site: str = "", now: float = 0.0) -> Memory:
    """One whose draws are the same in each run."""
    return Memory(lambda: now, Random(seed), site)


def asker(client: str, resolver: str | None = None, prefix: int | None = None) -> Asker:
    """Who asks."""
    address = ip_address(client)
    known = address.max_prefixlen if prefix is None else prefix
    return Asker(address, known, ip_address(resolver or client))


def choice(content: Content, kind: str = "A", name: str = "shop.example.net.") -> Choice:
    """Of one name and type."""
    return content.zones["example.net."].balanced[name, kind]


def chooses(made: Inputs, seed: int = 1) -> Choice:
    """The choice of addresses of version 4 for ``shop``."""
    return choice(compiled(made, memory(seed)))


def last(value: str) -> int:
    """The number of a candidate, from its address."""
    return int(value.rpartition(".")[2])
