"""The demo of two sites on embedded switches, one event long: a site dies with all that is in it, and comes back."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.fakes.etcd import needs_etcd
from tests.lab.conftest import why_not
from topo import state
from topo.sitedemo.events import FAR_DIES, SCALES
from topo.sitedemo.run import Options, run

pytestmark = [pytest.mark.lab, pytest.mark.long, needs_etcd]

EMBEDDED = next(one for one in SCALES if one.switch == "embedded" and not one.agents)
SMALL = replace(EMBEDDED, connections=20, rate=4.0)
QUICK = replace(FAR_DIES, lasts=3.0)
# Whether all was in time is the demo's business: it depends on what else this machine does.
PROOFS = (
    "no_connection_broken",
    "no_duplicates",
    "all_proven",
    "some_opened",
    "all_events",
    "no_defects",
    "controllers_end_well",
)


@pytest.fixture
def lab_name() -> Iterator[str]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    name = f"sites{os.getpid() % 100000}"
    yield name
    state.remove(name)


def test_a_site_dies_with_its_controller_and_its_member_and_nothing_breaks(
    lab_name: str, tmp_path: Path
) -> None:
    said = io.StringIO()
    options = Options(tmp_path, scale=SMALL, events=(QUICK,), per_site=1, lab=lab_name)
    assert run(options, Console(file=said, width=200)) in (0, 1), said.getvalue()
    made = json.loads((tmp_path / "report.json").read_text())
    held = {one["name"]: one["held"] for one in made["promises"]}
    assert {name: held[name] for name in PROOFS} == dict.fromkeys(PROOFS, True), said.getvalue()
    (event,) = made["events"]
    assert event["healthy_ms"] is not None, said.getvalue()
    assert made["connections"]["by_verdict"]["server_died"] > 0
    ends = [one["t"] for one in events_of(tmp_path, "ctl3") if one["event"] == "standby"]
    assert len(ends) == 2, "the controller at the site died with it, and stood by again"


def events_of(out: Path, node: str) -> list[dict[str, object]]:
    """What a controller said."""
    lines = (out / "logs" / node / "controller.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]
