"""What agents hear of each other, and controllers of agents: messages of one that means harm."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from controller.agent import peer_pb2 as wire
from controller.agent.facts import Facts
from controller.agent.observing import Observed
from controller.agent.owning import Owning
from controller.agent.peering import Hears, Peering
from controller.agent.peerwire import Word, pack_ask, pack_beat, pack_reply, read_reply
from controller.core.journal import Journal
from controller.sites.fitness import SiteReport
from controller.sites.heartbeats import Beat, Heartbeats
from controller.sites.leasestate import Ask, Me, Record, Reply, Seen
from controller.sites.orders import Orders
from tests.fakes.core import Said
from tests.fuzz.messages import changed
from tests.fuzz.outcomes import shape
from tests.fuzz.target import Target
from tests.unit.test_agent_owning import KEYS, intent

OWN = "e1:1"
_KINDS: tuple[Any, ...] = (wire.BeatMessage, wire.AskMessage, wire.ReplyMessage, wire.ObservedMessage)
_TEXTS = ("east", "west", "e1", "e2", "w1", "w2", OWN, *KEYS.values(), "shop", "b1", "w1.1")


class PeerMessages(Target):
    """First octet: which message the rest is."""

    name = "peer"
    modules = (
        "controller/agent/peerwire.py",
        "controller/agent/observing.py",
        "controller/agent/owning.py",
        "controller/sites/heartbeats.py",
        "controller/sites/promise.py",
        "controller/sites/leasestate.py",
    )
    seconds = 3.0

    def begin(self) -> None:
        """An agent between three others."""
        hears = Hears()
        hears.beat, hears.ask = self._beat, self._ask
        self._peering = Peering("e1", hears, self._word, Journal(Said()), None)
        others = {name: (f"{name}:1",) for name in ("e2", "w1", "w2")}
        self._peering.use((OWN,), others, 0.1)
        self._beats, self._observed = Heartbeats(), Observed()
        self._owning = Owning(Me("east", "e1", "e1.1"), 0.0)
        self._owning.follow(Facts(intent(), Orders(), {"shop": 1, "api": 2, "own": 3}), 0.0)
        self._owning.started({}, 1, 0.0)
        self._now = 0.0

    def seeds(self) -> list[bytes]:
        """What agents in order say."""
        record = Record("west", "w1", "w1.1", 4, 7, 0.8, ("w2", "e1"))
        key = KEYS["shop"]
        asks = [pack_ask("w1", each, Ask(3, ("e1",), Seen(9, record, 5.0))) for each in KEYS.values()]
        replies = [
            pack_reply(Reply("e1.1", 3, "w1", True, seen))
            for seen in (None, Seen(4, None, 0.0), Seen(9, record, 0.0))
        ]
        seen = [
            wire.Observation(pool="shop", backend=each, verdict=wire.UP, reason="") for each in ("b1", "b2")
        ]
        beat = Beat("west", "w1", "w1.1", 5, frozenset({key}))
        said = Word(beat, True, SiteReport("w1", store=True, edges=(1, 1), fences=(1, 1), lbs=(2, 2)))
        messages: list[Any] = [
            pack_beat(said, OWN),
            *asks,
            *replies,
            wire.ObservedMessage(begins=True, ends=True, changes=seen),
            wire.ObservedMessage(ends=True, changes=seen[:1], doubt="none"),
        ]
        return [bytes([_KINDS.index(type(each))]) + each.SerializeToString() for each in messages]

    def mutate(self, chance: Random, data: bytes, other: bytes) -> bytes:
        """A message of its kind."""
        which = data[0] % len(_KINDS) if data else 0
        second = other[1:] if other[:1] == data[:1] else b""
        return bytes([which]) + changed(chance, _KINDS[which], data[1:], second, _TEXTS)

    def feed(self, data: bytes) -> str:
        """As the server, or who asked, takes it."""
        self._now += 0.01
        kind = _KINDS[data[0] % len(_KINDS) if data else 0]
        try:
            message = kind.FromString(data[1:])
        except DecodeError:
            return "no message"
        try:
            said = self._took(message)
        except (_Aborted, ValueError) as error:
            return shape(f"{kind.__name__}: {error}")
        assert len(self._beats.arrivals) <= 3
        assert len(self._beats.beats) <= 3
        return f"{kind.__name__}: {said}"

    def _took(self, message: Any) -> str:
        context = _Context()
        match message:
            case wire.BeatMessage():
                return str(bool(_LOOP.run_until_complete(self._peering._hear(_one(message), context))))
            case wire.AskMessage():
                reply = _LOOP.run_until_complete(self._peering._promise(message, context))
                return f"promised {reply.promised}"
            case wire.ReplyMessage():
                key = KEYS["shop"]
                acts = self._owning.promised(key, read_reply(message, key), self._now)
                return f"{[type(action).__name__ for _, action in acts]}"
        taken = self._observed.take(message)
        return "more" if taken is None else f"{len(taken[0].verdicts)} servers"

    def _beat(self, said: Word, path: str) -> None:
        self._beats = self._beats.arrived(said.beat, path, self._now)
        self._beats.holding(KEYS["shop"], self._owning.times, self._now)

    async def _ask(self, key: str, question: Ask) -> Reply | None:
        acts = [action for _, action in self._owning.asked(key, question, self._now)]
        return next((each for each in acts if isinstance(each, Reply)), None)

    def _word(self) -> Word:
        raise AssertionError("nothing is said")


class _Aborted(Exception):
    pass


class _Context:
    async def abort(self, code: grpc.StatusCode, why: str) -> None:
        raise _Aborted(f"{code.name} {why}")


async def _one(message: Any) -> Any:
    yield message


_LOOP = asyncio.new_event_loop()
