"""``discovery`` in the intent: what is read, what it becomes in a document and in messages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from controller.api.messages import fill, plain
from controller.api.v1 import resources_pb2 as messages
from controller.health.asking import questions
from controller.health.targets import targets_of
from controller.model.document import document
from controller.model.load import load_intent, load_text
from controller.model.plain import load_plain
from controller.spec.discovery import (
    Discovery,
    DiscoveryTls,
    Header,
    Limits,
    Service,
    ServiceRoute,
    Speaks,
    Target,
)
from controller.spec.types import Intent
from tests.fakes import core

GOOD = load_intent(Path(__file__).parent / "data" / "good.yaml")
TARGETS = st.builds(Target, st.sampled_from(("web", "dns")), st.none(), st.integers(1, 10_000))
ROUTES = st.builds(
    ServiceRoute,
    st.sampled_from(("/", "/shop.Cart/", "/a%20b")),
    st.lists(
        st.builds(Header, st.sampled_from(("x-env", "null")), st.sampled_from(("on", "a b", "1.0")))
    ).map(tuple),
    st.lists(TARGETS, min_size=1, max_size=2, unique_by=lambda each: each.pool).map(tuple),
)
NUMBERS = st.none() | st.integers(1, 2**31 - 1)


@st.composite
def services(draw: st.DrawFn) -> tuple[Service, ...]:
    names = draw(st.lists(st.sampled_from(("shop", "on", "shop.example:443", "7")), unique=True))
    return tuple(
        Service(
            name,
            draw(st.integers(1, 65535)),
            tuple(draw(st.lists(ROUTES, min_size=1, max_size=3))),
            draw(st.sampled_from(Speaks)),
            draw(st.sampled_from(((), ("east",)))),
            draw(st.booleans()),
            draw(st.builds(Limits, NUMBERS, NUMBERS, NUMBERS)),
            draw(st.none() | st.just(f"127.0.0.1:{9000 + number}")),
        )
        for number, name in enumerate(names)
    )


TLS = st.builds(DiscoveryTls, st.just("/a.crt"), st.just("/a.key"), st.none() | st.just("/ca.crt"))


@given(st.builds(Discovery, st.just("[::1]:7460"), services(), st.none() | TLS, st.booleans()))
def test_reading_the_document_of_a_discovery_gives_it(discovery: Discovery) -> None:
    intent = replace(GOOD, discovery=discovery)
    said = document(intent)
    assert load_plain(said) == intent
    message = fill(messages.Document(), said)
    assert load_plain(plain(messages.Document.FromString(message.SerializeToString()))) == intent


def _with(text: str) -> Intent:
    return load_text(core.text("pair") + text, "f")


def test_a_pool_is_short_for_one_route() -> None:
    text = "discovery:\n  listen: 127.0.0.1:7460\n  services: [{name: shop, port: 80, %s}]\n"
    assert _with(text % "pool: web") == _with(text % "routes: [{to: [{pool: web}]}]")


def test_servers_that_discovery_alone_leads_to_are_probed_at_the_port_of_the_service() -> None:
    text = core.text("pair").replace(
        "vips:\n",
        "- name: api\n  health: {type: tcp}\n  agent: {type: http, port: 9999, path: /load}\n  backends:\n"
        "  - {name: a1, addresses: ['fd00:0:0:1::77', 10.1.0.77]}\nvips:\n",
    )
    before = load_text(text, "f")
    found = load_text(
        text + "discovery:\n  listen: 127.0.0.1:7460\n  services: [{name: shop, port: 8443, pool: api}]\n",
        "f",
    )
    assert not any(("api", "a1") in refs for refs in targets_of(before).values())
    (target,) = (each for each, refs in targets_of(found).items() if ("api", "a1") in refs)
    assert (str(target.probe.address), target.probe.port) == ("fd00:0:0:1::77", 8443)
    assert not any(("api", "a1") in refs for refs in questions(before).values())
    assert any(("api", "a1") in refs for refs in questions(found).values())


def test_servers_that_a_listener_leads_to_are_probed_once() -> None:
    text = "discovery:\n  listen: 127.0.0.1:7460\n  services: [{name: shop, port: 8443, pool: web}]\n"
    assert targets_of(_with(text)) == targets_of(_with(""))
