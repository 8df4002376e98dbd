"""Servers that are asked about themselves: real sockets, and what a controller makes of the answers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

import pytest

from controller.health.asking import patience, questions
from controller.health.reply import MOST_OCTETS
from controller.health.result import Outcome
from controller.health.targets import Probe
from controller.plan.pool import UNCONFIRMED
from controller.spec.health import ProbeKind
from controller.spec.policy import Amount, Budget
from controller.spec.serveragent import AgentCheck
from controller.spec.switch import Fate
from controller.spec.types import Pool
from tests.fakes.core import SetClock, Whole, whole
from tests.fakes.weights import KEY, POOL, answers, edited, fate, file_of, probes, slots, up, weighed
from tests.unit.test_health_probes import Answer, Handler, ask, http, probe, run, serving, silent

AGENT = AgentCheck(9999)


def sends(*pieces: bytes, stays: bool = False) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if stays:
            await reader.read()

    return handle


@pytest.mark.parametrize(
    ("handler", "answer"),
    [
        (sends(b"75%\n"), (Outcome.PASS, "75%\n")),
        (sends(b"dra", b"in\n", stays=True), (Outcome.PASS, "drain\n")),
        (sends(b"up"), (Outcome.PASS, "up")),
        (sends(b"\n", b"up\nmore\n", stays=True), (Outcome.PASS, "\nup\nmore\n")),
        (sends(), (Outcome.FAIL, "closed without an answer")),
        (sends(b"x" * 5000, stays=True), (Outcome.PASS, "x" * MOST_OCTETS)),
    ],
)
def test_a_line_is_read_from_a_connection(handler: Handler, answer: Answer) -> None:
    async def main() -> Answer:
        async with serving(handler) as port:
            return await ask(probe(ProbeKind.TCP, port, reads=MOST_OCTETS))

    assert run(main()) == answer


@pytest.mark.parametrize("handler", [silent, sends(b"no line", stays=True)])
def test_an_answer_has_a_deadline(handler: Handler) -> None:
    async def main() -> Answer:
        async with serving(handler) as port:
            return await ask(probe(ProbeKind.TCP, port, timeout=0.1, reads=MOST_OCTETS))

    assert run(main()) == (Outcome.FAIL, "timeout after 100 ms while waiting for the answer")


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n17\n", (Outcome.PASS, "17\n")),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"1" * 5000, (Outcome.PASS, "1" * MOST_OCTETS)),
        (b"HTTP/1.1 503 Busy\r\n\r\n17", (Outcome.FAIL, "status 503 not in 200-299")),
    ],
)
def test_a_gauge_is_read_from_the_body(response: bytes, answer: Answer) -> None:
    async def main() -> Answer:
        async with serving(http(response)) as port:
            return await ask(
                probe(ProbeKind.HTTP, port, reads=MOST_OCTETS, statuses=((200, 299),), path="/connections")
            )

    assert run(main()) == answer


@pytest.fixture
def core(tmp_path: Path) -> Whole:
    return weighed(tmp_path / "intent.yaml", agent=AGENT)


def test_a_share_of_its_weight_is_what_a_server_asks_for(core: Whole) -> None:
    answers(core, "50%", "s1")
    found = slots(core)
    assert found["s2"] == pytest.approx(found["s3"], abs=1)
    assert found["s1"] == pytest.approx(found["s2"] / 2, abs=1)
    assert fate(core, "s1") is Fate.NORMAL
    core.clock.time += 10.0
    answers(core, "100%", "s1")
    assert max(slots(core).values()) - min(slots(core).values()) <= 1


def test_shares_that_change_all_the_time_do_not_move_slots_all_the_time(core: Whole) -> None:
    moved = []
    for second in range(60):
        core.clock.time += 1.0
        before = slots(core)
        answers(core, f"{50 + 20 * (second % 3)}%", "s1")
        due = core.app.tuning.deadline()
        if due is not None and due <= core.clock.time:
            core.app.tuning.step()
        if slots(core) != before:
            moved.append(core.clock.time)
    assert 2 <= len(moved) <= 7
    assert all(later - earlier >= 10.0 for earlier, later in pairwise(moved))


def test_a_small_difference_is_none_and_the_last_word_is_taken_in_time(core: Whole) -> None:
    answers(core, "50%", "s1")
    before = slots(core)
    core.clock.time += 20.0
    answers(core, "53%", "s1")
    assert slots(core) == before
    assert core.app.tuning.deadline() is None
    answers(core, "80%", "s1")
    answers(core, "60%", "s1")
    assert core.app.state.tables.value.tuned[POOL]["s1"].percent == 80
    due = core.app.tuning.deadline()
    assert due == core.clock.time + 10.0
    answers(core, "0%", "s1")
    assert slots(core)["s1"] == 0, "that does not wait"
    answers(core, "60%", "s1")
    core.clock.time = due
    core.app.tuning.step()
    assert core.app.state.tables.value.tuned[POOL]["s1"].percent == 60


@pytest.mark.parametrize("word", ["drain", "maint", "0%"])
def test_a_server_that_drains_itself_keeps_its_connections(core: Whole, word: str) -> None:
    answers(core, word, "s1")
    assert (slots(core)["s1"], fate(core, "s1"), up(core, "s1")) == (0, Fate.DRAIN, True)
    answers(core, "ready 100%", "s1")
    assert slots(core)["s1"] > 0
    assert fate(core, "s1") is Fate.NORMAL


@pytest.mark.parametrize("word", ["down", "fail", "stopped"])
def test_a_server_that_says_it_is_down_is_as_one_that_fails_its_probes(core: Whole, word: str) -> None:
    answers(core, f"{word} # disk full", "s1")
    verdict = core.app.state.verdicts.value[POOL]["s1"]
    assert (verdict.up, verdict.reason) == (False, f"its agent says {word}: disk full")
    assert (slots(core)["s1"], fate(core, "s1")) == (0, Fate.DRAIN)
    core.clock.time += 10.0
    core.app.pools.step()
    assert fate(core, "s1") is Fate.MOVE, "on_down of TCP gives connections away after 10 s"
    answers(core, "up", "s1")
    assert up(core, "s1")
    assert [row["up"] for row in core.said.of("verdict") if row["backend"] == "s1"] == [True, False, True]


def test_up_does_not_overrule_probes(core: Whole) -> None:
    answers(core, "down", "s1")
    core.clock.time += 1.0
    probes(core, s1=False)
    answers(core, "up", "s1")
    assert not up(core, "s1")
    assert core.app.state.verdicts.value[POOL]["s1"].reason == "probed"
    probes(core, s1=True)
    assert up(core, "s1")


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.LOCAL])
def test_a_server_that_does_not_answer_stays_what_it_said_and_that_is_shown(
    core: Whole, outcome: Outcome
) -> None:
    answers(core, "50%", "s1")
    before = slots(core)
    core.clock.time += patience(AGENT) + 0.1
    answers(core, "connect refused", "s1", outcome=outcome)
    core.app.servers.look()
    assert slots(core) == before
    assert up(core, "s1")
    shown = core.app.snapshot().pools[KEY].backends["s1"]
    assert shown.agent is not None
    assert (shown.agent.says, shown.agent.silent, shown.agent.age) == ("50%", True, 16.1)
    assert (shown.factor, shown.factor_why) == (0.5, "50% by its agent")
    assert "connect refused" in shown.agent.problem
    answers(core, "50%", "s1")
    core.app.servers.look()
    heard = [each["backend"] for each in core.said.of("server_heard")]
    assert ("s1" in [each["backend"] for each in core.said.of("server_silent")], heard) == (True, ["s1"])


def test_words_that_mean_nothing_change_nothing_and_are_shown(core: Whole) -> None:
    before = slots(core)
    answers(core, "220 smtp.example ESMTP", "s1")
    assert slots(core) == before
    agent = core.app.snapshot().pools[KEY].backends["s1"].agent
    assert agent is not None
    assert agent.age is None
    assert "no word of HAProxy's agent protocol" in agent.problem


def test_a_controller_that_starts_believes_what_was_said_until_it_hears_otherwise(
    tmp_path: Path, core: Whole
) -> None:
    answers(core, "down # full", "s1")
    answers(core, "drain", "s2")
    asyncio.run(core.app.state.commit())
    then = slots(core)
    clock = SetClock(core.clock.time + 5.0)
    again = weighed(tmp_path / "again.yaml", core.store, clock, begun=True, probed=False, agent=AGENT)
    assert slots(again) == then
    verdict = again.app.state.verdicts.value[POOL]["s1"]
    assert (verdict.up, verdict.confirmed) == (False, UNCONFIRMED)
    probes(again, s1=True)
    assert not up(again, "s1"), "its agent has not taken it back"
    answers(again, "up", "s1")
    assert up(again, "s1")


def test_without_the_key_nothing_that_was_said_counts(core: Whole) -> None:
    answers(core, "drain", "s1")
    without = edited(core.app.state.intent.value, lambda pool: replace(pool, agent=None))
    assert core.app.intents.propose(without) == []
    assert slots(core)["s1"] > 0
    assert core.app.state.told.value == {}


def test_a_drained_server_counts_as_unavailable(core: Whole) -> None:
    answers(core, "drain", "s1")
    budget = Budget(max_unavailable=Amount(1.0))
    bounded = edited(core.app.state.intent.value, lambda pool: replace(pool, budget=budget))
    assert core.app.intents.propose(bounded) == []

    def drained(pool: Pool) -> Pool:
        reals = (replace(real, drain=real.name == "s2") for real in pool.backends)
        return replace(pool, backends=tuple(reals))

    (why,) = core.app.intents.propose(edited(bounded, drained))
    assert "2 of 3 backends would take no new connections (s1, s2)" in why


def test_answers_of_real_servers_reach_the_controller(tmp_path: Path) -> None:
    """By the process that asks, from a socket to what was said."""

    async def main() -> str:
        async with serving(sends(b"75% drain # for a while\n")) as port:
            agent = AgentCheck(port, interval=0.1, timeout=0.1)

            def change(pool: Pool) -> Pool:
                reals = tuple(replace(real, addresses=(ip_address("127.0.0.1"),)) for real in pool.backends)
                return replace(pool, agent=agent, backends=reals)

            core = whole(file_of(tmp_path / "intent.yaml", change), begun=False)
            heard = asyncio.Event()
            core.app.state.told.subscribe(heard.set)
            task = asyncio.create_task(core.app.servers.run(lambda: True))
            try:
                await heard.wait()
                return str(core.app.state.told.value[POOL]["s1"])
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    assert run(main()).startswith("Told(percent=75, drain=True, down=''")


def test_servers_of_pools_in_use_are_asked(core: Whole) -> None:
    asked = questions(core.app.state.intent.value)
    assert all(isinstance(each, Probe) and each.reads == MOST_OCTETS for each in asked)
    assert {ref for refs in asked.values() for ref in refs} == {(POOL, name) for name in ("s1", "s2", "s3")}
