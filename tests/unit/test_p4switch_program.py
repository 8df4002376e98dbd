"""What cannot be run is refused while loading, by name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.p4programs import ETH, Builder, call, const, ethernet, expr, extract, field, forward, state
from topo.p4switch.errors import ProgramError
from topo.p4switch.program import load_program
from topo.p4switch.program.tables import MAX_PRIORITY


def test_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(ProgramError, match="not a JSON document"):
        load_program("{")


def test_json_without_pipelines_is_told_how_to_be_made() -> None:
    with pytest.raises(ProgramError, match="p4c-bm2-ss"):
        load_program({"a": 1})


def test_another_major_version_of_the_format_is_refused() -> None:
    json = ethernet().json
    json["__meta__"]["version"] = [3, 0]
    with pytest.raises(ProgramError, match=r"format 3\.0"):
        load_program(json)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda j: j["header_types"][1]["fields"].append(["x", 3]), "not whole bytes"),
        (lambda j: j["header_types"][1]["fields"][0].extend([False, True]), "saturating"),
        (lambda j: j["headers"][1].update(header_type="nothing"), "no header type nothing"),
        (lambda j: j["deparsers"][0].update(order=["eth", "ipv9"]), "no header ipv9"),
        (lambda j: j["parsers"][0]["parse_states"][0]["transitions"][0].update(next_state="x"), "goes to x"),
        (lambda j: j["parsers"][0]["parse_states"][0]["parser_ops"].append({"op": "peek"}), "'peek'"),
        (lambda j: j["actions"][0]["primitives"].append(call("assign", field("eth", "zzz"), const(1))), "no field zzz"),
        (lambda j: j["actions"][0]["primitives"].append(call("assign", field("eth", "src"), expr("%%", const(1), const(2)))), "'%%'"),  # noqa: E501
        (lambda j: j["pipelines"][0]["tables"][0].update(action_ids=[77]), "no action with id 77"),
        (lambda j: j.pop("header_types"), "no header type"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_named(spoil: Any, named: str) -> None:
    builder = ethernet()
    builder.do([forward()])
    spoil(builder.json)
    with pytest.raises(ProgramError, match=named):
        load_program(builder.json)


def test_a_primitive_this_switch_lacks_is_named_before_any_packet() -> None:
    builder = ethernet()
    builder.do([call("teleport", const(1))])
    with pytest.raises(ProgramError, match="'teleport'"):
        builder.engine()


def test_a_hash_algorithm_this_switch_lacks_is_named() -> None:
    builder = ethernet()
    builder.json["calculations"].append({"name": "c", "id": 0, "algo": "sha512", "input": []})
    with pytest.raises(ProgramError, match="'sha512'"):
        builder.engine()


def test_a_pipeline_that_comes_back_to_itself_is_refused() -> None:
    builder = ethernet()
    builder.do([forward()])
    table = builder.json["pipelines"][0]["tables"][0]
    table["next_tables"] = dict.fromkeys(table["next_tables"], table["name"])
    with pytest.raises(ProgramError, match="loops"):
        builder.engine()


def test_a_program_for_another_architecture_is_refused() -> None:
    builder = ethernet()
    builder.json["pipelines"][0]["name"] = "main"
    with pytest.raises(ProgramError, match="no ingress pipeline"):
        builder.engine()


def test_declared_priorities_turn_round_as_p4runtime_counts_them() -> None:
    builder = ethernet()
    action = builder.action("out", [forward()])
    entries = [
        {
            "match_key": [{"match_type": "ternary", "key": "0x5", "mask": "0xf"}],
            "action_entry": {"action_id": action, "action_data": []},
            "priority": 3,
        }
    ]
    builder.table("t", [("ternary", "eth", "src")], [action], entries=entries)
    table = load_program(builder.json).tables["t"]
    assert [(e.key, e.priority) for e in table.entries] == [(((5, 15),), MAX_PRIORITY - 3)]
    assert table.immutable


def test_actions_of_one_name_are_told_apart_by_table() -> None:
    builder = ethernet()
    first = builder.action("NoAction", [])
    second = builder.action("NoAction", [])
    builder.table("t", [("exact", "eth", "src")], [second])
    program = load_program(builder.json)
    found = program.action_of(program.tables["t"], "NoAction")
    assert first != second
    assert found is not None
    assert found.id == second


def test_variable_length_headers_know_their_longest_field() -> None:
    builder = Builder(
        {"eth": ETH, "opt": [["len", 8], ["data", "*"]]}, ["eth"], [state("start", [extract("eth")])]
    )
    found = load_program(builder.json).header_types["opt_t"].varbit
    assert found is not None
    assert found.max_width == 64 * 8 - 8
