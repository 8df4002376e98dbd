"""Copies, returns, drops and reports happen as simple_switch makes them happen."""

from __future__ import annotations

import logging

import pytest

from tests.unit.p4programs import (
    FRAME,
    Builder,
    assign,
    call,
    const,
    data,
    ethernet,
    expr,
    field,
    forward,
    if_equal,
    named,
    tagged,
    vlans,
)
from topo.p4switch.state import ActionCall, CloneSession, DigestMessage, MulticastGroup, Replica

META = "standard_metadata"


def cloned(op: str, pipeline: int) -> Builder:
    """Clones to session 5 keeping `meta.a`, which is 7; egress puts `a` and the instance type in the frame."""
    builder = ethernet()
    builder.json["field_lists"].append({"id": 1, "name": "l", "elements": [field("meta", "a")]})
    first = [
        forward(2),
        assign("meta", "a", const(7)),
        assign("meta", "b", const(9)),
        assign("eth", "src", const(1)),
    ]
    builder.do(first)
    copy = [call(op, const(5), const(1))]
    if pipeline:
        if_equal(builder, field(META, "instance_type"), const(0), copy, pipeline=1)
    else:
        builder.do(copy)
    marks = expr("|", expr("<<", field(META, "instance_type"), const(8)), field("meta", "b"))
    builder.do([assign("eth", "type", marks), assign("eth", "dst", field("meta", "a"))], pipeline=1)
    return builder


def seen(frame: bytes) -> tuple[int, int, int, int]:
    """(instance type, b, a, source)."""
    return frame[12], frame[13], int.from_bytes(frame[:6], "big"), int.from_bytes(frame[6:12], "big")


def test_an_ingress_clone_is_the_packet_as_it_came_with_the_listed_metadata() -> None:
    engine = cloned("clone_ingress_pkt_to_egress", 0).engine()
    engine.switch.replication.insert_session(CloneSession(5, (Replica(9),)))
    (port, clone), original = engine.process(1, FRAME)
    assert (port, seen(clone)) == (9, (1, 0, 7, 2))
    assert (original[0], seen(original[1])) == (2, (0, 9, 7, 1))


def test_an_egress_clone_is_the_packet_as_it_left_and_is_cut_to_its_sessions_length() -> None:
    engine = cloned("clone_egress_pkt_to_egress", 1).engine()
    engine.switch.replication.insert_session(CloneSession(5, (Replica(9),), length=16))
    original, (port, clone) = engine.process(1, FRAME)
    assert (original[0], seen(original[1])) == (2, (0, 9, 7, 1))
    assert (port, seen(clone), len(clone)) == (9, (2, 0, 7, 1), 16)


def test_a_clone_to_no_session_is_no_packet() -> None:
    assert len(cloned("clone_ingress_pkt_to_egress", 0).engine().process(1, FRAME)) == 1


@pytest.mark.parametrize(("op", "instance", "pipeline"), [("resubmit", 6, 0), ("recirculate", 4, 1)])
def test_a_packet_comes_back_once_with_what_it_kept(op: str, instance: int, pipeline: int) -> None:
    builder = ethernet()
    builder.json["field_lists"].append({"id": 3, "name": "l", "elements": [field("meta", "a")]})
    builder.do([forward(), assign("eth", "src", expr("+", field("eth", "src"), const(1)))])
    first = [assign("meta", "a", const(4)), call(op, const(3))]
    if_equal(builder, field("meta", "a"), const(0), first, pipeline)
    builder.do([assign("eth", "dst", field("meta", "a"))], pipeline=1)
    kind = builder.action("kind", [assign("eth", "type", field(META, "instance_type"))])
    builder.table("k", [], [kind], default_entry={"action_id": kind, "action_const": True, "action_data": []})
    ((port, frame),) = builder.engine().process(1, FRAME)
    # A resubmitted packet starts as it came; a recirculated one as it left, changed twice.
    source = 3 if op == "resubmit" else 4
    assert (port, int.from_bytes(frame[12:14], "big"), int.from_bytes(frame[:6], "big")) == (2, instance, 4)
    assert int.from_bytes(frame[6:12], "big") == source


def test_a_packet_that_recirculates_without_end_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    builder = ethernet()
    builder.do([forward()])
    builder.do([call("recirculate", const(1))], pipeline=1)
    assert builder.engine().process(1, FRAME) == []
    assert "without end" in caplog.text


def test_multicast_copies_carry_their_instance() -> None:
    builder = ethernet()
    builder.do([assign(META, "mcast_grp", const(4))])
    builder.do([assign("eth", "type", field(META, "egress_rid"))], pipeline=1)
    engine = builder.engine()
    assert engine.process(1, FRAME) == []
    engine.switch.replication.insert_group(MulticastGroup(4, (Replica(2, 10), Replica(3, 11))))
    assert [(p, f[12:14].hex()) for p, f in engine.process(1, FRAME)] == [(2, "000a"), (3, "000b")]


def test_truncate_cuts_what_leaves() -> None:
    builder = ethernet()
    builder.do([forward(), call("truncate", const(16))])
    assert builder.engine().process(1, FRAME) == [(2, FRAME[:16])]


def test_packet_length_at_egress_counts_headers_that_came_and_went() -> None:
    builder = vlans()
    builder.do([forward(), call("add_header", named("header", "tag[1]"))])
    builder.do([assign("eth", "src", field(META, "packet_length"))], pipeline=1)
    out = builder.engine().process(1, tagged(5))[0][1]
    assert int.from_bytes(out[6:12], "big") == len(tagged(5)) + 4


def test_a_digest_holds_the_values_at_the_end_of_ingress() -> None:
    builder = ethernet()
    builder.json["learn_lists"].append(
        {"id": 1, "name": "d", "elements": [field("eth", "src"), field("meta", "a")]}
    )
    builder.do([forward(), call("generate_digest", const(1), const(1)), assign("meta", "a", const(5))])
    engine = builder.engine()
    sent: list[DigestMessage] = []
    engine.switch.digest_sink = sent.append
    engine.process(1, FRAME)
    assert [(d.learn_id, d.name, d.values) for d in sent] == [(1, "d", (2, 5))]


def test_a_failed_assertion_drops_its_packet_and_says_where(caplog: pytest.LogCaptureFixture) -> None:
    builder = ethernet()
    check = call("assert", expr("==", field("eth", "type"), const(1)))
    builder.do(
        [
            forward(),
            {**check, "source_info": {"filename": "x.p4", "line": 9, "source_fragment": "assert(..)"}},
        ]
    )
    engine = builder.engine()
    assert engine.process(1, FRAME) == []
    assert engine.failures == 1
    assert "assertion failed: x.p4:9 assert(..)" in caplog.text
    assert engine.process(1, FRAME[:12] + b"\0\1") != []


def test_log_msg_fills_in_its_values(caplog: pytest.LogCaptureFixture) -> None:
    builder = ethernet()
    values = {"type": "parameters_vector", "value": [field("eth", "type"), const(3)]}
    builder.do([forward(), call("log_msg", named("string", "type {} and {}"), values)])
    with caplog.at_level(logging.INFO):
        builder.engine().process(1, FRAME)
    assert "type 4660 and 3" in caplog.text


def test_an_action_that_loops_ends_when_its_condition_does() -> None:
    builder = ethernet()
    less = expr("b2d", None, expr("<", field("meta", "a"), const(5)))
    step = assign("meta", "a", expr("+", field("meta", "a"), const(1)))
    builder.do([forward(), call("_jump_if_zero", less, const(4)), step, call("_jump", const(1)), assign("eth", "src", field("meta", "a"))])  # noqa: E501  # fmt: skip
    assert int.from_bytes(builder.engine().process(1, FRAME)[0][1][6:12], "big") == 5


def test_a_trace_tells_every_step_and_changes_nothing_else() -> None:
    builder = ethernet()
    out = builder.action("out", [call("assign", field(META, "egress_spec"), data(0))], ("port", 9))
    builder.table("t", [("exact", "eth", "type")], [out])
    engine = builder.engine()
    entry = engine.switch.table("t").insert((0x1234,), ActionCall(out, (5,)))
    frames, events = engine.trace(1, FRAME)
    assert frames == engine.process(1, FRAME)
    told = [(e.stage, e.name, e.values) for e in events]
    assert ("parser", "start", (0,)) in told
    assert ("table", "t", ((("eth.type", 0x1234),), entry)) in told
    assert ("action", "out", ((5,),)) in told
    assert ("set", "standard_metadata.egress_spec", (5,)) in told
    assert told[-1] == ("transmit", "packet", (5, FRAME))
