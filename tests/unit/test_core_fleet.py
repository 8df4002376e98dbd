"""Each switch has a task and an outbox of its own: what goes wrong with one ends its stream and touches no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_address

import pytest

from controller.core import switchtask as module
from controller.core.audits import AT_A_TIME, AuditReader, AuditTurns
from controller.core.cells import Cell
from controller.core.fleet import Fleet
from controller.core.switchtask import OUTBOX, SwitchTask
from controller.core.targets import Targets
from controller.plan.duty import PlanInput, world_of
from controller.plan.pins import PinBook
from controller.plan.tables import Tables
from controller.southbound.driver import Packet
from controller.southbound.errors import SwitchError, SwitchGone, SwitchTimeout, WriteRefused
from controller.spec.types import Intent, Role, Site, Switch, Vip
from tests.fakes.core import PlainDriver, SetClock, Watching, journal, play, until

LB1, LB2 = (Switch(f"lb{n}", "ovs", n, "east", frozenset({Role.LB}), f"02:45:56:01:00:0{n}") for n in (1, 2))
SHOP, API = (Vip(name, ip_address(f"10.0.0.10{n}"), "02:45:56:00:01:01", ("east",), ())
             for n, name in enumerate(("shop", "api")))  # fmt: skip
PACKET = Packet(b"a frame")


class Two:
    """A fleet of two switches."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.journal, self.said = journal()
        self.committed: Cell[PlanInput | None] = Cell("committed", None)
        self.commit(SHOP)
        self.fleet = Fleet(Targets(self.committed, PinBook()), self.journal, self.clock)
        self.committed.subscribe(self.fleet.wake)
        self.watching = Watching()
        self.drivers = {switch.name: PlainDriver(switch) for switch in (LB1, LB2)}

    def commit(self, *vips: Vip) -> None:
        intent = Intent((Site("east"),), (LB1, LB2), (), vips)
        self.committed.put(world_of(intent, Tables(), PinBook(), frozenset(), {}))

    def connect(self, name: str) -> SwitchTask:
        return self.fleet.connect(self.drivers[name], self.watching)

    def reconnect(self, name: str) -> SwitchTask:
        """A new stream of a switch that holds what it did."""
        old = self.drivers[name]
        self.drivers[name] = PlainDriver(old.switch)
        self.drivers[name].does.holds = old.does.holds
        return self.connect(name)

    def both(self) -> tuple[SwitchTask, SwitchTask]:
        return self.connect("lb1"), self.connect("lb2")

    async def synced(self, *tasks: SwitchTask) -> None:
        await until(lambda: all(task.synced for task in tasks), "synced")

    def run(self, story: Callable[[], Awaitable[None]]) -> None:
        play(story, self.fleet.run)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY", 0.005)


def test_a_switch_is_read_written_and_synced_and_follows_every_commit() -> None:
    it = Two()

    async def body() -> None:
        one, other = it.both()
        await it.synced(one, other)
        assert it.watching.seen[0] == ("found", "lb1")
        assert ("stale", "lb1") in it.watching.seen, "it came without anything"
        assert it.drivers["lb1"].does.holds == {"shop"}
        it.commit(SHOP, API)
        await until(lambda: it.drivers["lb2"].does.holds == {"shop", "api"}, "lb2 follows")
        await until(lambda: it.drivers["lb1"].does.holds == {"shop", "api"}, "lb1 follows")
        assert (one.writes, one.repairs) == (2, 0)
        assert {(e["switch"], e["added"]) for e in it.said.of("converged")} == {("lb1", 1), ("lb2", 1)}

    it.run(body)


def test_one_that_does_not_take_packets_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    it = Two()

    async def body() -> None:
        await it.synced(*it.both())
        it.drivers["lb1"].does.stuck = asyncio.Event()
        for _ in range(100):
            it.fleet.send("lb1", PACKET)
            it.fleet.send("lb2", PACKET)
        await until(lambda: len(it.drivers["lb2"].sent) == 100, "lb2 gets its packets")
        assert it.drivers["lb1"].sent == []
        it.commit(SHOP, API)
        await until(lambda: it.drivers["lb1"].does.holds == {"shop", "api"}, "lb1 is written meanwhile")
        assert it.drivers["lb1"].alive

    it.run(body)


def test_one_that_takes_no_packet_within_the_deadline_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEND_DEADLINE", 0.02)
    it = Two()

    async def body() -> None:
        await it.synced(*it.both())
        it.drivers["lb1"].does.stuck = asyncio.Event()
        it.fleet.send("lb1", PACKET)
        await until(lambda: it.drivers["lb1"].aborted, "it is cut")
        (said,) = it.said.of("switch_error")
        assert said == {"switch": "lb1", "error": "switch lb1 did not take a packet within 0.02 s"}
        assert it.drivers["lb2"].alive
        await it.synced(it.reconnect("lb1"))

    it.run(body)


def test_an_outbox_that_is_full_drops_and_counts() -> None:
    it = Two()

    async def body() -> None:
        one, other = it.both()
        await it.synced(one, other)
        it.drivers["lb1"].does.stuck = stuck = asyncio.Event()
        it.fleet.send("lb1", PACKET)
        await until(lambda: one._outbox.empty(), "the first is being sent")
        for _ in range(OUTBOX + 7):
            it.fleet.send("lb1", PACKET)
        assert (one.unsent, other.unsent) == (7, 0)
        stuck.set()
        await until(lambda: len(it.drivers["lb1"].sent) == OUTBOX + 1, "all others are sent")

    it.run(body)


@pytest.mark.parametrize("where", ["reads", "writes", "sends"])
def test_an_unexpected_error_of_a_driver_ends_its_stream_alone_and_is_said(where: str) -> None:
    it = Two()

    async def body() -> None:
        getattr(it.drivers["lb1"].does, where).append(ZeroDivisionError("a defect"))
        it.both()
        it.fleet.send("lb1", PACKET)
        await until(lambda: it.drivers["lb1"].aborted, "its stream is cut")
        (said,) = it.said.of("failure")
        assert (said["switch"], said["error"]) == ("lb1", "ZeroDivisionError: a defect")
        it.commit(SHOP, API)
        await until(lambda: it.drivers["lb2"].does.holds == {"shop", "api"}, "lb2 goes on")
        await it.synced(it.reconnect("lb1"))
        assert it.drivers["lb1"].does.holds == {"shop", "api"}

    it.run(body)


def test_a_switch_that_refuses_a_write_is_read_and_tried_again_and_shown_with_why() -> None:
    it = Two()

    async def body() -> None:
        it.drivers["lb1"].does.writes += [WriteRefused("lb1", ["table full"])] * 3
        one = it.connect("lb1")
        await until(lambda: one.problem, "it is shown")
        assert one.problem == "lb1 refused 1 messages: table full"
        await it.synced(one)
        assert (one.problem, one.writes) == ("", 4)
        assert len(it.said.of("switch_error")) == 3
        assert it.drivers["lb1"].aborted == 0

    it.run(body)


@pytest.mark.parametrize(("error", "aborts"), [(SwitchGone("gone"), 0), (SwitchTimeout("no answer"), 1)])
def test_a_switch_that_goes_or_answers_no_more_ends_its_own_stream(error: SwitchError, aborts: int) -> None:
    it = Two()

    async def body() -> None:
        it.drivers["lb1"].does.reads.append(error)
        one, other = it.both()
        await it.synced(other)
        await until(lambda: it.fleet._running[LB1.id].done(), "its task ends")
        assert (it.drivers["lb1"].aborted, one.synced) == (aborts, False)
        assert bool(it.said.of("switch_error")) is bool(aborts)
        assert it.said.of("failure") == []

    it.run(body)


def test_what_runs_beside_a_stream_ends_with_it_and_ends_it_if_it_fails() -> None:
    it = Two()
    ended: list[str] = []

    async def beside() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("beside")

    async def fails() -> None:
        raise ZeroDivisionError("a defect")

    async def body() -> None:
        one, other = it.both()
        await it.synced(one, other)
        one.spawn(beside())
        await asyncio.sleep(0)
        it.fleet.disconnect(LB1.id)
        await until(lambda: ended == ["beside"], "it ends")
        one.spawn(beside())
        other.spawn(fails())
        await until(lambda: it.drivers["lb2"].aborted, "the stream is cut")
        assert it.said.of("failure")[0]["switch"] == "lb2"

    it.run(body)


def test_nothing_that_is_run_beside_a_stream_in_the_moment_when_it_fails_harms_who_ran_it() -> None:
    """A commit runs things beside every stream: one that ends just then would have ended the controller."""
    it = Two()

    async def beside() -> None:
        await asyncio.Event().wait()

    async def fails() -> None:
        raise SwitchTimeout("it takes no packet")

    async def body() -> None:
        one = it.connect("lb1")
        await it.synced(one)
        one.spawn(fails())
        while not it.drivers["lb1"].aborted:
            one.spawn(beside())
            await asyncio.sleep(0)  # every round of the loop, so also those between the failure and the end
        one.spawn(beside())
        assert it.said.of("switch_error")[0]["error"] == "it takes no packet"

    it.run(body)


def test_an_audit_repairs_and_names_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    it = Two()
    monkeypatch.setattr(module, "AUDIT", 0.0)

    async def body() -> None:
        one = it.connect("lb1")
        await it.synced(one)
        it.drivers["lb1"].does.holds = frozenset({"rubbish"})
        await until(lambda: one.repairs, "it is noticed")
        await until(lambda: it.drivers["lb1"].does.holds == {"shop"}, "it is repaired")
        said = it.said.of("repaired")[0]
        assert said == {
            "switch": "lb1",
            "missing": 1,
            "modified": 0,
            "unexpected": 1,
            "what": ["rubbish", "shop"],
        }

    it.run(body)


def test_a_change_does_not_wait_for_an_audit_and_the_next_audit_is_not_disturbed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = Two()
    monkeypatch.setattr(module, "AUDIT", 0.0)

    async def body() -> None:
        one, driver = it.connect("lb1"), it.drivers["lb1"]
        await it.synced(one)
        reads: list[asyncio.Event] = []

        async def slow() -> frozenset[str]:
            reads.append(asyncio.Event())
            await reads[-1].wait()
            return driver.does.holds

        monkeypatch.setattr(driver, "read", slow)
        await until(lambda: len(reads) == 1, "it is audited")
        it.commit(SHOP, API)
        await until(lambda: driver.does.holds == {"shop", "api"}, "the change is written meanwhile")
        await until(lambda: len(reads) == 2, "it is audited again")
        it.commit(SHOP)
        for _ in range(20):
            await asyncio.sleep(0)
        assert driver.does.holds == {"shop", "api"}
        reads[1].set()
        await until(lambda: driver.does.holds == {"shop"}, "the change is written after the audit")

    it.run(body)


def test_an_audit_goes_on_when_nothing_had_to_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    it = Two()
    monkeypatch.setattr(module, "AUDIT", 0.0)

    async def body() -> None:
        one, driver = it.connect("lb1"), it.drivers["lb1"]
        await it.synced(one)
        reading, woken = asyncio.Event(), asyncio.Event()

        async def slow() -> frozenset[str]:
            reading.set()
            await woken.wait()
            return frozenset({"rubbish"})

        monkeypatch.setattr(driver, "read", slow)
        await reading.wait()
        it.commit(SHOP)
        await until(lambda: not one.wake.is_set(), "the plan is followed")
        woken.set()
        await until(lambda: one.repairs, "what was read counts")

    it.run(body)


def test_a_switch_that_leaves_during_an_audit_is_emptied_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    it = Two()
    monkeypatch.setattr(module, "AUDIT", 0.0)

    async def body() -> None:
        one, driver = it.connect("lb1"), it.drivers["lb1"]
        await it.synced(one)
        reading = asyncio.Event()

        async def never() -> frozenset[str]:
            reading.set()
            await asyncio.Event().wait()
            return frozenset()

        monkeypatch.setattr(driver, "read", never)
        await reading.wait()
        one.leaving = True
        one.wake.set()
        await until(lambda: not driver.does.holds, "it is emptied")

    it.run(body)


def test_few_switches_are_read_for_audits_at_a_time() -> None:
    async def body() -> None:
        turns, wake, go = AuditTurns(), asyncio.Event(), asyncio.Event()
        now = most = 0

        async def read() -> str:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await go.wait()
            now -= 1
            return "found"

        async def follow() -> bool:
            return False

        readers = [AuditReader(turns) for _ in range(3 * AT_A_TIME)]
        tasks = [asyncio.create_task(reader.read(read, wake, follow)) for reader in readers]
        await until(lambda: now == AT_A_TIME, "some read")
        go.set()
        assert await asyncio.gather(*tasks) == ["found"] * len(tasks)
        assert most == AT_A_TIME

    asyncio.run(body())


def test_a_switch_that_leaves_is_emptied_and_then_let_go() -> None:
    it = Two()

    async def body() -> None:
        one = it.connect("lb1")
        await it.synced(one)
        one.leaving = True
        one.wake.set()
        await until(lambda: ("emptied", "lb1") in it.watching.seen, "it is emptied")
        assert it.drivers["lb1"].does.holds == frozenset()
        assert it.said.of("switch_emptied") == [{"switch": "lb1"}]

    it.run(body)


def test_leases_are_renewed_for_what_is_left_of_their_deadlines() -> None:
    it = Two()

    async def body() -> None:
        await it.synced(*it.both())
        now = it.clock.now()
        it.fleet.renew({1: now + 30.0, 2: now - 1.0})
        await until(lambda: all(d.renewed for d in it.drivers.values()), "renewed")
        assert it.drivers["lb1"].renewed == [{1: 30.0}], "what has run out is not renewed"

    it.run(body)


def test_a_newer_stream_takes_the_place_of_an_older_one_which_is_cut() -> None:
    it = Two()

    async def body() -> None:
        await it.synced(it.connect("lb1"))
        old = it.drivers["lb1"]
        again = it.reconnect("lb1")
        assert (old.aborted, it.fleet.named("lb1")) == (1, again)
        await it.synced(again)
        assert it.fleet.of_session(old.stream) is None

    it.run(body)


def test_a_renamed_switch_keeps_its_stream_and_its_task() -> None:
    it = Two()

    async def body() -> None:
        one, other = it.both()
        await it.synced(one, other)
        one.driver.switch, other.driver.switch = replace(LB1, name="lb2"), replace(LB2, name="lb1")
        assert (it.fleet.named("lb2"), it.fleet.named("lb1")) == (one, other)
        it.fleet.send("lb2", PACKET)
        await until(lambda: it.drivers["lb1"].sent, "sent")
        it.fleet.disconnect(LB1.id)
        await until(lambda: not one._beside, "the right task ends")
        assert it.drivers["lb2"].alive

    it.run(body)
