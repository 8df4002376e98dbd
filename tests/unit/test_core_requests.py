"""Requests are known for ten minutes, bounded, over a restart; resources keep their ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count

import pytest

from controller.core import requests
from controller.core.cells import Cell
from controller.core.requests import FULL, KEPT, SPAN, Requests
from controller.core.resources import Resources
from controller.spec.types import Intent
from tests.fakes import core


def kept() -> tuple[Requests, Cell[Mapping[str, bytes]], core.SetClock]:
    cell: Cell[Mapping[str, bytes]] = Cell("requests", {})
    clock = core.SetClock()
    return Requests(cell, clock), cell, clock


def test_a_request_is_known_for_ten_minutes_and_no_longer() -> None:
    known, cell, clock = kept()
    known.note([("a", "f", b"answer")])
    clock.time += KEPT
    found = known.get("a")
    assert found is not None
    assert (found.fingerprint, found.answer) == ("f", b"answer")
    clock.time += SPAN + 0.1
    assert known.get("a") is None
    known.note([("b", "f", b"")])
    assert len(known) == 1
    assert len(cell.value) == 1


def test_requests_of_a_second_are_one_value() -> None:
    known, cell, clock = kept()
    for number in range(10):
        known.note([(str(number), "f", b"")])
        clock.time += SPAN / 5
    assert len(cell.value) == 2


def test_a_value_stays_small() -> None:
    known, cell, _ = kept()
    known.note([(str(number), "f", b"") for number in range(2 * FULL + 1)])
    assert len(cell.value) == 3
    assert all(known.get(str(number)) for number in range(2 * FULL + 1))


def test_beyond_the_bound_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MOST", 5)
    known, cell, clock = kept()
    for number in range(8):
        known.note([(str(number), "f", b"")])
        clock.time += 2 * SPAN
    assert [number for number in range(8) if known.get(str(number))] == [3, 4, 5, 6, 7]
    assert len(cell.value) == 5


def test_what_is_stored_is_known_after_a_restart() -> None:
    known, cell, _ = kept()
    known.note([("a", "f", b"\x00\xff"), ("b", "g", b"")])
    known.withdraw("b")
    again = Requests(cell, core.SetClock(now=7.0, boot="another boot"))
    found = again.get("a")
    assert found is not None
    assert found.answer == b"\x00\xff"
    assert again.get("b") is None
    again.note([("c", "f", b"")])
    assert again.get("a")
    assert again.get("c")


PAIR = core.loaded("pair")


def resources(intent: Cell[Intent], cell: Cell[Mapping[str, bytes]]) -> Resources:
    numbers = count()
    return Resources(cell, intent, lambda: f"id{next(numbers)}-{id(cell)}")


def test_only_what_changes_is_written_and_ids_stay() -> None:
    intent, cell = Cell("intent", PAIR), Cell[Mapping[str, bytes]]("resources", {})
    found = resources(intent, cell)
    before = dict(cell.value)
    pool = replace(PAIR.pools[0], transition=7.0)
    intent.put(replace(PAIR, pools=(pool,)))
    changed = {name for name, data in cell.value.items() if before[name] is not data}
    assert changed == {"pools/web"}
    ids = {name: found.id(name) for name in cell.value}
    vip = replace(PAIR.vips[0], name="store")
    intent.put(replace(PAIR, pools=(pool,), vips=(vip, *PAIR.vips[1:])))
    assert found.id("vips/store") == ids["vips/shop"]
    assert "vips/shop" not in cell.value
    assert found.id("pools/web/backends/s1") == f"{ids['pools/web']}/s1"
    again = Resources(Cell("resources", dict(cell.value)), intent, lambda: "new")
    assert again.id("vips/store") == ids["vips/shop"]


def test_two_vips_that_swap_their_names_swap_their_ids() -> None:
    intent, cell = Cell("intent", PAIR), Cell[Mapping[str, bytes]]("resources", {})
    found = resources(intent, cell)
    one, two = PAIR.vips[:2]
    ids = found.id(f"vips/{one.name}"), found.id(f"vips/{two.name}")
    swapped = (replace(one, name=two.name), replace(two, name=one.name), *PAIR.vips[2:])
    intent.put(replace(PAIR, vips=swapped))
    assert (found.id(f"vips/{two.name}"), found.id(f"vips/{one.name}")) == ids


def test_a_name_that_is_given_again_is_another_resource() -> None:
    intent, cell = Cell("intent", PAIR), Cell[Mapping[str, bytes]]("resources", {})
    found = resources(intent, cell)
    first = found.id("vips/shop")
    intent.put(replace(PAIR, vips=PAIR.vips[1:]))
    intent.put(PAIR)
    assert found.id("vips/shop") != first
