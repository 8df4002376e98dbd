"""The committed stubs are those of the description beside them; refusals say what would help and may have happened."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import grpc
import pytest

from controller.sites.base import OutcomeUnknown, StoreError
from controller.sites.etcd import wire_pb2 as wire
from controller.sites.etcd.address import parse
from controller.sites.etcd.client import Client, refused

PROTO = Path(wire.__file__).with_name("wire.proto")


def fields_in_text() -> dict[str, dict[str, int]]:
    text = re.sub(r"//[^\n]*", "", PROTO.read_text(encoding="utf-8"))
    text = re.sub(r"enum \w+ \{[^}]*\}", "", text)
    text = re.sub(r"oneof \w+ \{([^}]*)\}", r"\1", text)
    messages = re.findall(r"message (\w+) \{([^}]*)\}", text)
    return {
        name: {field: int(number) for field, number in re.findall(r"(\w+) = (\d+);", body)}
        for name, body in messages
    }


def test_the_stubs_have_the_messages_and_numbers_of_the_description() -> None:
    types = wire.DESCRIPTOR.message_types_by_name
    assert {
        name: {field.name: field.number for field in kind.fields} for name, kind in types.items()
    } == fields_in_text()
    assert len(types) > 15


def test_the_description_is_in_no_package_or_file_of_etcds() -> None:
    assert wire.DESCRIPTOR.package == "evenkeel.etcd"
    assert wire.DESCRIPTOR.name == "controller/sites/etcd/wire.proto"


@pytest.mark.parametrize(
    ("why", "remedy"),
    [
        ("etcdserver: mvcc: database space exceeded", "etcdctl alarm disarm"),
        ("etcdserver: request is too large", "--max-request-bytes of 1572864 or more"),
        ("etcdserver: too many operations in txn request", "--max-txn-ops of 128 or more"),
        ("etcdserver: permission denied", "a role that may read and write the prefix"),
        ("etcdserver: user name is empty", "common name is one"),
    ],
)
def test_a_refusal_names_store_and_member_and_says_what_would_help(why: str, remedy: str) -> None:
    text = str(refused("etcd://a:1/x", "a:1", why))
    assert text.startswith(f"etcd://a:1/x: a:1 refuses: {why}; ")
    assert remedy in text


class Answers(Client):
    """A client whose members answer as the test says."""

    def __init__(self, *answers: tuple[grpc.StatusCode, str]) -> None:
        super().__init__(parse("etcd://a:1,b:1/x"))
        self.left = list(answers)
        self.asked: list[str] = []

    def _channel(self, endpoint: str) -> Any:
        self.asked.append(endpoint)
        return self

    def unary_unary(self, *_: object, **__: object) -> Any:
        async def call(*_: object, **__: object) -> wire.TxnResponse:
            if not self.left:
                return wire.TxnResponse(succeeded=True)
            code, details = self.left.pop(0)
            nothing = grpc.aio.Metadata()
            raise grpc.aio.AioRpcError(code, nothing, nothing, details=details)

        return call


LOST = (grpc.StatusCode.UNAVAILABLE, "etcdserver: request timed out, possibly due to previous leader failure")
ELECTION = (grpc.StatusCode.UNKNOWN, "context deadline exceeded")
NO_LEADER = (grpc.StatusCode.UNAVAILABLE, "etcdserver: no leader")
NOT_THERE = (grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses; last error: refused")
BUSY = (grpc.StatusCode.RESOURCE_EXHAUSTED, "etcdserver: too many requests")
FULL = (grpc.StatusCode.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded")
PUT = wire.TxnRequest(success=[wire.RequestOp(put=wire.PutRequest(key=b"a"))])
READ = wire.TxnRequest(success=[wire.RequestOp(range=wire.RangeRequest(key=b"a"))])


@pytest.mark.parametrize(
    ("answers", "doubtful"),
    [([], False), ([NO_LEADER, NOT_THERE, BUSY], False), ([LOST], True), ([ELECTION, NO_LEADER], True)],
)
def test_members_are_asked_in_turn_and_it_is_known_whether_one_may_have_carried_it_out(
    answers: list[tuple[grpc.StatusCode, str]], doubtful: bool
) -> None:
    client = Answers(*answers)
    assert asyncio.run(client.txn(PUT, 5.0)).doubtful is doubtful
    assert client.asked == ["a:1", "b:1", "a:1", "b:1"][: len(answers) + 1]


def test_a_refusal_after_an_attempt_that_may_have_been_carried_out_is_no_certain_failure() -> None:
    with pytest.raises(OutcomeUnknown, match=r"database space exceeded; .*; it may have been carried out"):
        asyncio.run(Answers(LOST, FULL).txn(PUT, 5.0))
    for client, request in ((Answers(NO_LEADER, FULL), PUT), (Answers(LOST, FULL), READ)):
        with pytest.raises(StoreError, match="database space exceeded") as caught:
            asyncio.run(client.txn(request, 5.0))
        assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize(("answer", "unknown"), [(LOST, True), (NO_LEADER, False), (NOT_THERE, False)])
def test_a_write_that_no_member_answered_is_unknown_if_it_may_have_been_carried_out(
    answer: tuple[grpc.StatusCode, str], unknown: bool
) -> None:
    with pytest.raises(StoreError, match=r"no member answered within 0\.2 s: a:1: .*; b:1: ") as caught:
        asyncio.run(Answers(*[answer] * 100_000).txn(PUT, 0.2))
    assert isinstance(caught.value, OutcomeUnknown) is unknown
