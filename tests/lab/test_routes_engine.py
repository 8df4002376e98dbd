"""The engine of routes against FRR's real daemons: what is written is what they show, and only what is ours changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from controller.exits.routes.frr.config import Edit
from controller.exits.routes.frr.engine import Frr, Plan
from controller.exits.routes.frr.vty import EngineError, Refused, Vty
from controller.exits.routes.holding import Announcement
from controller.exits.routes.rules import Attributes
from controller.spec.routes import Bfd, Bgp, Neighbor, Network, Ospf, OspfInterface, Speaker
from topo import frr, netns, process, state

pytestmark = pytest.mark.skipif(frr.missing() is not None, reason=frr.missing() or "")

NO_OSPF = Ospf((), ip_address("0.0.0.0"))
BEST = Attributes(100, 20, 0, 200, ("65000:100", "65010:1"))
WORSE = Attributes(200, 120, 2, 190, ())
SHOP, SHOP6 = "10.0.0.100/32", "fd00::100/128"


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory of daemons that have nothing to speak with."""
    with state.space("ek-routes-engine") as space:
        directory = Path("/run/evenkeel-frr-test")
        pids = tmp_path_factory.mktemp("pids")
        try:
            with netns.enter(space):
                process.run(["ip", "link", "add", "d0", "type", "veth", "peer", "name", "d1"])
                for interface in ("d0", "d1"):
                    process.run(["ip", "link", "set", interface, "up"])
                process.run(["ip", "address", "add", "10.5.1.100/24", "dev", "d0"])
            frr.start(space, directory, pids, "sp1")
            yield directory
        finally:
            frr.stop(pids, "sp1")


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "r1.key"
    path.write_text("correct-horse\n")
    return str(path)


def _speaker(secret: str) -> Speaker:
    neighbors = (
        Neighbor(ip_address("10.5.1.1"), 65001, password_file=secret),
        Neighbor(ip_address("10.5.1.2"), 65010, bfd=False, hold=180),
        Neighbor(ip_address("fd00::5:1"), 65001),
    )
    ospf = Ospf((OspfInterface("d0"),), ip_address("0.0.0.0"))
    return Speaker("sp1", "lb1", "/run", ip_address("10.5.1.100"), bgp=Bgp(65010, neighbors), ospf=ospf)


def _plan(secret: str, *said: Announcement) -> Plan:
    costs = {each.prefix: each.attributes.cost for each in said}
    return Plan(_speaker(secret), (SHOP, SHOP6), (20, 120), said, costs, 10, Bfd())


def _all(secret: str) -> list[Plan]:
    """Plans that follow each other: every line that can be said comes and goes, and is altered."""
    full = _plan(secret, Announcement(SHOP, BEST, leaving=False), Announcement(SHOP6, WORSE, leaving=False))
    leaving = _plan(secret, Announcement(SHOP, BEST, leaving=True))
    worse = _plan(secret, Announcement(SHOP, WORSE, leaving=False))
    speaker = full.speaker
    assert speaker.bgp is not None
    other = replace(speaker, router_id=ip_address("10.5.1.101"), bgp=Bgp(65011, speaker.bgp.neighbors[1:]))
    slow = replace(
        full, bfd=Bfd(0.3, 5), costs=(30,), most=20, speaker=replace(speaker, ospf=None), by_ospf={}
    )
    only = replace(full, speaker=replace(speaker, bgp=None), said=(), bfd=Bfd(0.3, 3))
    hello = Ospf(
        (OspfInterface("d0", 5, Network.BROADCAST, bfd=False),), ip_address("0.0.0.1"), hello=10, dead=40
    )
    nothing = replace(full, speaker=replace(speaker, bgp=None, ospf=None), said=(), by_ospf={})
    return [
        full,
        leaving,
        worse,
        _plan(secret),
        replace(
            full, speaker=replace(speaker, bgp=replace(speaker.bgp, neighbors=speaker.bgp.neighbors[2:]))
        ),
        replace(full, speaker=other),
        slow,
        only,
        replace(full, speaker=replace(speaker, ospf=hello)),
        nothing,
    ]


def test_the_daemons_show_every_line_as_it_was_written(daemons: Path, secret: str) -> None:
    async def play() -> None:
        engine = Frr(daemons)
        for plan in _all(secret):
            written = await engine.apply(plan)
            assert written.problems == []
            assert written.edits, "each plan differs from the one before"
            again = await engine.apply(plan)
            assert (again.edits, again.problems) == ({}, []), "what is written is found as it was written"
        bare = [await (await Vty.connect(daemons / f"{name}.vty")).running() for name in frr.DAEMONS[1:]]
        assert [tree for tree in bare if any(line.startswith(("router", "route-map")) for line in tree)] == []
        engine.close()

    asyncio.run(play())


def test_damage_is_found_and_mended_and_what_others_configured_stays(daemons: Path, secret: str) -> None:
    plan = _plan(secret, Announcement(SHOP, BEST, leaving=False))

    async def play() -> None:
        engine = Frr(daemons)
        await engine.apply(plan)
        bgpd = await Vty.connect(daemons / "bgpd.vty")
        staticd = await Vty.connect(daemons / "staticd.vty")
        family = ("router bgp 65010", "address-family ipv4 unicast")
        harm = [
            Edit(family, "no network 10.0.0.100/32"),
            Edit(family, "network 192.0.2.0/24"),
            Edit(("router bgp 65010",), "neighbor 10.5.1.1 timers 30 90"),
            Edit((), "route-map THEIRS permit 10"),
        ]
        assert await bgpd.configure(harm) == []
        theirs = Edit((), "ip route 192.0.2.0/24 Null0")
        assert (
            await staticd.configure([Edit((), "no ip route 10.0.0.100/32 Null0 tag 1157627924"), theirs])
            == []
        )
        found = await engine.apply(plan)
        assert found.problems == []
        assert sorted(str(each) for each in found.edits["bgpd"]) == [
            "router bgp 65010 / address-family ipv4 unicast / network 10.0.0.100/32 route-map "
            + next(
                line for line in await bgpd.running() if "EVENKEEL-" in line and "-IN" not in line
            ).split()[1],
            "router bgp 65010 / address-family ipv4 unicast / no network 192.0.2.0/24",
            "router bgp 65010 / neighbor 10.5.1.1 timers 3 9",
        ]
        assert [str(each) for each in found.edits["staticd"]] == [
            "ip route 10.0.0.100/32 Null0 tag 1157627924"
        ]
        assert "route-map THEIRS permit 10" in await bgpd.running()
        assert "ip route 192.0.2.0/24 Null0" in await staticd.running()
        await bgpd.configure([Edit((), "no route-map THEIRS permit 10")])
        await staticd.configure([Edit((), "no ip route 192.0.2.0/24 Null0")])
        engine.close()

    asyncio.run(play())


def test_a_router_that_is_not_ours_is_left_alone(daemons: Path, secret: str) -> None:
    async def play() -> None:
        engine = Frr(daemons)
        await engine.apply(_all(secret)[-1])
        bgpd = await Vty.connect(daemons / "bgpd.vty")
        await bgpd.configure([Edit(("router bgp 64999",), "bgp router-id 192.0.2.1")])
        before = await bgpd.running()
        found = await engine.apply(_plan(secret, Announcement(SHOP, BEST, leaving=False)))
        assert found.problems == [
            "bgpd has 'router bgp 64999', which is not ours: give the speaker daemons of its own"
        ]
        assert await bgpd.running() == before
        await bgpd.configure([Edit((), "no router bgp 64999")])
        engine.close()

    asyncio.run(play())


def test_a_password_that_cannot_be_read_keeps_nothing_else_back(daemons: Path, secret: str) -> None:
    plan = _plan(secret, Announcement(SHOP, BEST, leaving=False))

    async def play() -> None:
        engine = Frr(daemons)
        await engine.apply(plan)
        Path(secret).unlink()
        found = await engine.apply(replace(plan, said=(), by_ospf={}))
        assert found.problems == [f"password of 10.5.1.1: {secret}: No such file or directory"]
        assert any("no network 10.0.0.100/32" in str(each) for each in found.edits["bgpd"])
        shown = (await (await Vty.connect(daemons / "bgpd.vty")).running())["router bgp 65010"]
        assert "neighbor 10.5.1.1 password correct-horse" in shown, "the session goes on"
        engine.close()

    asyncio.run(play())


def test_commands_that_are_refused_and_daemons_that_are_not_there_are_said(daemons: Path) -> None:
    async def play() -> None:
        vty = await Vty.connect(daemons / "bgpd.vty")
        with pytest.raises(
            Refused, match=r"^bgpd refuses 'neighbor x password \*\*\*': % \[BGP\] Unknown command"
        ):
            await vty.ask("neighbor x password geheim")
        assert await vty.ask("show bgp summary json"), "the connection still answers"
        refused = await vty.configure(
            [
                Edit((), "route-map NONE sometimes 10"),
                Edit((), "ip prefix-list FINE seq 5 permit 10.0.0.0/8"),
            ]
        )
        assert len(refused) == 1
        assert "ip prefix-list FINE seq 5 permit 10.0.0.0/8" in await vty.running()
        await vty.configure([Edit((), "no ip prefix-list FINE seq 5 permit 10.0.0.0/8")])
        with pytest.raises(EngineError, match=r"nowhere.vty: No such file"):
            await Vty.connect(daemons / "nowhere.vty")

    asyncio.run(play())


@pytest.mark.parametrize(("hello", "dead"), [(1, 4), (5, 40), (10, 30), (10, 40)])
def test_hellos_and_deaths_are_timed_as_the_intent_says(
    daemons: Path, secret: str, hello: int, dead: int
) -> None:
    """ospfd derives one from the other where it is not told."""
    plan = _plan(secret)
    ospf = replace(plan.speaker.ospf or NO_OSPF, hello=hello, dead=dead)

    async def play() -> tuple[str, str]:
        engine = Frr(daemons)
        assert (await engine.apply(replace(plan, speaker=replace(plan.speaker, ospf=ospf)))).problems == []
        engine.close()
        ospfd = await Vty.connect(daemons / "ospfd.vty")
        ospf6d = await Vty.connect(daemons / "ospf6d.vty")
        return await ospfd.ask("show ip ospf interface d0"), await ospf6d.ask("show ipv6 ospf6 interface d0")

    four, six = asyncio.run(play())
    assert f"Hello {hello}s, Dead {dead}s" in four
    assert re.search(rf"Hello {hello}\(.*\), Dead {dead},", six)
