"""The demo on P4 switches: load and bounds that fit, the short script, and the pin that sabotage writes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from p4src.target import EntryBody, EntryKey, P4Target
from topo import model
from topo.demo.events import FULL, SHORT, Kind, Pace, write_script
from topo.demo.scale import SCALES, Scale
from topo.demo.strangepin import Strange, pin

WEIGHTS = {f"s{n}": 1 for n in range(1, 7)}
VIP, CLIENT = 0xFFFF0A000064, 0xFFFF0A00000B
HELD = P4Target(
    {
        EntryKey("listener", (VIP, 6, 7000)): EntryBody("serve", (3, 3, 1, 4095, 0, 0, 900, 1, 115)),
        EntryKey("backend", (2, 5)): EntryBody("dr", (0x024556020003, 16)),
        EntryKey("backend", (3, 4)): EntryBody("dr", (0x024556020004, 16)),
        EntryKey("backend", (3, 5)): EntryBody("dr", (0x024556020003, 16)),
    }
)
STRANGE = Strange(
    {"lb1": ("172.31.0.33:9559", 33)},
    ("10.0.0.100", 7000),
    ("10.0.0.11", 40000),
    "02:45:56:02:00:03",
    3.0,
)


def test_every_kind_of_switch_has_a_scale() -> None:
    assert [one.switch for one in SCALES] == list(model.KINDS)


@pytest.mark.parametrize("scale", SCALES, ids=lambda one: one.switch)
def test_only_events_that_cannot_be_foreseen_may_cost_new_connections(scale: Scale) -> None:
    allowed = {kind for kind in Kind if scale.bound_ms(kind, 1.3) > 0}
    assert allowed == {Kind.KILL_SERVER, Kind.KILL_LB, Kind.DRAIN_BACKEND}
    assert scale.bound_ms(Kind.KILL_SERVER, 1.3) == 1300.0 + scale.verdict_ms


@pytest.mark.parametrize("pace", [FULL, SHORT], ids=["full", "short"])
def test_events_come_in_order_and_slots_move_before_the_switch_dies(pace: Pace) -> None:
    script = write_script(5, WEIGHTS, ["lb1", "lb2", "lb3"], sabotage=True, pace=pace)
    times = [step.at for step in script.steps]
    assert times == sorted(times)
    assert times[-1] < script.finish_at
    kinds = [step.kind for step in script.steps]
    assert kinds[0] is Kind.SABOTAGE
    assert kinds.index(Kind.MOVE_SLOTS) < kinds.index(Kind.KILL_LB) < kinds.index(Kind.HEAL_LB)


def test_the_short_demo_takes_less_than_a_minute() -> None:
    assert SHORT.finish_at < 50
    assert SHORT.silent[0] > SHORT.silence


def test_sabotage_pins_the_victim_to_the_chosen_server() -> None:
    key, body = pin(HELD, STRANGE)
    assert key == EntryKey("pin", (3, CLIENT, 40000))
    assert body == EntryBody("pinned", (5,))


@pytest.mark.parametrize(
    ("strange", "why"),
    [
        (replace(STRANGE, listener=("10.0.0.100", 7001)), "no listener 10.0.0.100:7001"),
        (replace(STRANGE, to="02:45:56:02:00:09"), "no backend of listener 10.0.0.100:7000"),
    ],
)
def test_sabotage_of_what_is_not_there_says_what_is_missing(strange: Strange, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        pin(HELD, strange)


def test_what_sabotage_shall_do_survives_its_file() -> None:
    assert Strange.parse(STRANGE.dump()) == STRANGE
