"""What an agent sees of servers reaches controllers: whole, then changes, over a path that works; and no strangers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.agent import observing
from controller.agent import peer_pb2 as wire
from controller.agent.observers import Observers
from controller.agent.observing import Observed, observed
from controller.agent.peering import MESSAGE, OBSERVERS, Hears, Peering
from controller.agent.watching import Watching
from controller.core.cells import Cell
from controller.health.judge import Verdict
from controller.health.places import Seen, View
from controller.health.result import Outcome, ProbeResult
from controller.health.service import HealthService
from controller.health.targets import BackendRef
from controller.security.certificates import Role, Subject
from controller.security.credentials import Credentials, Paths
from controller.security.pki import Pki
from controller.spec.agents import Agent
from controller.spec.types import Intent, Site
from tests.fakes.core import SetClock, journal, loaded, until
from tests.fakes.probes import Asked
from tests.fakes.process import free_port

REFS = st.tuples(st.sampled_from(["web", "api"]), st.sampled_from([f"s{n}" for n in range(6)]))
VIEWS = st.builds(
    View,
    st.dictionaries(REFS, st.builds(Seen, st.booleans(), st.sampled_from(["", "timeout"]))),
    st.sampled_from(["", "all fail"]),
)


class Seeing:
    """In the place of ``Watching``: says what a test has it say."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.sent = 0
        self.news: list[asyncio.Event] = []

    def listen(self) -> asyncio.Event:
        self.news.append(asyncio.Event())
        return self.news[-1]

    def ignore(self, event: asyncio.Event) -> None:
        self.news.remove(event)

    def say(self, view: View) -> None:
        self.view = view
        for event in self.news:
            event.set()


@settings(max_examples=60, deadline=None)
@given(st.lists(VIEWS, min_size=1, max_size=6))
def test_what_is_taken_together_is_what_was_said(views: list[View]) -> None:
    async def body() -> None:
        seeing, taken = Seeing(views[0]), Observed()
        stream = observed(seeing)  # type: ignore[arg-type]
        for view in views:
            before = taken.view
            seeing.say(view)
            while (found := taken.take(await anext(stream))) is None:
                pass
            assert found[0] == view
            differing = {
                ref
                for ref in view.verdicts.keys() | before.verdicts.keys()
                if view.verdicts.get(ref) != before.verdicts.get(ref)
            }
            assert found[1] is None or differing <= found[1]
        await stream.aclose()
        assert not seeing.news

    with patch.object(observing, "TOGETHER", 0.0):
        asyncio.run(body())


def test_ten_thousand_servers_are_told_in_messages_of_which_each_has_room() -> None:
    async def body() -> None:
        long = Seen(False, "x" * 5000)
        view = View({("p" * 63, f"{n:063}"): long for n in range(10_000)}, "d" * 5000)
        stream, taken = observed(Seeing(view)), Observed()  # type: ignore[arg-type]
        while True:
            message = await anext(stream)
            assert message.ByteSize() < MESSAGE
            found = taken.take(message)
            if found is not None:
                break
        assert found[0].verdicts.keys() == view.verdicts.keys()
        assert found[1] is None
        await stream.aclose()

    asyncio.run(body())


class Hearing:
    """What a controller heard."""

    def __init__(self) -> None:
        self.views: dict[str, View] = {}
        self.messages = 0
        self.on_forget: Callable[[], None] = lambda: None
        self.dialled = False

    def dial(self) -> None:
        self.dialled = True

    def take(self, agent: str, view: View, changed: frozenset[BackendRef] | None) -> None:
        self.messages += 1
        self.views[agent] = view


class Side:
    """An agent that says what it sees."""

    def __init__(self, name: str, tls: Credentials | None = None) -> None:
        self.name, self.address = name, f"127.0.0.1:{free_port()}"
        self.seeing = Seeing(View({("web", "s1"): Seen(True)}))
        hears = Hears()
        hears.observe = lambda: observed(self.seeing)  # type: ignore[arg-type]
        self.peering = Peering(name, hears, lambda: None, journal()[0], tls)  # type: ignore[arg-type,return-value]
        self.peering.use((self.address,), {}, 1.0)


@asynccontextmanager
async def running(*parts: object) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(part.run()) for part in parts]  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def naming(agents: Mapping[str, tuple[str, ...]]) -> Cell[Intent]:
    site = Site("east", agents=tuple(Agent(name, peers) for name, peers in agents.items()))
    return Cell("intent", Intent((site,), (), (), ()))


def test_a_controller_hears_all_agents_over_the_path_that_works_and_again_after_a_pause() -> None:
    async def body() -> None:
        east, west, heard = Side("east1"), Side("west1"), Hearing()
        dead = f"127.0.0.1:{free_port()}"
        intent = naming({"east1": (dead, east.address), "west1": (west.address,)})
        observers = Observers(intent, heard, "ctl", None)
        assert heard.dialled
        async with running(east.peering, west.peering, observers):
            await until(lambda: heard.views.keys() == {"east1", "west1"}, "both are heard")
            down = View({("web", "s1"): Seen(False, "refused")})
            east.seeing.say(down)
            await until(lambda: heard.views["east1"] == down, "the change is heard")
            count = heard.messages
            await until(lambda: heard.messages > count, "beats are heard")
            heard.views.clear()
            former = list(east.seeing.news)
            heard.on_forget()
            await until(lambda: heard.views.keys() == {"east1", "west1"}, "all begins again")
            await until(lambda: not set(former) & set(east.seeing.news), "the former stream has ended")
            intent.put(naming({"west1": (west.address,)}).value)
            await until(lambda: not east.seeing.news, "one that the intent does not name is left alone")

    asyncio.run(body())


def test_an_agent_that_begins_again_is_heard_again() -> None:
    async def body() -> None:
        east, heard = Side("east1"), Hearing()
        observers = Observers(naming({"east1": (east.address,)}), heard, "ctl", None)
        async with running(observers):
            async with running(east.peering):
                await until(lambda: heard.views, "it is heard")
            heard.views.clear()
            again = Side("east1")
            again.address = east.address
            again.peering.use((again.address,), {}, 1.0)
            async with running(again.peering):
                await until(lambda: heard.views, "it is heard again")

    asyncio.run(body())


def test_more_observers_than_there_is_room_for_are_refused() -> None:
    async def body() -> None:
        east = Side("east1")
        crowd = [Hearing() for _ in range(OBSERVERS + 1)]
        parts = [Observers(naming({"east1": (east.address,)}), one, "ctl", None) for one in crowd]
        async with running(east.peering, *parts):
            await until(lambda: sum(bool(one.views) for one in crowd) == OBSERVERS, "those that have room")
            assert len(east.seeing.news) <= OBSERVERS

    asyncio.run(body())


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    made = Pki(tmp_path / "pki", datetime.now(UTC))
    made.init("evenkeel")
    made.issue(Subject("east1", Role.CONTROLLER, ("127.0.0.1",)))
    made.issue(Subject("ctl1", Role.CONTROLLER, ("127.0.0.1",)))
    made.issue(Subject("sw1", Role.SWITCH, ("127.0.0.1",)))
    return made


def shows(pki: Pki, name: str) -> Credentials:
    return Credentials(Paths(pki.folder / f"{name}.pem", pki.folder / f"{name}.key", pki.folder / "ca.pem"))


def test_a_controller_is_known_by_its_certificate_and_a_switch_is_told_nothing(pki: Pki) -> None:
    async def body() -> None:
        east = Side("east1", shows(pki, "east1"))
        good, switch, open_ = Hearing(), Hearing(), Hearing()
        at = {"east1": (east.address,)}
        parts = [
            Observers(naming(at), good, "ctl1", shows(pki, "ctl1")),
            Observers(naming(at), switch, "sw1", shows(pki, "sw1")),
            Observers(naming(at), open_, "ctl1", None),
        ]
        async with running(east.peering, *parts):
            await until(lambda: good.messages > 2, "the controller is told")
            assert not switch.messages
            assert not open_.messages

    asyncio.run(body())


def test_one_that_poses_as_an_agent_is_not_believed(pki: Pki) -> None:
    async def body() -> None:
        false, east, heard = Side("west1", shows(pki, "ctl1")), Side("east1", shows(pki, "east1")), Hearing()
        agents = {"east1": (east.address,), "west1": (false.address,)}
        observers = Observers(naming(agents), heard, "ctl1", shows(pki, "ctl1"))
        async with running(false.peering, east.peering, observers):
            await until(lambda: heard.messages > 3, "the real one is heard")
            assert heard.views.keys() == {"east1"}

    asyncio.run(body())


# -- what an agent sees -----------------------------------------------------------------------------------------


class Probes:
    """An agent's watching whose probes a test answers."""

    def __init__(self) -> None:
        self.made: list[Asked] = []
        self.watching = Watching(journal()[0], SetClock(), self._service)

    def _service(
        self, take: Callable[[list[Verdict]], None], problem: Callable[[str], None]
    ) -> HealthService:
        def prober(deliver: Callable[[list[ProbeResult]], None], said: Callable[[str], None]) -> Asked:
            self.made.append(Asked(deliver, said))
            return self.made[-1]

        return HealthService(take, now=lambda: 0.0, on_problem=problem, prober=prober, patient=True)

    @property
    def asked(self) -> Asked:
        return self.made[0]

    @property
    def up(self) -> list[bool]:
        return sorted(seen.up for seen in self.watching.view.verdicts.values())


def test_an_agent_says_only_verdicts_that_are_its_own_and_of_now() -> None:
    async def body() -> None:
        it = Probes()
        it.watching.follow(loaded("two-site-small"))
        async with running(it.watching):
            await until(lambda: it.asked.probes, "the servers are probed")
            await until(lambda: not it.watching.view.doubt, "a prober runs")
            count = it.watching.servers
            assert it.watching.view.verdicts == {}
            it.asked.answer(Outcome.FAIL, *it.asked.probes)
            assert it.watching.view.verdicts == {}, "one probe is no verdict"
            it.asked.answer(Outcome.PASS, *it.asked.probes)
            it.asked.answer(Outcome.PASS, *it.asked.probes)
            assert it.up == [True] * count
            dead = [each for each in it.asked.probes if each.address == it.asked.probes[0].address]
            for _ in range(3):
                it.asked.answer(Outcome.FAIL, *dead)
            assert it.up == [False] + [True] * (count - 1)
            it.watching.doubt()
            assert it.up == [True] * (count - 1), "it may have come back while nothing was heard"
            it.asked.answer(Outcome.FAIL, *dead)
            assert it.up == [False] + [True] * (count - 1)
            for _ in range(3):
                it.asked.answer(Outcome.LOCAL, *dead)
            await until(lambda: it.up == [True] * (count - 1), "what cannot be asked is not known")
            it.asked.pid = None
            await until(lambda: it.watching.view.doubt, "without a prober nothing counts")

    asyncio.run(body())


def test_places_that_all_servers_fail_from_doubt_themselves() -> None:
    async def body() -> None:
        it = Probes()
        it.watching.follow(loaded("two-site-small"))
        async with running(it.watching):
            await until(lambda: it.asked.probes and not it.watching.view.doubt, "servers are probed")
            for _ in range(2):
                it.asked.answer(Outcome.PASS, *it.asked.probes)
            for _ in range(3):
                it.asked.answer(Outcome.FAIL, *it.asked.probes)
            await until(lambda: "fail at once" in it.watching.view.doubt, "it doubts itself")
            assert not [seen for seen in it.watching.view.verdicts.values() if not seen.up]

    asyncio.run(body())


def test_a_message_that_knows_no_verdict_is_no_verdict() -> None:
    taken = Observed()
    whole = wire.ObservedMessage(begins=True, ends=True, changes=[wire.Observation(pool="web", backend="s1")])
    assert taken.take(whole) == (View(), None)
