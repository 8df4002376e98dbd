"""Routes in the intent: what is read, what is refused and in which words, and that it is written as it was read."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from controller.model.document import document
from controller.model.errors import ConfigErrors
from controller.model.load import load_text
from controller.model.plain import load_plain
from controller.spec.codec import decode, encode
from controller.spec.routes import NO_ROUTES, Network, RoutedVip, Spread
from controller.spec.types import Intent
from tests.unit.spoil import DATA

BASE = (DATA / "base.yaml").read_text()
SMALL = """
routes:
  speakers:
    - name: sp1
      switch: lb1
      sockets: /run/frr
      router_id: 10.5.1.100
      bgp: {as: 65010, neighbors: [{address: 10.5.1.1, as: 65001}]}
"""
WHOLE = """
routes:
  speakers:
    - name: sp1
      switch: lb1
      sockets: /run/frr/
      router_id: 10.5.1.100
      drain: true
      bgp:
        as: 65010
        neighbors:
          - {address: 10.5.1.1, as: 65001, bfd: false, password_file: /etc/r1.key, hold: 30}
          - {address: "fd00::5:1", as: 65001}
      ospf:
        interfaces: [{name: eth0, cost: 5, network: broadcast, bfd: false}]
        area: 0.0.0.7
        hello: 2
        dead: 8
  vips: [{name: shop, med: 5, cost: 6, communities: ["65000:7"]}]
  backups: true
  spread: odd-even
  max_vips: 10
  communities: ["65000:100"]
  graceful: 2s
  preference: {med: 1, med_step: 2, cost: 3, cost_step: 4, prepend: 1, local_pref: 500, local_pref_step: 6}
  bfd: {interval: 100ms, multiplier: 5}
  dampening: {flaps: 5, window: 1m, hold: 10s}
"""


def test_every_key_is_read() -> None:
    routes = load_text(BASE + WHOLE, "base.yaml").routes
    (speaker,) = routes.speakers
    assert (speaker.sockets, speaker.drain) == ("/run/frr", True)
    assert speaker.bgp is not None
    assert speaker.ospf is not None
    assert [str(each.address) for each in speaker.bgp.neighbors] == ["10.5.1.1", "fd00::5:1"]
    assert speaker.ospf.area == ip_address("0.0.0.7")
    assert speaker.ospf.interfaces[0].network is Network.BROADCAST
    assert routes.vip("shop") == RoutedVip("shop", 5, 6, ("65000:7",))
    assert routes.vip("other") is None
    assert (routes.backups, routes.spread, routes.graceful) == (True, Spread.ODD_EVEN, 2.0)
    assert (routes.dampening.flaps, routes.bfd.multiplier) == (5, 5)


@pytest.mark.parametrize("text", ["", SMALL, WHOLE])
def test_what_is_written_is_what_was_read(text: str) -> None:
    intent = load_text(BASE + text, "base.yaml")
    assert load_plain(document(intent)) == intent
    assert decode(Intent, encode(intent)) == intent
    assert (intent.routes == NO_ROUTES) == (not text)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("switch: lb1", "switch: nowhere", 'speaker "sp1" names the switch "nowhere", which does not exist'),
        ("switch: lb1", "switch: leaf1", 'speaker "sp1" is beside "leaf1", which is no lb switch'),
        ("sockets: /run/frr", "sockets: run/frr", 'sockets is "run/frr"'),
        ("router_id: 10.5.1.100", 'router_id: "fd00::1"', "router_id is fd00::1, write an IPv4 address"),
        (
            "router_id: 10.5.1.100",
            "router_id: 10.5.1.1",
            "has itself as a neighbor: 10.5.1.1 is its router_id",
        ),
        ("      bgp: {as", "      drain: {as", 'speaker "sp1" speaks neither BGP nor OSPF'),
        ("as: 65001}]}", "as: 65001}, {address: 10.5.1.1, as: 2}]}", "has the neighbor 10.5.1.1 twice"),
        ("as: 65001}", "as: 65001, hold: 2}", "hold is 2, write a whole number from 3 to 65535"),
        (
            "  speakers:",
            "  vips: [{name: nothing}]\n  speakers:",
            'names the vip "nothing", which does not exist',
        ),
        ("  speakers:", '  communities: ["65535:0"]\n  speakers:', "which is reserved"),
        (
            "  speakers:",
            "  communities: [65000]\n  speakers:",
            "write two numbers such as 65000:100, in quotes",
        ),
        (
            "  speakers:",
            "  max_vips: 1\n  speakers:",
            "VIPs are to be announced, more than max_vips, which is 1",
        ),
        (
            "  speakers:",
            "  preference: {med_step: 4294967295}\n  speakers:",
            "and 4,294,967,295 is the largest",
        ),
        (
            "  speakers:",
            "  preference: {local_pref_step: 200}\n  speakers:",
            "the worst place would have the local preference",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be_right(old: str, new: str, says: str) -> None:
    assert old in SMALL
    with pytest.raises(ConfigErrors) as caught:
        load_text(BASE + SMALL.replace(old, new, 1), "base.yaml")
    assert says in str(caught.value)


def test_speakers_have_daemons_and_numbers_of_their_own() -> None:
    second = SMALL.split("speakers:\n")[1].replace("name: sp1", "name: sp2")
    with pytest.raises(ConfigErrors) as caught:
        load_text(BASE + SMALL + second, "base.yaml")
    assert 'speakers "sp1" and "sp2" both have the sockets /run/frr' in str(caught.value)
    assert 'speakers "sp1" and "sp2" both have the router_id 10.5.1.100' in str(caught.value)


def test_a_vip_that_is_announced_need_not_lie_in_a_subnet_of_its_site() -> None:
    text = BASE.replace("address: 10.0.0.100", "address: 192.0.2.100", 1)
    assert text != BASE
    with pytest.raises(ConfigErrors, match="which is in no subnet of site"):
        load_text(text, "base.yaml")
    speaking = SMALL
    assert load_text(text + speaking, "base.yaml").vips[0].address == ip_address("192.0.2.100")
