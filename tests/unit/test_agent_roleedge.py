"""A P4 edge as agents write it, beside the controller that leads, on the embedded switch's own server and program."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from controller.agent.edge import Wanted
from controller.agent.roleedge import RoleEdge
from controller.clock import SystemClock
from controller.frames.announce import question
from controller.southbound.p4.events import Punted
from controller.southbound.p4.guests import Guest, Guests, Place
from controller.southbound.p4.session import P4Session
from controller.spec.switch import VipSpec
from controller.spec.types import Role, Switch, Vip
from p4src.diff import diff
from p4src.ids import Op
from p4src.target import EntryBody, EntryKey, P4Target
from tests.fakes.core import Said, journal, play, until
from tests.fakes.p4driven import Driven, driven
from tests.fakes.p4switches import CPU_PORT, DEVICE, EnginePlane
from topo.p4switch.runtime import arbitration
from topo.p4switch.runtime.arbitration import RoleKey
from topo.p4switch.runtime.server import Server
from topo.p4switch.runtime.service import Service

EDGE = Switch("edge1", "embedded", DEVICE, "east", frozenset({Role.EDGE}), "02:45:56:01:00:11")
MAC, MAC6 = "02:45:56:00:01:01", "02:45:56:00:01:02"
SHOP = Vip("shop", ip_address("10.0.0.100"), MAC, ("east", "west"), ())
SHOP6 = Vip("shop6", ip_address("fd00::100"), MAC6, ("east", "west"), ())
VIPS = {1: SHOP, 2: SHOP6}
PORT = 3
LONG = 60.0


class Plane(EnginePlane):
    """With ports: what leaves by them is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.out: list[tuple[int, bytes]] = []
        self._lock = threading.Lock()

    def inject(self, frame: bytes) -> None:
        assert self._engine is not None
        with self._lock:
            made = list(self._engine.process(CPU_PORT, frame))
        for port, out in made:
            if port == CPU_PORT:
                self.on_cpu(out)
            else:
                self.out.append((port, out))

    def answers(self, vip: Vip) -> bool:
        """Whether a host that asks for a VIP gets an answer."""
        assert self._engine is not None
        with self._lock:
            made = list(self._engine.process(PORT, asked(vip)))
        mac = bytes.fromhex(vip.mac.replace(":", ""))
        return any(frame[6:12] == mac for port, frame in made if port == PORT)


class Site:
    """One edge that a controller leads, and what it holds."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix:{folder}/edge"
        self.plane = Plane()
        self.server = Server(Service(DEVICE, self.plane), self.address)
        self.server.start()

    @asynccontextmanager
    async def led(self) -> AsyncIterator[tuple[Driven, P4Session]]:
        """A controller leads it, and has written what answers for both VIPs."""
        async with driven() as leader:
            session = await leader.session(self)
            entries = {
                EntryKey("vip", (address_of(vip),)): EntryBody(
                    "claim", (number, int(vip.mac.replace(":", ""), 16), 0, 1)
                )
                for number, vip in VIPS.items()
            }
            await session.write(diff(P4Target(), P4Target(entries)))
            yield leader, session

    def start(self) -> None:
        """It runs."""

    def stop(self) -> None:
        self.server.stop()


class Agent:
    """What an agent has of that edge."""

    def __init__(self, site: Site) -> None:
        self.clock = SystemClock()
        written, self.said = journal()
        self.lost: list[str] = []
        self.edge = RoleEdge(EDGE, written, self.clock, lambda: None)
        self.guests = Guests(
            self._up,
            self.edge.disconnect,
            self.edge.wake,
            lambda _, why: self.lost.append(why),
            self.clock.now,
        )
        self.guests.use({DEVICE: Place("edge1", site.address, True)})
        self.edge.announce_on((PORT,))

    def _up(self, guest: Guest) -> None:
        self.edge.connect(guest)

    def want(self, *numbers: int, left: float = LONG, acts: bool = True, foreign: Sequence[int] = ()) -> None:
        until_ = self.clock.now() + left
        specs = {n: VipSpec(n, vip.address, vip.mac, 0) for n, vip in VIPS.items()}
        wanted = {n: Wanted(specs[n], until_) for n in numbers}
        self.edge.want(wanted, {n: s for n, s in specs.items() if n not in wanted}, set(foreign), acts)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.stop()


def address_of(vip: Vip) -> int:
    return int(vip.address) if vip.address.version == 6 else 0xFFFF << 32 | int(vip.address)


def asked(vip: Vip) -> bytes:
    """A question of a host."""
    if vip.address.version == 6:
        return question(vip.address, vip.mac)
    sender = bytes.fromhex("024556000a01")
    arp = bytes.fromhex("080600010800060400 01".replace(" ", ""))
    return b"\xff" * 6 + sender + arp + sender + bytes((10, 0, 0, 1)) + bytes(6) + vip.address.packed


def test_an_agent_gives_authority_beside_the_controller_that_leads(site: Site) -> None:
    agent = Agent(site)

    async def body() -> None:
        async with site.led() as (leader, session):
            await until(lambda: agent.edge.takes_authority, "the role is taken")
            assert not site.plane.answers(SHOP)
            agent.want(1, foreign=[2])
            await until(lambda: site.plane.answers(SHOP), "the edge answers")
            await until(
                lambda: agent.edge.is_silent(frozenset({2})), "it is known not to answer for the other"
            )
            assert not agent.edge.is_silent(frozenset({1, 2}))
            assert not site.plane.answers(SHOP6)
            assert agent.edge.standing == agent.edge.announces() == {1}
            assert await session.clock() > 0, "the controller is still primary of its role"
            await session.write(
                diff(P4Target(), P4Target({EntryKey("nexthop", (1, 0)): EntryBody("send", (3,))}))
            )
            assert session.alive
            told = [leader.events.get_nowait() for _ in range(leader.events.qsize())]
            assert not [each for each in told if isinstance(each, Punted)], "answers of clocks are no reports"

    play(body, agent.guests.run, agent.edge.run)


def test_authority_ends_at_its_deadline_by_the_clock_of_the_switch(site: Site) -> None:
    agent = Agent(site)

    async def body() -> None:
        async with site.led():
            ends = agent.clock.now() + LONG
            agent.want(1)
            await until(lambda: site.plane.answers(SHOP))
            await until(lambda: agent.edge.standing == {1})
            agent.want(1, foreign=[1])
            await until(lambda: agent.edge.is_silent(frozenset({1})), "it was ended")
            assert not site.plane.answers(SHOP)
            agent.want(1, left=0.3)
            ends = agent.clock.now() + 0.3
            await until(lambda: site.plane.answers(SHOP) or agent.clock.now() > ends)
            while site.plane.answers(SHOP):
                assert agent.clock.now() < ends + 0.2, "never longer than it was let"
                await asyncio.sleep(0.005)
            await until(lambda: not agent.edge.announces())

    play(body, agent.guests.run, agent.edge.run)


def test_what_one_agent_sends_comes_to_nothing_once_another_acts(site: Site) -> None:
    one, other = Agent(site), Agent(site)

    async def body() -> None:
        async with site.led():
            one.want(1)
            other.want(acts=False)
            await until(lambda: site.plane.answers(SHOP))
            before = one.edge.session
            assert before is not None
            assert before.packets is not None
            one.want(acts=False)
            assert site.plane.answers(SHOP), "what was given holds"
            other.want(foreign=[1, 2])
            await until(lambda: other.edge.is_silent(frozenset({1, 2})), "the other one has taken the role")
            assert not site.plane.answers(SHOP)
            await until(lambda: not before.primary)
            assert not one.edge.is_silent(frozenset({1}))
            await before.packets.send(b"", op=Op.AUTHORIZE, vip=1, deadline=(1 << 48) - 1)
            await until(lambda: "PERMISSION_DENIED" in before.complaint)
            assert not site.plane.answers(SHOP)
            other.want(1, 2)
            await until(lambda: site.plane.answers(SHOP) and site.plane.answers(SHOP6), "by the other one")

    play(body, one.guests.run, one.edge.run, other.guests.run, other.edge.run)


def test_an_announcement_is_an_answer_to_all_and_none_without_authority(site: Site) -> None:
    agent = Agent(site)

    async def body() -> None:
        async with site.led():
            agent.want(1, 2)
            await until(lambda: agent.edge.announces() == {1, 2})
            await agent.edge.announce(SHOP)
            await agent.edge.announce(SHOP6)
            await until(lambda: len(site.plane.out) == 2, "both are announced")
            (port, arp), (port6, na) = site.plane.out
            assert port == port6 == PORT
            mac = bytes.fromhex(MAC.replace(":", ""))
            assert arp[:12] == b"\xff" * 6 + mac
            assert arp[20:42] == b"\0\2" + (mac + SHOP.address.packed) * 2
            assert na[:12] == bytes.fromhex("333300000001") + bytes.fromhex(MAC6.replace(":", ""))
            assert na[38:54] == ip_address("ff02::1").packed
            assert na[54] == 136
            agent.want(foreign=[1, 2])
            await until(lambda: agent.edge.is_silent(frozenset({1, 2})))
            assert not agent.edge.announces()
            await agent.edge.announce(SHOP)  # as if it had been on its way
            assert agent.edge.session is not None
            assert agent.edge.session.packets is not None
            await agent.edge.session.packets.clock()
            assert not [out for out in site.plane.out[2:] if out[1][6:12] == mac]

    play(body, agent.guests.run, agent.edge.run)


def test_a_server_that_ignores_roles_is_told_of_once_and_the_controller_stays(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As PI does, on which BMv2 is built: all streams are in one election."""
    monkeypatch.setattr(arbitration, "role_of", lambda _: RoleKey())
    agent = Agent(site)

    async def body() -> None:
        async with site.led() as (_, session):
            await until(lambda: agent.edge.problem, "it is said")
            agent.want(1)
            assert agent.edge.session is not None, "the switch is there"
            assert not agent.edge.takes_authority
            assert not agent.edge.is_silent(frozenset({1}))
            assert await session.clock() > 0
            assert session.alive
        (said,) = role_refusals(agent.said)
        assert (
            said == "switch edge1 has one election for all: its server does not know role evenkeel.authority"
        )

    play(body, agent.guests.run, agent.edge.run)


def role_refusals(said: Said) -> list[str]:
    return [row["why"] for row in said.of("role_refused")]


def test_a_switch_that_begins_again_is_given_its_authority_again(site: Site) -> None:
    agent = Agent(site)

    async def body() -> None:
        async with site.led():
            agent.want(1)
            await until(lambda: site.plane.answers(SHOP))
        site.stop()
        await until(lambda: agent.edge.session is None, "its end is seen")
        assert not agent.edge.is_silent(frozenset({1}))
        site.plane = Plane()
        site.server = Server(Service(DEVICE, site.plane), site.address)
        site.server.start()
        await until(
            lambda: agent.lost and "runs no pipeline yet" in agent.lost[-1], "nobody has given it any"
        )
        async with site.led():
            await until(lambda: site.plane.answers(SHOP), "it answers again")

    play(body, agent.guests.run, agent.edge.run)


def test_an_lb_switch_is_known_to_be_there_without_a_stream(site: Site) -> None:
    agent = Agent(site)
    agent.guests.use({DEVICE: replace_role(site)})

    async def body() -> None:
        async with site.led():
            await until(lambda: agent.edge.session is not None)
            assert agent.edge.session is not None
            assert not agent.edge.takes_authority
            assert not agent.edge.problem
            site.stop()
            await until(lambda: agent.edge.session is None)

    play(body, agent.guests.run)


def replace_role(site: Site) -> Place:
    return Place("edge1", site.address, True)._replace(role=False)


def test_an_edge_of_another_name_is_the_same_edge() -> None:
    written, _ = journal()
    edge = RoleEdge(EDGE, written, SystemClock(), lambda: None)
    edge.use(replace(EDGE, name="edge9"))
    assert edge.switch.name == "edge9"
