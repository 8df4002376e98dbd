"""Routes of two sites: routers follow a VIP to the site that owns it, and are asked before one is drained."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab
from tests.lab.test_routes import leads, shows
from topo import frr, model
from topo.model import HostSpec, SiteSpec, StretchSpec, SwitchSpec

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    pytest.mark.skipif(frr.missing() is not None, reason=f"routers of the lab: {frr.missing()}"),
]


@pytest.fixture(scope="module")
def sites(make_lab: MakeLab) -> Iterator[Balanced]:
    """The routed topology over two sites: an lb switch, a leaf and servers at each."""
    shipped = model.load("routed")
    switches = [
        ("lb1", "lb", "east"),
        ("leaf1", "leaf", "east"),
        ("lb2", "lb", "west"),
        ("leaf2", "leaf", "west"),
    ]
    vips = tuple({**vip, "owners": ["east", "west"]} for vip in shipped.services.vips)
    hosts = tuple(
        HostSpec(**{**host.model_dump(), "attach": "leaf2"}) if host.name == "s3" else host
        for host in shipped.hosts
    )
    topology = shipped.model_copy(
        update={
            "sites": (SiteSpec(name="east"), SiteSpec(name="west")),
            "switches": tuple(SwitchSpec(name=n, roles=(r,), site=s, kind="ovs") for n, r, s in switches),  # type: ignore[arg-type]
            "links": (("lb1", "leaf1"), ("lb2", "leaf2")),
            "stretch": (StretchSpec(name="dci1", ends=("leaf1", "leaf2")),),
            "hosts": hosts,
            "services": shipped.services.model_copy(update={"vips": vips}),
        }
    )
    with Balanced(make_lab(topology)) as balanced:
        leads(balanced.lab, {"lb1"})
        yield balanced


def test_routers_follow_a_vip_when_its_site_is_drained(sites: Balanced) -> None:
    assert sites.command("site", "drain", "east") == 0
    leaves = sites.wait_event("route_leaves", speaker="sp1", vip="shop")
    assert leaves["cause"] == "drained"
    sites.wait_event("route_announced", speaker="sp2", vip="shop", cause="moved")
    leads(sites.lab, {"lb2"})
    sites.wait_event("route_withdrawn", speaker="sp1", vip="shop")
    shows(sites, "withdrawn")
    assert sites.command("site", "undrain", "east") == 0
    sites.wait_event("route_announced", speaker="sp1", vip="shop")
    leads(sites.lab, {"lb1"})


def test_backups_stand_ready_and_take_over_without_any_word(sites: Balanced) -> None:
    """They are worse places: routers use them when there is no better one."""
    sites.edit_intent(lambda document: document["routes"].update(backups=True))
    sites.wait_event("route_announced", speaker="sp2", vip="shop")
    leads(sites.lab, {"lb1"})
    sites.lab.fail("lb1")
    leads(sites.lab, {"lb2"})
    sites.lab.heal("lb1")
    leads(sites.lab, {"lb1"})
