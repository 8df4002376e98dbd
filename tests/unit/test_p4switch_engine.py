"""Packets go through the engine as simple_switch would take them."""

from __future__ import annotations

import struct
import zlib

import pytest

from tests.unit.p4programs import (
    ETH,
    FRAME,
    Builder,
    assign,
    call,
    const,
    data,
    ethernet,
    expr,
    extract,
    field,
    forward,
    named,
    state,
    tagged,
    vlans,
)
from topo.p4switch.hashes import csum16
from topo.p4switch.state import ActionCall, MulticastGroup, Replica

META = "standard_metadata"


def test_an_untouched_packet_leaves_as_it_came() -> None:
    builder = ethernet()
    builder.do([forward(3)])
    assert builder.engine().process(1, FRAME) == [(3, FRAME)]


def test_port_511_drops_and_so_does_mark_to_drop_even_a_multicast() -> None:
    builder = ethernet()
    builder.do([forward(511)])
    assert builder.engine().process(1, FRAME) == []
    builder = ethernet()
    builder.do([forward(), assign(META, "mcast_grp", const(1)), call("mark_to_drop", named("header", META))])
    engine = builder.engine()
    engine.switch.replication.insert_group(MulticastGroup(1, (Replica(4),)))
    assert engine.process(1, FRAME) == []


def test_dropping_at_egress_drops() -> None:
    builder = ethernet()
    builder.do([forward()])
    builder.do([call("mark_to_drop", named("header", META))], pipeline=1)
    assert builder.engine().process(1, FRAME) == []


def test_a_frame_too_short_to_parse_carries_the_error_and_stays_whole() -> None:
    builder = ethernet()
    builder.do([assign(META, "egress_spec", field(META, "parser_error"))])
    assert builder.engine().process(1, FRAME[:9]) == [(1, FRAME[:9])]


def test_changed_fields_are_written_and_the_others_kept() -> None:
    builder = ethernet()
    builder.do([forward(), assign("eth", "src", expr("+", field("eth", "dst"), const(1)))])
    assert builder.engine().process(1, FRAME)[0][1] == FRAME[:6] + bytes.fromhex("020000000002") + FRAME[12:]


def test_values_wrap_at_the_width_of_their_field_and_signs_extend() -> None:
    builder = ethernet(["s", 8, True])
    builder.do(
        [forward(), assign("meta", "b", expr("-", const(3), const(5))), assign("meta", "s", const(0xF0))]
    )
    builder.do(
        [
            assign("eth", "type", field("meta", "b")),
            assign("eth", "dst", expr("+", field("meta", "s"), const(1))),
        ]
    )
    out = builder.engine().process(1, FRAME)[0][1]
    assert (out[12:14].hex(), out[:6].hex()) == ("00fe", "fffffffffff1")


def test_a_stack_fills_until_it_overflows() -> None:
    builder = vlans()
    builder.do([assign(META, "egress_spec", field(META, "parser_error"))])
    engine = builder.engine()
    assert engine.process(1, tagged(5, 6)) == [(0, tagged(5, 6))]
    # StackOutOfBounds; what was parsed and what was not leave in order.
    assert engine.process(1, tagged(5, 6, 7)) == [(3, tagged(5, 6, 7))]


def test_pushed_and_popped_tags_move_as_whole_elements() -> None:
    builder = vlans()
    builder.do([forward(), call("pop", named("header_stack", "tag"), const(1))])
    assert builder.engine().process(1, tagged(5, 6))[0][1] == tagged(6)
    builder = vlans()
    new = [
        call("push", named("header_stack", "tag"), const(1)),
        call("add_header", named("header", "tag[0]")),
    ]
    builder.do([forward(), *new, assign("tag[0]", "vid", const(9)), assign("tag[0]", "next", const(0x8100))])
    assert builder.engine().process(1, tagged(5))[0][1] == tagged(9, 5)


def test_stack_elements_are_picked_at_run_time() -> None:
    builder = vlans()
    element = expr("dereference_header_stack", named("header_stack", "tag"), field("meta", "a"))
    builder.do([forward(), assign("meta", "a", const(1))])
    builder.do([call("assign", expr("access_field", element, 2), const(0x123))])
    assert builder.engine().process(1, tagged(5, 6))[0][1] == tagged(5, 0x123)


def test_a_header_made_valid_starts_at_zero_and_an_invalid_one_is_not_sent() -> None:
    builder = vlans()
    builder.do(
        [
            forward(),
            call("remove_header", named("header", "tag[0]")),
            call("add_header", named("header", "tag[0]")),
        ]
    )
    assert (
        builder.engine().process(1, tagged(5))[0][1]
        == FRAME[:12] + bytes.fromhex("810000000000") + b"payload"
    )
    builder = vlans()
    builder.do([forward(), call("remove_header", named("header", "tag[0]"))])
    assert builder.engine().process(1, tagged(5))[0][1] == FRAME[:12] + bytes.fromhex("8100") + b"payload"


def test_a_variable_length_header_is_extracted_within_its_bounds_and_sent_again() -> None:
    length = expr("*", field("meta", "a"), const(8))
    look = {"op": "set", "parameters": [field("meta", "a"), {"type": "lookahead", "value": [0, 8]}]}
    grab = {"op": "extract_VL", "parameters": [{"type": "regular", "value": "opt"}, length]}
    builder = Builder(
        {"eth": ETH, "opt": [["len", 8], ["data", "*"]], "meta": [["a", 16]]},
        ["opt", "eth"],
        [state("start", [extract("eth"), look, grab])],
    )
    builder.do([assign(META, "egress_spec", field(META, "parser_error"))])
    engine = builder.engine()
    frame = FRAME[:14] + b"\x03abcrest"
    assert engine.process(1, frame) == [(0, b"\x03abc" + FRAME[:14] + b"rest")]
    # More than 64 bytes with the length: HeaderTooShort; more than there is: PacketTooShort.
    assert engine.process(1, FRAME[:14] + b"\x40" + bytes(100))[0][0] == 4
    assert engine.process(1, FRAME[:14] + b"\x20abc")[0][0] == 1


def test_verify_ends_the_parser_with_its_error() -> None:
    check = {"op": "verify", "parameters": [expr("==", field("eth", "type"), const(0x800)), const(6)]}
    builder = Builder({"eth": ETH, "meta": [["a", 8]]}, ["eth"], [state("start", [extract("eth"), check])])
    builder.do([assign(META, "egress_spec", field(META, "parser_error"))])
    assert builder.engine().process(1, FRAME)[0][0] == 6


def test_a_table_runs_the_entry_that_matches_and_counts_its_hits() -> None:
    builder = ethernet()
    out = builder.action("out", [call("assign", field(META, "egress_spec"), data(0))], ("port", 9))
    default = {"action_id": out, "action_const": False, "action_data": ["0x7"], "action_entry_const": False}
    key = [("exact", "eth", "type"), ("exact", META, "ingress_port")]
    builder.table("t", key, [out], default_entry=default, with_counters=True)
    engine = builder.engine()
    entry = engine.switch.table("t").insert((0x1234, 1), ActionCall(out, (5,)))
    assert [engine.process(p, FRAME)[0][0] for p in (1, 2, 1)] == [5, 7, 5]
    assert (entry.packets, entry.bytes) == (2, 2 * len(FRAME))


def test_hit_and_miss_go_different_ways() -> None:
    builder = ethernet()
    nothing = builder.action("nothing", [])
    table = builder.table("t", [("exact", "eth", "type")], [nothing])
    builder.do([assign(META, "egress_spec", const(4))])
    on_hit = builder.json["pipelines"][0]["tables"][1]
    builder.do([assign(META, "egress_spec", const(5))])
    on_miss = builder.json["pipelines"][0]["tables"][2]
    table["next_tables"] = {"__HIT__": on_hit["name"], "__MISS__": on_miss["name"]}
    on_hit["next_tables"] = dict.fromkeys(on_hit["next_tables"])
    engine = builder.engine()
    assert engine.process(1, FRAME)[0][0] == 5
    engine.switch.table("t").insert((0x1234,), ActionCall(nothing))
    assert engine.process(1, FRAME)[0][0] == 4


def test_a_key_sees_zero_in_a_header_that_was_taken_away() -> None:
    builder = ethernet()
    out = builder.action("out", [call("assign", field(META, "egress_spec"), data(0))], ("port", 9))
    builder.do([call("remove_header", named("header", "eth"))])
    builder.table("t", [("exact", "eth", "type")], [out])
    engine = builder.engine()
    engine.switch.table("t").insert((0x1234,), ActionCall(out, (1,)))
    engine.switch.table("t").insert((0,), ActionCall(out, (2,)))
    assert engine.process(1, FRAME)[0][0] == 2


def test_exit_skips_the_rest_of_ingress_but_not_egress() -> None:
    builder = ethernet()
    builder.do([forward(3), call("exit")])
    builder.do([forward(4)])
    builder.do([assign("eth", "type", const(1))], pipeline=1)
    assert builder.engine().process(1, FRAME) == [(3, FRAME[:12] + b"\0\1" + FRAME[14:])]


def test_registers_keep_state_and_indices_outside_do_nothing() -> None:
    builder = ethernet()
    builder.json["register_arrays"].append({"name": "r", "id": 0, "size": 4, "bitwidth": 8})
    array = named("register_array", "r")
    builder.do(
        [
            forward(),
            assign("meta", "a", const(77)),
            call("register_read", field("meta", "a"), array, expr("&", field("eth", "type"), const(7))),
            assign("eth", "src", field("meta", "a")),
            call("register_write", array, expr("&", field("eth", "type"), const(7)), const(0x1FF)),
        ]
    )
    engine = builder.engine()

    def read(kind: int) -> int:
        frame = FRAME[:12] + kind.to_bytes(2, "big")
        return int.from_bytes(engine.process(1, frame)[0][1][6:12], "big")

    assert [read(2), read(2), read(5), read(5)] == [0, 0xFF, 77, 77]
    assert engine.switch.registers["r"].cells == [0, 0, 0xFF, 0]


def test_meters_and_counters_see_the_length_received() -> None:
    builder = ethernet()
    builder.json["counter_arrays"].append({"name": "c", "id": 0, "size": 2, "is_direct": False})
    builder.json["meter_arrays"].append({"name": "m", "id": 0, "size": 2, "type": "bytes", "rate_count": 2})
    builder.do(
        [
            call("count", named("counter_array", "c"), const(1)),
            call("execute_meter", named("meter_array", "m"), const(1), field(META, "egress_spec")),
        ]
    )
    engine = builder.engine()
    engine.switch.meters["m"].set(1, ((1, len(FRAME)), (1, 2 * len(FRAME))), 0)
    assert [engine.process(1, FRAME)[0][0] for _ in range(3)] == [0, 1, 2]
    assert engine.switch.counters["c"].get(1) == (3, 3 * len(FRAME))


def test_a_direct_meter_colours_hits() -> None:
    builder = ethernet()
    nothing = builder.action("nothing", [])
    builder.json["meter_arrays"].append(
        {"name": "dm", "id": 0, "size": 9, "type": "packets", "rate_count": 2, "is_direct": True, "binding": "t", "result_target": [META, "egress_spec"]}  # noqa: E501
    )  # fmt: skip
    builder.table("t", [("exact", "eth", "type")], [nothing], direct_meters="dm")
    engine = builder.engine()
    table = engine.switch.table("t")
    entry = table.insert((0x1234,), ActionCall(nothing))
    assert engine.process(1, FRAME)[0][0] == 0
    table.set_meter(entry, ((1, 1), (1, 2)), 0)
    assert [engine.process(1, FRAME)[0][0] for _ in range(3)] == [0, 1, 2]


def test_hash_packs_fields_bit_by_bit_and_stays_in_its_range() -> None:
    builder = ethernet()
    inputs = [field("eth", "type"), field("meta", "b"), {"type": "hexstr", "value": "0x5", "bitwidth": 3}]
    builder.json["calculations"].append({"name": "c", "id": 0, "algo": "crc32", "input": inputs})
    builder.do([forward(), call("modify_field_with_hash_based_offset", field("eth", "src"), const(10), named("calculation", "c"), const(1000))])  # noqa: E501  # fmt: skip
    expected = 10 + zlib.crc32(bytes([0x12, 0x34, 0x00, 0b10100000])) % 1000
    assert int.from_bytes(builder.engine().process(1, FRAME)[0][1][6:12], "big") == expected


IPV4 = [["word", 16], ["len", 16], ["rest", 64], ["csum", 16], ["src", 32], ["dst", 32]]


@pytest.mark.parametrize("payload", [b"", b"even", b"odd"])
def test_checksums_are_verified_and_updated_over_the_payload_too(payload: bytes) -> None:
    header = struct.pack("!HHQ", 0x4500, 20, 0x1122334455667788)
    addresses = struct.pack("!II", 0x0A000001, 0x0A000002)
    right = csum16(header + addresses + payload)
    builder = Builder({"ip": IPV4, "meta": [["a", 8]]}, ["ip"], [state("start", [extract("ip")])])
    inputs = [field("ip", f) for f in ("word", "len", "rest", "src", "dst")]
    builder.json["calculations"].append(
        {"name": "c", "id": 0, "algo": "csum16", "input": [*inputs, {"type": "payload"}]}
    )
    builder.json["checksums"].append({"name": "x", "id": 0, "target": ["ip", "csum"], "type": "generic", "calculation": "c", "if_cond": None})  # noqa: E501  # fmt: skip
    builder.do([assign(META, "egress_spec", field(META, "checksum_error")), assign("ip", "len", const(99))])
    engine = builder.engine()
    good = header + right.to_bytes(2, "big") + addresses + payload
    bad = header + (right ^ 1).to_bytes(2, "big") + addresses + payload
    changed = header[:2] + (99).to_bytes(2, "big") + header[4:]
    fixed = changed + csum16(changed + addresses + payload).to_bytes(2, "big") + addresses + payload
    assert engine.process(1, good) == [(0, fixed)]
    assert engine.process(1, bad) == [(1, fixed)]


def test_whole_headers_are_compared_and_hashed_byte_by_byte() -> None:
    states = [state("start", [extract("one"), extract("two")])]
    wide = [["x", 64], ["y", 64]]
    builder = Builder({"one": wide, "meta": [["a", 32]]}, ["one", "two"], [])
    builder.json["headers"].append({"name": "two", "id": 9, "header_type": "one_t", "metadata": False})
    builder.json["parsers"][0].update(init_state="start", parse_states=states)
    builder.json["calculations"].append(
        {"name": "c", "id": 0, "algo": "crc32", "input": [{"type": "header", "value": "one"}]}
    )
    same = expr("==", named("header", "one"), named("header", "two"))
    builder.do([assign(META, "egress_spec", expr("b2d", None, same))])
    hashed = call(
        "modify_field_with_hash_based_offset",
        field("meta", "a"),
        const(0),
        named("calculation", "c"),
        const(1 << 32),
    )
    builder.do([hashed, assign(META, "egress_spec", expr("+", field(META, "egress_spec"), expr("&", field("meta", "a"), const(0xFE))))])  # noqa: E501  # fmt: skip
    engine = builder.engine()
    first, second = bytes(range(16)), bytes(range(1, 17))
    low = zlib.crc32(first) & 0xFE
    assert engine.process(1, first + first) == [(low + 1, first + first)]
    assert engine.process(1, first + second) == [(low, first + second)]
