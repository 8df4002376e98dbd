"""Alert rules and the dashboard: right by promtool, of metrics that exist, and each alert fires, and has a runbook."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ruamel.yaml import YAML

from controller.core.events import EVENTS
from controller.metrics.families import ALL, OF_AGENTS

DOCS = Path(__file__).resolve().parents[2] / "docs"
RULES = DOCS / "monitoring" / "evenkeel.rules.yaml"
DASHBOARD = DOCS / "monitoring" / "evenkeel-dashboard.json"
SAMPLES = {sample for family in ALL for sample in family.samples}
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool: apt-get install prometheus (make test-packages)"
)


class Case(NamedTuple):
    """An alert, with what it fires at and what it does not."""

    alert: str
    bad: dict[str, str]
    """Series without the labels that all have -> values, one every 15 s."""
    good: dict[str, str]
    labels: str = ""
    """Of the alert that fires, besides the shared ones."""


def _slow(name: str, labels: str = "") -> dict[str, str]:
    """Each of four values a minute is between 1 and 2.5 s."""
    values = {"1.0": "0x60", "2.5": "0+1x60", "+Inf": "0+1x60"}
    return {f'{name}{{{labels}le="{le}"}}': each for le, each in values.items()}


def _fast(name: str, labels: str = "") -> dict[str, str]:
    return {f'{name}{{{labels}le="{le}"}}': "0+1x60" for le in ("0.01", "+Inf")}


def _gauge(
    name: str, bad: str = "1x60", good: str = "0x60", labels: str = ""
) -> tuple[dict[str, str], dict[str, str]]:
    return {f"{name}{{{labels}}}": bad}, {f"{name}{{{labels}}}": good}


_CONNECTED, _LEAVING = 'evenkeel_switch_connected{switch="lb1"}', 'evenkeel_switch_leaving{switch="lb1"}'
_OWNED = 'evenkeel_vip_owner{vip="shop",site="%s"}'
_LEFT = 'evenkeel_vip_authority_remaining_seconds{vip="shop"}'
_DOWN, _ALL = (f'evenkeel_pool_backends{end}{{pool="web",protocol="tcp"}}' for end in ("_down", ""))
_SYNCED, _ADMITTED = (f'evenkeel_switch_{what}{{switch="lb1"}}' for what in ("synced", "admitted"))
_AGENT_LEFT = 'evenkeel_agent_authority_remaining_seconds{mac="02:45:56:00:01:01"}'
_AGENT_HOLDS = 'evenkeel_agent_group_role{mac="02:45:56:00:01:01",role="holds"}'
CASES = (
    Case("EvenkeelNoLeader", *_gauge("evenkeel_leader", "0x60", "1x60")),
    Case(
        "EvenkeelTwoLeaders",
        {
            'evenkeel_lease_remaining_seconds{instance="a"}': "3x60",
            'evenkeel_lease_remaining_seconds{instance="b"}': "2x60",
        },
        {
            'evenkeel_lease_remaining_seconds{instance="a"}': "3x60",
            'evenkeel_lease_remaining_seconds{instance="b"}': "0x60",
        },
    ),
    Case("EvenkeelNotReady", *_gauge("evenkeel_ready", "0x60", "1x60")),
    Case("EvenkeelStoreFailing", *_gauge("evenkeel_store_up", "0x60", "1x60")),
    Case(
        "EvenkeelStoreSlow",
        _slow("evenkeel_store_commit_seconds_bucket"),
        _fast("evenkeel_store_commit_seconds_bucket"),
    ),
    Case(
        "EvenkeelLoopLag",
        _slow("evenkeel_loop_lag_seconds_bucket"),
        _fast("evenkeel_loop_lag_seconds_bucket"),
    ),
    Case(
        "EvenkeelProbesLate",
        _slow("evenkeel_probe_lateness_seconds_bucket"),
        _fast("evenkeel_probe_lateness_seconds_bucket"),
    ),
    Case(
        "EvenkeelPlaceLost",
        *_gauge("evenkeel_place_counts", "0x60", "1x60", 'place="east1",site="east"'),
        'place="east1",site="east"',
    ),
    Case(
        "EvenkeelServerSilent",
        *_gauge("evenkeel_backend_agent_silent", labels='pool="web",backend="s1"'),
        'pool="web",backend="s1"',
    ),
    Case(
        "EvenkeelAgentNoneActs",
        *_gauge("evenkeel_agent_acts", "0x60", "1x60", 'site="east"'),
        'site="east"',
    ),
    Case(
        "EvenkeelAgentNotReady",
        *_gauge("evenkeel_agent_ready", "0x60", "1x60", 'site="east"'),
        'site="east"',
    ),
    Case(
        "EvenkeelAgentAuthorityLow",
        {_AGENT_LEFT: "0.1x60", _AGENT_HOLDS: "1x60"},
        {_AGENT_LEFT: "0x60", _AGENT_HOLDS: "0x60"},
        'mac="02:45:56:00:01:01"',
    ),
    Case(
        "EvenkeelAgentRenewSlow",
        _slow("evenkeel_agent_lease_renew_seconds_bucket"),
        _fast("evenkeel_agent_lease_renew_seconds_bucket"),
    ),
    Case(
        "EvenkeelAgentPathDown",
        *_gauge("evenkeel_agent_path_up", "0x60", "1x60", 'agent="west-a",path="192.0.2.1:7654"'),
        'agent="west-a",path="192.0.2.1:7654"',
    ),
    Case(
        "EvenkeelAgentEdgeAway",
        *_gauge("evenkeel_agent_edge_connected", "0x60", "1x60", 'switch="edge1"'),
        'switch="edge1"',
    ),
    Case(
        "EvenkeelAgentFenceDown",
        *_gauge("evenkeel_agent_fence_up", "0x60", "1x60", 'switch="edge1",interface="f0"'),
        'switch="edge1",interface="f0"',
    ),
    Case("EvenkeelNameServerAlone", *_gauge("evenkeel_nameserver_heard_age_seconds", "90x60", "1x60")),
    Case("EvenkeelNameServerProblem", *_gauge("evenkeel_nameserver_problems")),
    Case("EvenkeelIntentRefused", *_gauge("evenkeel_intent_refused")),
    Case(
        "EvenkeelDefect",
        *_gauge("evenkeel_events_total", "0x30 1x30", "3x60", 'event="failure"'),
        'event="failure"',
    ),
    Case("EvenkeelEventsDropped", *_gauge("evenkeel_events_dropped_total", "0x30 5x30", "5x60")),
    Case(
        "EvenkeelVipWithoutOwner",
        {_OWNED % "east": "0x60", _OWNED % "west": "0x60"},
        {_OWNED % "east": "0x60", _OWNED % "west": "1x60"},
        'vip="shop"',
    ),
    Case(
        "EvenkeelAuthorityEnded",
        {_OWNED % "east": "1x60", _OWNED % "west": "0x60", _LEFT: "0x60"},
        {_OWNED % "east": "0x60", _OWNED % "west": "0x60", _LEFT: "0x60"},
        'vip="shop"',
    ),
    Case("EvenkeelVipAway", *_gauge("evenkeel_vip_away", labels='vip="shop"'), 'vip="shop"'),
    Case("EvenkeelVipConflict", *_gauge("evenkeel_vip_conflicts", labels='vip="shop"'), 'vip="shop"'),
    Case("EvenkeelSiteUnfit", *_gauge("evenkeel_site_fit", "0x60", "1x60", 'site="west"'), 'site="west"'),
    Case(
        "EvenkeelFenceOpen", *_gauge("evenkeel_switch_fence_open", labels='switch="edge1"'), 'switch="edge1"'
    ),
    Case(
        "EvenkeelSwitchAway",
        {_CONNECTED: "0x60", _LEAVING: "0x60"},
        {_CONNECTED: "0x60", _LEAVING: "1x60"},
        'switch="lb1"',
    ),
    Case(
        "EvenkeelSwitchNotSynced",
        {_CONNECTED: "1x60", _SYNCED: "0x60"},
        {_CONNECTED: "0x60", _SYNCED: "0x60"},
        'switch="lb1"',
    ),
    Case(
        "EvenkeelSwitchNotAdmitted",
        {_CONNECTED: "1x60", _ADMITTED: "0x60"},
        {_CONNECTED: "1x60", _ADMITTED: "1x60"},
        'switch="lb1"',
    ),
    Case(
        "EvenkeelCertificateEnds",
        *_gauge(
            "evenkeel_certificate_end_seconds", "600000x60", "700000x60", 'option="--api-cert",file="a.pem"'
        ),
        'option="--api-cert",file="a.pem"',
    ),
    Case("EvenkeelExitProblem", *_gauge("evenkeel_exit_problem", labels='exit="routes"'), 'exit="routes"'),
    Case("EvenkeelSwitchProblem", *_gauge("evenkeel_switch_problem", labels='switch="lb1"'), 'switch="lb1"'),
    Case(
        "EvenkeelSwitchTwice",
        *_gauge("evenkeel_events_total", "0x30 1x30", "3x60", 'event="switch_twice"'),
        'event="switch_twice"',
    ),
    Case("EvenkeelStranger", *_gauge("evenkeel_switch_strangers")),
    Case(
        "EvenkeelWritesSlow",
        _slow("evenkeel_switch_write_seconds_bucket", 'switch="lb1",'),
        _fast("evenkeel_switch_write_seconds_bucket", 'switch="lb1",'),
        'switch="lb1"',
    ),
    Case(
        "EvenkeelDriftRepaired",
        *_gauge("evenkeel_switch_drift_repaired_total", "0x30 7x30", "7x60", 'switch="lb1",drift="missing"'),
        'switch="lb1"',
    ),
    Case(
        "EvenkeelPoolBelowHalf",
        {_DOWN: "2x60", _ALL: "3x60"},
        {_DOWN: "1x60", _ALL: "2x60"},
        'pool="web",protocol="tcp"',
    ),
    Case(
        "EvenkeelBackendDown",
        *_gauge("evenkeel_backend_up", "0x60", "1x60", 'pool="web",backend="s1"'),
        'pool="web",backend="s1"',
    ),
    Case("EvenkeelProbingStandsStill", *_gauge("evenkeel_probe_problems")),
    Case("EvenkeelPinsUnsynced", *_gauge("evenkeel_pins_unsynced", "2x60", "2 2 0 2 2 0 2 2 0 2x2 0x60")),
    Case(
        "EvenkeelReportsIncredible",
        *_gauge("evenkeel_reports_total", "0x30 900x30", "0x30 7x30", 'report="incredible"'),
    ),
    Case("EvenkeelPinsRefused", *_gauge("evenkeel_pins_refused_total", "0x50 9x10", "9x60")),
)


def rules() -> list[dict[str, Any]]:
    (group,) = YAML(typ="safe").load(RULES.read_text(encoding="utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def expressions() -> Iterator[tuple[str, str]]:
    """(where it is asked, query) of all alerts and panels."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"]


def test_every_metric_that_is_asked_for_exists() -> None:
    unknown = {
        (where, name)
        for where, query in expressions()
        for name in re.findall(r"\b(?:evenkeel|process)_\w+", query)
        if name not in SAMPLES
    }
    assert not unknown
    asked = " ".join(query for _, query in expressions())
    assert set(re.findall(r'event="(\w+)"', asked)) <= EVENTS.keys()


def test_every_figure_of_agents_is_in_a_panel_or_an_alert() -> None:
    asked = " ".join(query for _, query in expressions())
    elsewhere = {
        "evenkeel_agent_group_epoch": "counts changes that the lease's holder shows",
        "evenkeel_agent_edge_problem": "the status has the words",
        "evenkeel_agent_fence_claimed": "follows the lease",
        "evenkeel_agent_observers": "how many controllers run",
        "evenkeel_agent_observations_sent": "a rate without a right value",
    }
    named = {family.name for family in OF_AGENTS if family.name in asked}
    assert {family.name for family in OF_AGENTS} - named == elsewhere.keys()


def test_every_label_that_is_asked_for_is_one_of_some_metric() -> None:
    known = {label for family in ALL for label in family.labels} | {"job", "instance", "le"}
    for where, query in expressions():
        for names in re.findall(r"\b(?:by|on) \(([^)]*)\)", query):
            assert set(names.replace(" ", "").split(",")) <= known, where


def test_every_alert_says_how_bad_it_is_and_has_a_runbook() -> None:
    page = (DOCS / "alerts.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (\w+)$", page, re.MULTILINE)
    assert headings == [rule["alert"] for rule in rules()], "in the order of the rules"
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["runbook_url"] == f"docs/alerts.md#{rule['alert'].lower()}"
        assert rule["annotations"]["summary"]


def test_every_alert_has_a_case() -> None:
    assert sorted(case.alert for case in CASES) == sorted(rule["alert"] for rule in rules())


@needs_promtool
def test_rules_and_queries_of_the_dashboard_are_right(tmp_path: Path) -> None:
    assert promtool("check", "rules", str(RULES)) == ""
    recorded = [
        {"record": f"panel{n}", "expr": query.replace("$__rate_interval", "1m").replace("$job", "fabric")}
        for n, (_, query) in enumerate(expressions())
        if not query.startswith("label_values")
    ]
    path = tmp_path / "panels.yaml"
    YAML().dump({"groups": [{"name": "panels", "rules": recorded}]}, path)
    assert promtool("check", "rules", str(path)) == ""


@needs_promtool
def test_every_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    severity = {rule["alert"]: rule["labels"]["severity"] for rule in rules()}
    tests = [_test(part, bad, severity) for bad in (True, False) for part in _apart(CASES)]
    path = tmp_path / "alerts.yaml"
    YAML().dump({"rule_files": [str(RULES)], "evaluation_interval": "15s", "tests": tests}, path)
    assert promtool("test", "rules", str(path)) == ""


def _apart(cases: tuple[Case, ...]) -> list[list[Case]]:
    """Cases in few parts, each of cases that share no metric: promtool takes its time for each."""
    parts: list[tuple[set[str], list[Case]]] = []
    for case in cases:
        names = {series.partition("{")[0] for series in (*case.bad, *case.good)}
        known, part = next((each for each in parts if not each[0] & names), (set[str](), list[Case]()))
        if not part:
            parts.append((known, part))
        known |= names
        part.append(case)
    return [part for _, part in parts]


def _test(cases: list[Case], bad: bool, severity: dict[str, str]) -> dict[str, Any]:
    series = [each for case in cases for each in (case.bad if bad else case.good).items()]
    return {
        "interval": "15s",
        "input_series": [{"series": _with_job(name), "values": values} for name, values in series],
        "promql_expr_test": [
            {
                "expr": f'ALERTS{{alertname="{case.alert}",alertstate="firing"}}',
                "eval_time": "14m",
                "exp_samples": [{"labels": _firing(case, severity), "value": 1}] if bad else [],
            }
            for case in cases
        ],
    }


def _firing(case: Case, severity: dict[str, str]) -> str:
    labels = f",{case.labels}" if case.labels else ""
    shared = f'alertstate="firing",severity="{severity[case.alert]}",job="fabric"'
    return f'ALERTS{{alertname="{case.alert}",{shared}{labels}}}'


def _with_job(series: str) -> str:
    name, _, labels = series.rstrip("}").partition("{")
    return f'{name}{{job="fabric"{"," if labels else ""}{labels}}}'


def promtool(*arguments: str) -> str:
    """What it complained of."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
