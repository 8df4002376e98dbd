"""What the OpenFlow driver does for a fence: who is answered for, what is renewed, and BFD on its ports."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from controller.southbound.driver import Fenced
from controller.southbound.openflow.driver import OpenFlowDriver
from controller.southbound.openflow.session import Session
from controller.southbound.ovsdb import links
from controller.southbound.ovsdb.client import Ovsdb, OvsdbError
from controller.spec.types import FenceEnd, Role, Switch
from flows.diff import Changes
from flows.entries import Target
from flows.pipeline import target
from flows.tables import Cookie
from tests.fakes.duties import VIPS, lb_duty, switch
from tests.fakes.tables import parse_flow_mod

FENCE = (FenceEnd(30, "f0"), FenceEnd(31, "f1"))


class Written:
    """A session that keeps what is written."""

    def __init__(self) -> None:
        self.renewed: list[set[int]] = []

    async def write(self, changes: Changes, _: str) -> None:
        """Numbers of the VIPs whose flows are written."""
        mods = [parse_flow_mod(message) for phase in changes.phases for message in phase.messages]
        cookies = [Cookie.parse(entry.cookie) for _, _, _, entry in mods if entry is not None]
        self.renewed.append({cookie.id for cookie in cookies if cookie is not None})

    async def port_names(self) -> dict[int, str]:
        """Ports of a switch that has both ends."""
        return {1: "lb1", 30: "fence0", 31: "fence1"}


def edge(*fence: FenceEnd, ovsdb: str | None = None) -> Switch:
    return replace(switch(), roles=frozenset({Role.EDGE}), fence=fence, ovsdb=ovsdb)


def driver(of: Switch) -> tuple[OpenFlowDriver, Written]:
    session = Written()
    return OpenFlowDriver(of, cast(Session, session), dict), session


def held(of: Switch) -> Target:
    return target(replace(lb_duty(), switch=of, responder=True, pins=()))


ALL = {vip.id for vip in VIPS}


@pytest.mark.parametrize("fence", [(), FENCE])
def test_it_answers_for_the_vips_of_which_it_holds_answers(fence: tuple[FenceEnd, ...]) -> None:
    made, _ = driver(edge(*fence))
    assert isinstance(made, Fenced)
    assert made.answers(held(edge(*fence))) == ALL
    assert made.answers(Target()) == frozenset()


def test_behind_a_fence_timeouts_outlast_the_authority_and_without_one_they_do_not() -> None:
    some = dict.fromkeys(sorted(ALL)[:1], 0.8)
    for fence, renewed in ((), set()), (FENCE, set(some)):
        made, session = driver(edge(*fence))
        asyncio.run(made.renew(held(edge(*fence)), some))
        assert session.renewed == [renewed]


def test_bfd_is_set_on_every_port_of_a_fence_where_its_database_is_ours_to_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, list[str]]] = []

    async def watch(at: Ovsdb, interfaces: list[str]) -> None:
        asked.append((at.address, interfaces))
        if at.address == "tcp:192.0.2.2:6640":
            raise OvsdbError("it is not there")

    monkeypatch.setattr(links, "watch", watch)

    def tried(of: Switch) -> str:
        return asyncio.run(driver(of)[0].watch_fence())

    assert tried(edge(*FENCE)) == ""
    assert asked == []
    assert tried(edge(*FENCE, ovsdb="tcp:192.0.2.1:6640")) == ""
    assert asked == [("tcp:192.0.2.1:6640", ["fence0", "fence1"])]
    assert tried(edge(*FENCE, ovsdb="tcp:192.0.2.2:6640")) == "it is not there"
    lost = tried(edge(FenceEnd(77, "f7"), ovsdb="tcp:192.0.2.1:6640"))
    assert lost == "there is no port 77, which the fence names"


def test_one_transaction_sets_bfd_as_fast_as_a_fence_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[list[str]] = []

    async def vsctl(_: Ovsdb, arguments: list[str]) -> str:
        said.append(arguments)
        return ""

    monkeypatch.setattr(links, "vsctl", vsctl)
    asyncio.run(links.watch(Ovsdb("tcp:192.0.2.1:6640"), ["fence0", "fence1"]))
    speed = ["bfd:enable=true", "bfd:min_tx=50", "bfd:min_rx=50"]
    assert said == [["set", "interface", "fence0", *speed, "--", "set", "interface", "fence1", *speed]]
    asyncio.run(links.watch(Ovsdb("tcp:192.0.2.1:6640"), []))
    assert len(said) == 1


def test_what_has_no_authority_left_does_not_begin_to_be_answered_for() -> None:
    made, _ = driver(edge())
    want, some = held(edge()), sorted(ALL)[0]
    assert made.allowed(want, dict.fromkeys(ALL, 0.1)) is want
    silent = made.allowed(want, dict.fromkeys(ALL - {some}, 0.1))
    assert made.answers(silent) == ALL - {some}
    assert made.answers(made.allowed(want, {})) == frozenset()
    assert len(want.flows) - len(made.allowed(want, {}).flows) == sum(b.hard > 0 for b in want.flows.values())
