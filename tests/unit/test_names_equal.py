"""Two name servers that are sent the same answer the same, octet for octet, whatever they were asked before."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from random import Random

import dns.edns
from hypothesis import given
from hypothesis import strategies as st

from controller.api.nameservers import octets
from controller.cli.nameserver import inputs_of
from controller.exits.names.compiling import Compiler
from controller.exits.names.inputs import Inputs, State, state_key
from controller.exits.names.memory import Memory
from controller.exits.names.serve.responder import Responder
from controller.spec.names import Candidate, NameServer, Policy, Region, Service, Zone
from tests.unit.zones import question, responder, tables

CHAIN = (Policy.HEALTH, Policy.REGION, Policy.SESSION_THRESHOLD, Policy.PREFERENCE)
PLACES = ("10.0.0.0/9", "10.128.0.0/9", "2001:db8::/32")
ADDRESSES = ("198.51.100.1", "198.51.100.2", "198.51.100.3", "2001:db8:1::1")
STATES = st.tuples(st.sampled_from([True, False, None]), st.integers(0, 20), st.sampled_from(["", "drained"]))
CLIENTS = st.one_of(
    st.ip_addresses(v=4, network="10.0.0.0/8"), st.ip_addresses(v=6, network="2001:db8::/31")
).map(str)


def inputs(states: list[tuple[bool | None, int, str]], revision: int) -> Inputs:
    candidates = tuple(
        Candidate(
            f"c{number}", address=ip_address(address), regions=(f"r{number % 3}",), preference=number % 2
        )
        for number, address in enumerate(ADDRESSES)
    )
    regions = tuple(Region(f"r{number}", (ip_network(place),)) for number, place in enumerate(PLACES))
    service = Service("www", candidates, answers=None, policies=CHAIN)
    zone = Zone(
        "example.net", (NameServer("ns1", (ip_address("192.0.2.1"),)),), regions=regions, services=(service,)
    )
    known = {
        state_key(zone, "www", each.name): State(
            ip_address(address), up=up, word=word, sessions=sessions, capacity=20
        )
        for each, address, (up, sessions, word) in zip(candidates, ADDRESSES, states, strict=True)
    }
    return Inputs(revision, (zone,), known)


def server(seed: int) -> tuple[Responder, Compiler]:
    return responder(tables(Compiler(Memory(lambda: 0.0)).compiled(Inputs(0, (), {})))), Compiler(
        Memory(lambda: float(seed), Random(seed))
    )


@given(
    st.lists(st.lists(STATES, min_size=4, max_size=4), min_size=1, max_size=4),
    st.lists(st.tuples(CLIENTS, st.integers(16, 32), st.sampled_from(["A", "AAAA"])), min_size=1, max_size=8),
)
def test_equal_input_is_equal_answers(
    states: list[list[tuple[bool | None, int, str]]], askers: list[tuple[str, int, str]]
) -> None:
    (one, first), (other, second) = server(1), server(2)
    for revision, each in enumerate(states, 1):
        sent = octets(inputs(each, revision))
        one.serve(tables(first.compiled(inputs_of(sent))))
        if each is states[-1]:  # the other one has missed all before
            other.serve(tables(second.compiled(inputs_of(sent))))
        for client, bits, kind in askers:
            one.datagram(question("www", kind).to_wire(), client)
            option = dns.edns.ECSOption(client, bits)
            one.datagram(question("www", kind, use_edns=0, options=[option]).to_wire(), "203.0.113.1")
    for client, bits, kind in askers:
        option = dns.edns.ECSOption(client, bits)
        query = question("www", kind, use_edns=0, options=[option]).to_wire()
        assert one.datagram(query, "203.0.113.1") == other.datagram(query, "203.0.113.1")
        plain = question("www", kind).to_wire()
        assert one.datagram(plain, client) == other.datagram(plain, client)
