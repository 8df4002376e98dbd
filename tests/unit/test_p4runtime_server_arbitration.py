from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from finsy.proto import U128, p4r
from google.protobuf import any_pb2

from tests.fakes.p4client import Failed
from tests.fakes.p4rig import Rig, serving
from topo.p4switch.runtime.arbitration import MAX_STREAMS, Arbiter
from topo.p4switch.runtime.errors import P4Error

OK, ALREADY_EXISTS, NOT_FOUND = 0, 6, 5


def update(election_id: int | None, role: str = "", device_id: int = 1) -> p4r.MasterArbitrationUpdate:
    made = p4r.MasterArbitrationUpdate(device_id=device_id)
    if election_id is not None:
        made.election_id.CopyFrom(U128.encode(election_id))
    if role:
        made.role.name = role
    return made


# Each row: (stream, election id or "gone") in order, then what the last one makes each stream hear: (stream, status,
# election id), a new primary last.
ROWS = [
    ("the first with an id is primary", [("a", 5)], [("a", OK, 5)]),
    ("an id of zero is an id", [("a", 0)], [("a", OK, 0)]),
    ("an unset id never wins", [("a", None)], [("a", NOT_FOUND, None)]),
    ("a lower one is backup, and only it hears", [("a", 5), ("b", 3)], [("b", ALREADY_EXISTS, 5)]),
    ("a higher one takes over", [("a", 5), ("b", 6)], [("a", ALREADY_EXISTS, 6), ("b", OK, 6)]),
    ("ids have 128 bits", [("a", 1 << 64), ("b", 1)], [("b", ALREADY_EXISTS, 1 << 64)]),
    ("a primary that repeats itself stays", [("a", 5), ("a", 5)], [("a", OK, 5)]),
    ("a primary may go up", [("a", 5), ("b", 3), ("a", 9)], [("b", ALREADY_EXISTS, 9), ("a", OK, 9)]),
    (
        "a primary that steps down leaves none",
        [("a", 5), ("b", 3), ("a", 1)],
        [("a", NOT_FOUND, 5), ("b", NOT_FOUND, 5)],
    ),
    ("a lower one cannot follow", [("a", 5), ("b", 3), ("a", 1), ("b", 4)], [("b", NOT_FOUND, 5)]),
    ("the end of a primary promotes nobody", [("a", 5), ("b", 3), ("a", "gone")], [("b", NOT_FOUND, 5)]),
    ("the end of a backup is told to nobody", [("a", 5), ("b", 3), ("b", "gone")], []),
    ("the highest id ever seen counts", [("a", 5), ("b", 3), ("a", "gone"), ("b", 4)], [("b", NOT_FOUND, 5)]),
    ("after the end, the same id reclaims", [("a", 5), ("b", 3), ("a", "gone"), ("b", 5)], [("b", OK, 5)]),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "heard"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_an_election_goes_by_the_standard(
    steps: list[tuple[str, int | str | None]], heard: list[tuple[str, int, int | None]]
) -> None:
    arbiter: Arbiter[str] = Arbiter(1)
    notices: list[tuple[str, p4r.MasterArbitrationUpdate]] = []
    for stream, step in steps:
        if step == "gone":
            notices = arbiter.leave(stream)
        else:
            assert not isinstance(step, str)
            notices = arbiter.update(stream, update(step))
    assert [
        (
            stream,
            notice.status.code,
            U128.decode(notice.election_id) if notice.HasField("election_id") else None,
        )
        for stream, notice in notices
    ] == heard


def test_roles_are_elected_apart() -> None:
    arbiter: Arbiter[str] = Arbiter(1)
    arbiter.update("a", update(5))
    (notice,) = arbiter.update("b", update(2, role="monitor"))
    assert (notice[0], notice[1].status.code, notice[1].role.name) == ("b", OK, "monitor")
    assert arbiter.primaries() == ["a", "b"]


REFUSED = [
    ("another device", [], update(1, device_id=2), "NOT_FOUND"),
    ("another device later", [("a", update(1))], update(1, device_id=2), "FAILED_PRECONDITION"),
    ("another role later", [("a", update(1))], update(1, role="monitor"), "FAILED_PRECONDITION"),
    ("an id in use", [("b", update(4))], update(4), "INVALID_ARGUMENT"),
    ("an id in use, later", [("b", update(4)), ("a", update(3))], update(4), "INVALID_ARGUMENT"),
    ("a role config", [], None, "INVALID_ARGUMENT"),
    ("too many streams", [(str(n), update(n)) for n in range(MAX_STREAMS)], update(99), "RESOURCE_EXHAUSTED"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "message", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_an_arbitration_message_that_is_wrong_ends_the_stream(
    before: list[tuple[str, p4r.MasterArbitrationUpdate]],
    message: p4r.MasterArbitrationUpdate | None,
    code: str,
) -> None:
    arbiter: Arbiter[str] = Arbiter(1)
    for stream, one in before:
        arbiter.update(stream, one)
    if message is None:
        message = update(1, role="monitor")
        message.role.config.CopyFrom(any_pb2.Any(type_url="type.example/Config"))
    with pytest.raises(P4Error) as refused:
        arbiter.update("a", message)
    assert refused.value.code.name == code


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with serving(Path(tmp_path_factory.mktemp("p4rt"))) as made:
        yield made


def test_a_primary_that_is_overtaken_can_no_longer_write(rig: Rig) -> None:
    with rig.client(role="first") as old, rig.client(role="first") as new:
        old.become_primary(10)
        old.set_pipeline()
        old.write((p4r.Update.Type.INSERT, rig.slot(1)))
        new.become_primary(11)
        assert old.next().arbitration.status.code == ALREADY_EXISTS
        with pytest.raises(Failed) as refused:
            old.write((p4r.Update.Type.INSERT, rig.slot(2)))
        assert refused.value.code == "PERMISSION_DENIED"
        new.write((p4r.Update.Type.INSERT, rig.slot(2)))


def test_the_end_of_a_primary_is_told_and_leaves_nobody_to_write(rig: Rig) -> None:
    with rig.client(role="second") as backup:
        with rig.client(role="second") as primary:
            primary.become_primary(10)
            backup.claim(9)
            assert backup.next().arbitration.status.code == ALREADY_EXISTS
        assert backup.next().arbitration.status.code == NOT_FOUND
        with pytest.raises(Failed) as refused:
            backup.write((p4r.Update.Type.INSERT, rig.slot(3)))
        assert refused.value.code == "PERMISSION_DENIED"


def test_an_election_id_in_use_ends_the_second_stream_and_not_the_first(rig: Rig) -> None:
    with rig.client(role="third") as first, rig.client(role="third") as second:
        first.become_primary(4)
        second.claim(4)
        with pytest.raises(Failed) as refused:
            second.next()
        assert refused.value.code == "INVALID_ARGUMENT"
        first.claim(5)
        assert first.next().arbitration.status.code == OK


@pytest.mark.parametrize(
    ("attribute", "value", "code"),
    [
        ("device_id", 2, "NOT_FOUND"),
        ("role", "nobody's", "NOT_FOUND"),
        ("election_id", 1, "PERMISSION_DENIED"),
    ],
)
def test_a_write_has_to_come_from_the_primary(rig: Rig, attribute: str, value: int | str, code: str) -> None:
    with rig.client(role=f"of {attribute}") as client:
        client.become_primary(1 << 70)
        setattr(client, attribute, value)
        with pytest.raises(Failed) as refused:
            client.write((p4r.Update.Type.INSERT, rig.slot(4)))
        assert (refused.value.code, refused.value.errors) == (code, [])
        with pytest.raises(Failed) as refused:
            client.set_pipeline()
        assert refused.value.code == code


def test_more_streams_than_a_role_may_have_are_refused_and_room_comes_back(rig: Rig) -> None:
    clients = [rig.client(role="crowd") for _ in range(MAX_STREAMS)]
    try:
        for number, client in enumerate(clients):
            client.claim(number)
            client.next()
        with rig.client(role="crowd") as one_more:
            one_more.claim(100)
            with pytest.raises(Failed) as refused:
                one_more.next()
            assert refused.value.code == "RESOURCE_EXHAUSTED"
        clients.pop(0).close()
        while True:
            with rig.client(role="crowd") as one_more:
                one_more.claim(200)
                try:
                    one_more.next()
                except Failed:
                    continue
                break
    finally:
        for client in clients:
            client.close()
