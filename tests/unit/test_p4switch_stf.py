"""The runner of p4c's samples reads their language and does not pass what is wrong."""

from __future__ import annotations

import pytest

from tests.p4c_samples.run import Run
from tests.p4c_samples.stf import Add, Command, Expect, Packet, SetDefault, StfError, parse
from tests.unit.p4programs import Builder, call, data, ethernet, field

TEXT = """
# a comment
add t 10 data.f1:0x12** extra$0.h:5 act(port:2, val : 0x7f) = A
setdefault t act()
packet 1 0102 0304   # with a comment
expect 2 01** 0304 $
expect 3
mc_node_create 400 6 7
wait
"""


def test_statements_are_read() -> None:
    assert parse(TEXT) == [
        Add("t", 10, (("data.f1", "0x12**"), ("extra$0.h", "5")), "act", (("port", "2"), ("val", "0x7f"))),
        SetDefault("t", "act", ()),
        Packet(1, bytes([1, 2, 3, 4])),
        Expect(2, "01**0304", True),
        Expect(3, None),
        Command("mc_node_create", ("400", "6", "7")),
    ]


def test_a_line_that_is_not_stf_is_named() -> None:
    with pytest.raises(StfError, match="line 2: frobnicate"):
        parse("\nfrobnicate 3\n")


def program() -> Builder:
    """Table `ingress.t` sends frames by their type, or drops them."""
    builder = ethernet()
    out = builder.action(
        "ingress.out", [call("assign", field("standard_metadata", "egress_spec"), data(0))], ("port", 9)
    )
    drop = builder.action(
        "ingress.drop", [call("mark_to_drop", {"type": "header", "value": "standard_metadata"})]
    )
    default = {"action_id": drop, "action_const": False, "action_data": [], "action_entry_const": False}
    builder.table("ingress.t", [("ternary", "eth", "type")], [out, drop], default_entry=default)
    return builder


def problems(text: str) -> list[str]:
    """What a run of the text finds wrong."""
    engine = program().engine()
    return Run(engine.switch, engine).run(parse(text))


FRAME = "000000000001 000000000002 1234 abcd"


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("expect 2 000000000001 000000000002 1234 abcd $", None),
        ("expect 2 000000000001 ************ 1234", None),
        ("expect 2", None),
        ("expect 2 000000000001 000000000002 1234 abce", "expected 0000"),
        ("expect 2 000000000001 000000000002 1234 $", "too long"),
        ("expect 2 000000000001 000000000002 1234 abcd 00", "too short"),
        ("expect 3", "port 3: expected frames"),
        ("expect 2 0000\nexpect 2 0000", "expected 2 frames, got 1"),
        ("packet 2 00", "port 2: expected 0 frames, got 1"),
    ],
)
def test_only_what_was_expected_passes(rest: str, said: str | None) -> None:
    found = problems(f"add t 5 type:0x12** out(port:2)\npacket 1 {FRAME}\n{rest}")
    assert found == [] if said is None else said in "; ".join(found)


def test_the_larger_priority_wins() -> None:
    text = "add t 5 type:0x12** out(port:2)\nadd t 6 type:0x1*** out(port:3)\n"
    assert problems(f"{text}packet 1 {FRAME}\nexpect 3 000000000001") == []


def test_an_unknown_table_or_parameter_is_named() -> None:
    with pytest.raises(StfError, match="table u"):
        problems("add u type:0 out(port:2)")
    with pytest.raises(StfError, match="no value for port"):
        problems("add t 1 type:0x0 out(val:2)")
