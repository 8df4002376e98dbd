"""Agents on one machine hear each other, and only those that the intent names."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import grpc
import pytest

from controller.agent import peer_pb2 as wire
from controller.agent.peering import SERVICE, Hears, Peering
from controller.agent.peerwire import Word, pack_ask, pack_beat, pack_reply, read_ask, read_beat, read_reply
from controller.sites.fitness import SiteReport
from controller.sites.heartbeats import Beat
from controller.sites.leasestate import Ask, Record, Reply, Seen
from tests.fakes.core import journal, play, until

REPORT = SiteReport("a", store=True, edges=(1, 2), fences=(1, 1), lbs=(3, 4))
RECORD = Record("east", "a", "a.1", 4, 7, 0.8, ("b", "c"))
KEY = "owner/02:45:56:00:01:01"


def word(name: str, number: int = 1) -> Word:
    return Word(Beat("east", name, f"{name}.1", number, frozenset({KEY})), True, replace(REPORT, leader=name))


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


class One:
    """One agent: what it heard, and what it answers."""

    def __init__(self, name: str) -> None:
        self.name, self.address = name, free_address()
        self.heard: list[tuple[Word, str]] = []
        self.asked: list[tuple[str, Ask]] = []
        self.number = 0
        hears = Hears()
        hears.beat, hears.ask = lambda said, path: self.heard.append((said, path)), self._asked
        written, self.said = journal()
        self.peering = Peering(name, hears, self._say, written, None)

    def knows(self, *others: One) -> None:
        self.peering.use((self.address,), {each.name: (each.address,) for each in others}, 0.02)

    def _say(self) -> Word:
        self.number += 1
        return word(self.name, self.number)

    async def _asked(self, key: str, question: Ask) -> Reply | None:
        self.asked.append((key, question))
        if key != KEY:
            return None
        return Reply("a.1", question.number, self.name, True, Seen(9, RECORD, 0.0))


def test_messages_are_what_was_said() -> None:
    said = word("a")
    assert read_beat(pack_beat(said, "127.0.0.1:1")) == said
    question = Ask(3, ("b",), Seen(9, RECORD, 5.0))
    read = read_ask(pack_ask("a", KEY, question), "b")
    assert read == question._replace(seen=question.seen._replace(stamp=float("-inf")))
    for seen in (None, Seen(4, None, float("-inf")), Seen(9, RECORD, float("-inf"))):
        reply = Reply("a.1", 3, "b", False, seen)
        assert read_reply(pack_reply(reply), KEY) == reply
    damaged = wire.AskMessage(agent="a", group=KEY, number=1)
    damaged.seen.record = b"{"
    with pytest.raises(ValueError, match="is no lease of ours"):
        read_ask(damaged, "b")


def test_agents_hear_each_other_and_again_after_one_was_away() -> None:
    a, b = One("a"), One("b")

    async def body() -> None:
        a.knows(b)
        b.knows(a)
        await until(lambda: len(a.heard) > 3 and len(b.heard) > 3, "both hear")
        assert {(said.beat.controller, path) for said, path in a.heard} == {("b", a.address)}
        numbers = [said.beat.number for said, _ in a.heard]
        assert numbers == sorted(numbers)
        replies = [reply async for reply in a.peering.ask(KEY, Ask(1, ("b",), Seen(9, RECORD, 0.0)))]
        assert [(reply.name, reply.promised) for reply in replies] == [("b", True)]
        assert b.asked[0][1].seen.record == RECORD
        assert not [each async for each in a.peering.ask("owner/other", Ask(2, ("b",), Seen(9, RECORD, 0.0)))]
        away = asyncio.ensure_future(_without(b))
        await away
        count = len(a.heard)
        b.knows(a)
        await until(lambda: len(a.heard) > count + 3, "it is heard again")

    play(body, a.peering.run, b.peering.run)


async def _without(one: One) -> None:
    """It is told of no others, and says nothing."""
    one.peering.use((), {}, 0.02)
    before = one.number
    await asyncio.sleep(0.1)
    assert one.number <= before + 2


def test_who_is_not_named_is_not_heard() -> None:
    a, b, stranger = One("a"), One("b"), One("stranger")

    async def body() -> None:
        a.knows(b)
        b.knows(a)
        stranger.knows(a)
        await until(lambda: a.heard and stranger.number > 1)
        async with grpc.aio.insecure_channel(a.address) as channel:
            ask = channel.unary_unary(
                f"/{SERVICE}/Promise",
                request_serializer=wire.AskMessage.SerializeToString,
                response_deserializer=wire.ReplyMessage.FromString,
            )
            with pytest.raises(grpc.aio.AioRpcError, match="no agent is called 'stranger' here"):
                await ask(wire.AskMessage(agent="stranger", group=KEY), timeout=10)
        assert {said.beat.controller for said, _ in a.heard} == {"b"}

    play(body, a.peering.run, b.peering.run, stranger.peering.run)


def test_an_address_that_is_not_here_is_said_and_tried_again() -> None:
    one = One("a")

    async def body() -> None:
        one.peering.use(("192.0.2.1:7654",), {}, 0.02)
        await until(lambda: one.peering.problem)
        assert "192.0.2.1:7654: cannot be listened on" in one.said.of("peer_problem")[0]["why"]

    play(body, one.peering.run)
