"""The soak of two sites in a lab: half a minute of faults, and pairs of them: no two owners, and nothing breaks."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.fakes.etcd import needs_etcd
from tests.lab.conftest import why_not
from topo import state
from topo.sitedemo import run as demo
from topo.sitedemo.events import SCALES
from topo.sitedemo.outcome import conclude
from topo.sitesoak import report
from topo.sitesoak.faults import BOTH, LEADER, Episode, Fault, Kind
from topo.sitesoak.play import SoakPlay
from topo.sitesoak.run import Options, run

pytestmark = [pytest.mark.lab, needs_etcd]

# On Open vSwitch agents own the VIPs: that is the first of its scales.
SMALL = {one.switch: replace(one, connections=20, rate=4.0) for one in reversed(SCALES)}
QUICK = (Kind.LINK, Kind.KILLED, Kind.AGENT_STOPPED, Kind.MEMBER, Kind.LB, Kind.SERVER, Kind.CLOCK)
"""What is over within half a minute, with the return to health."""
PAIRS = (
    (Fault(Kind.LINK, "x1", BOTH), Fault(Kind.LINK, "x2", "forth", 1.0)),
    (Fault(Kind.MEMBER, LEADER), Fault(Kind.KILLED, LEADER, "", 0.2)),
    (Fault(Kind.SITE_CUT, "west", lasts=7.0), Fault(Kind.CLOCK, LEADER, "3600", 1.0)),
    (Fault(Kind.LBS, "east", lasts=5.0), Fault(Kind.STOPPED, LEADER, "", 1.0, 4.0)),
)
# Whether all was in time is what `evenkeel soak` says: it depends on what else this machine does.
PROOFS = ("no_connection_broken", "no_duplicates", "all_proven", "some_opened", "all_events", "no_defects")


@pytest.fixture
def lab_name() -> Iterator[str]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    name = f"sites{os.getpid() % 100000}"
    yield name
    state.remove(name)


def held(made: dict[str, Any], said: str) -> None:
    promises = {one["name"]: one["held"] for one in made["promises"]}
    assert {name: promises[name] for name in PROOFS} == dict.fromkeys(PROOFS, True), said
    assert made["connections"]["by_verdict"]["ok"] > 0, said
    for event in made["events"]:
        assert event["healthy_ms"] is not None, said
        assert event["faults"], said


def test_half_a_minute_of_faults_gives_no_two_owners_and_breaks_nothing(
    lab_name: str, tmp_path: Path
) -> None:
    said = io.StringIO()
    options = Options(tmp_path, 7, 0.4, scale=SMALL["ovs"], kinds=QUICK, per_site=1, lab=lab_name)
    assert run(options, Console(file=said, width=200)) in (0, 1), said.getvalue()
    made = json.loads((tmp_path / "report.json").read_text())
    held(made, said.getvalue())
    assert (made["minutes"], set(made["kinds"])) == (0.4, set(QUICK))


@pytest.mark.long
@pytest.mark.parametrize("kind", ["ovs", "embedded"])
def test_pairs_of_faults_give_no_two_owners_and_break_nothing(
    lab_name: str, tmp_path: Path, kind: str
) -> None:
    said = io.StringIO()
    console = Console(file=said, width=200)
    asked = demo.Options(tmp_path, scale=SMALL[kind], per_site=1, lab=lab_name)  # type: ignore[index]
    episodes: Sequence[Episode] = [Episode(pair, 0.5) for pair in PAIRS]
    with demo.ready(asked, console, SoakPlay) as one:
        outcome = conclude(replace(one.soak(episodes), events=len(episodes)))
        made = report.build(outcome, one.notes, tuple(Kind), None)
    held(made, said.getvalue())
    assert [len(each["faults"]) for each in made["events"]] == [2] * len(PAIRS)
