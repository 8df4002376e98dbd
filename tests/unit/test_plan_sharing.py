"""What did not change is the same object in the next intent, duty and plan, and all is as if made at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from controller.model.load import load_text
from controller.model.reload import IntentFile
from controller.model.sharing import sharing
from controller.plan.duties import Duties
from controller.plan.duty import switch_spec_without_pins
from tests.unit.test_flow_plan import Scene, befall

TEXT = (Path(__file__).parent / "data/good.yaml").read_text()


def test_a_file_that_is_read_again_shares_what_is_equal(tmp_path: Path) -> None:
    path = tmp_path / "intent.yaml"
    path.write_text(TEXT)
    file = IntentFile(path, quiet=0.0)
    file.poll()
    old = file.intent
    changed = TEXT.replace("weight: 0", "weight: 5")
    assert changed != TEXT
    path.write_text(changed + "# longer\n")
    file.poll()
    new = file.intent
    assert old is not None
    assert new == load_text(changed, "again")
    assert new.vips is old.vips
    assert new.switches is old.switches
    assert new.pool("web") is old.pool("web")
    assert new.pool("dns") is not old.pool("dns")


def test_an_intent_with_less_or_in_another_order_is_itself() -> None:
    old = load_text(TEXT, "good")
    for vips in (old.vips[:1], old.vips[::-1], ()):
        new = replace(load_text(TEXT, "again"), vips=vips)
        assert sharing(new, old) == new
    assert sharing(old, None) is old


def test_duties_are_those_made_at_once_and_share_what_a_change_does_not_concern() -> None:
    site, kept = Scene(), {}
    for name in ("lb1", "edge1"):
        kept[name] = Duties()
    events = (
        "weight",
        "down",
        "listeners",
        "timeout",
        "address",
        "leave",
        "time",
        "members",
        "up",
        "place",
        "weight",
    )
    for number, what in enumerate(events):
        befall(site, what, (number % 6, 1 + number % 3, "lb1"))
        for name, duties in kept.items():
            world, switch = site.world(), site.switch(name)
            assert duties.of(world, switch) == switch_spec_without_pins(world, switch)
    duties, switch = kept["lb1"], site.switch("lb1")
    old = duties.of(site.world(), switch)
    befall(site, "weight", (4, 3, "lb1"))
    new = duties.of(site.world(), switch)
    assert new == switch_spec_without_pins(site.world(), switch)
    assert new.vips is old.vips
    assert new.listeners is old.listeners
    shared = {number for number, pool in new.pools.items() if pool is old.pools[number]}
    assert shared
    assert shared < new.pools.keys()
