"""Edits of the intent: each does what an operator would, to a copy, and refuses what is not there."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.unit.soaking import stage
from topo.soak.edits import ACTIONS, Edit, Intent, NotApplicableError, apply


def edited(*edits: Edit) -> dict[str, Any]:
    intent = Intent(stage().document)
    for edit in edits:
        intent = apply(intent, edit)
    return intent.document


def pool(document: dict[str, Any], name: str = "web") -> dict[str, Any]:
    found: dict[str, Any] = next(row for row in document["pools"] if row["name"] == name)
    return found


def names(document: dict[str, Any]) -> list[str]:
    return [row["name"] for row in pool(document)["backends"]]


EVERY = {
    "weight": Edit("weight", "web/s1", "4"),
    "drain": Edit("drain", "web/s1", "on"),
    "remove": Edit("remove", "web/s1"),
    "repool": Edit("repool", "10.0.0.100/7000", "app"),
    "vip_off": Edit("vip_off", "10.0.0.100"),
    "listener_off": Edit("listener_off", "10.0.0.100/7000"),
    "rename_vip": Edit("rename_vip", "10.0.0.100", "shopx"),
    "rename_switch": Edit("rename_switch", "lb1", "lb1x"),
    "affinity": Edit("affinity", "10.0.0.100/7000", "source"),
    "memory_timeout": Edit("memory_timeout", "web", "40s"),
    "transition": Edit("transition", "web", "3s"),
}
BACK = {
    "drain": Edit("drain", "web/s1", "off"),
    "remove": Edit("restore", "web/s1"),
    "repool": Edit("repool", "10.0.0.100/7000", "web"),
    "vip_off": Edit("vip_on", "10.0.0.100"),
    "listener_off": Edit("listener_on", "10.0.0.100/7000"),
    "rename_vip": Edit("rename_vip", "10.0.0.100", "shop"),
    "rename_switch": Edit("rename_switch", "lb1x", "lb1"),
    "affinity": Edit("affinity", "10.0.0.100/7000", "connection"),
}


def test_every_action_is_tried_here() -> None:
    assert {*EVERY, *(edit.action for edit in BACK.values())} == set(ACTIONS)


@pytest.mark.parametrize("action", EVERY)
def test_an_edit_changes_a_copy(action: str) -> None:
    before = copy.deepcopy(stage().document)
    assert edited(EVERY[action]) != before
    assert stage().document == before


@pytest.mark.parametrize("action", BACK)
def test_what_is_taken_back_leaves_the_same_objects(action: str) -> None:
    def sorted_rows(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: sorted_rows(value) for key, value in node.items()}
        return sorted(map(sorted_rows, node), key=repr) if isinstance(node, list) else node

    after = edited(EVERY[action], BACK[action])
    assert sorted_rows(after) == sorted_rows(stage().document)


@pytest.mark.parametrize("action", EVERY)
def test_the_same_edit_twice_is_not_applicable(action: str) -> None:
    with pytest.raises(NotApplicableError):
        edited(EVERY[action], EVERY[action])


@pytest.mark.parametrize(
    "edit",
    [
        Edit("weight", "web/s9", "1"),
        Edit("weight", "nothing/s1", "1"),
        Edit("restore", "web/s1"),
        Edit("repool", "10.0.0.100/7000", "nothing"),
        Edit("listener_off", "10.0.0.100/1"),
        Edit("rename_switch", "lb9", "lb8"),
    ],
)
def test_an_edit_of_what_is_not_there_is_not_applicable(edit: Edit) -> None:
    with pytest.raises(NotApplicableError):
        edited(edit)


def test_a_backend_that_was_taken_out_comes_back_as_it_was() -> None:
    out = Edit("remove", "web/s1")
    assert "s1" not in names(edited(out))
    back = pool(edited(Edit("weight", "web/s1", "5"), out, Edit("restore", "web/s1")))["backends"][-1]
    assert (back["name"], back["weight"]) == ("s1", 5)


@pytest.mark.parametrize("kind", ["ovs", "embedded"])
def test_a_renamed_switch_is_renamed_wherever_it_is_named(kind: str) -> None:
    document = stage(kind).document
    renamed = apply(Intent(document), Edit("rename_switch", "leaf1", "leaf1x")).document
    # Whole words only: mode, MAC addresses and other names stay.
    assert json.dumps(renamed["switches"]).count('"leaf1"') == 0
    assert json.dumps(renamed["pools"]).count('"leaf1"') == 0
    text = json.dumps([document["switches"], document["pools"]])
    assert json.dumps([renamed["switches"], renamed["pools"]]) == text.replace('"leaf1"', '"leaf1x"')
