"""Metrics as text: what Prometheus' own parser reads back is what was written; what happens is counted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_plain

from controller.health.result import Outcome, ProbeResult
from controller.health.targets import Probe
from controller.metrics import families
from controller.metrics.families import ALL, Family, Kind
from controller.metrics.histogram import Histogram, distribution
from controller.metrics.observations import Observations
from controller.metrics.series import table_labels
from controller.metrics.text import Text, labels
from controller.spec.health import ProbeKind

GAUGE = Family("evenkeel_sample", Kind.GAUGE, "A sample", ("one", "other"))
COUNTER = Family("evenkeel_sample", Kind.COUNTER, "A sample", ("one",))
HISTOGRAM = Family("evenkeel_sample_seconds", Kind.HISTOGRAM, "A sample", ("one",))


def samples(text: bytes, plain: bool = False) -> list[tuple[str, dict[str, str], float]]:
    read: Any = read_plain if plain else read_open
    found: Iterable[Any] = read(text.decode())
    return [(each.name, each.labels, each.value) for family in found for each in family.samples]


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.text(st.sampled_from('ab\\"\n{},=é '), min_size=1, max_size=8),
        st.floats(allow_nan=False),
        max_size=5,
    ),
    st.booleans(),
)
def test_what_is_read_back_is_what_was_written(values: dict[str, float], plain: bool) -> None:
    text = Text(plain)
    text.rows(GAUGE, [(labels(one=name, other="x"), value) for name, value in values.items()])
    assert samples(text.whole(), plain) == [
        ("evenkeel_sample", {"one": name, "other": "x"}, value) for name, value in values.items()
    ]


@pytest.mark.parametrize("plain", [False, True])
def test_counters_and_histograms_have_the_names_that_their_format_asks_for(plain: bool) -> None:
    seen = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        seen.observe(value)
    text = Text(plain)
    text.rows(COUNTER, [(labels(one="a"), 3)])
    text.histograms(HISTOGRAM, [(labels(one="a"), seen.taken())])
    rows = samples(text.whole(), plain)
    assert rows[0] == ("evenkeel_sample_total", {"one": "a"}, 3)
    assert {row[1]["le"]: row[2] for row in rows if row[0].endswith("_bucket")} == {
        "0.1": 2,
        "1.0": 3,
        "+Inf": 4,
    }
    assert [row[2] for row in rows if row[0].endswith("_count")] == [4]
    assert [row[2] for row in rows if row[0].endswith("_sum")] == [pytest.approx(7.65)]
    assert text.whole().endswith(b"# EOF\n") is not plain


def test_a_family_without_series_is_not_mentioned() -> None:
    text = Text()
    text.rows(GAUGE, [])
    text.value(GAUGE, None)
    text.histograms(HISTOGRAM, [])
    assert text.whole() == b"# EOF\n"


def test_empty_labels_are_left_out() -> None:
    assert labels(one="", other="b") == 'other="b"'


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5000), max_size=30))
def test_values_counted_by_steps_fall_into_the_buckets_that_they_would_have_by_themselves(
    steps: list[int],
) -> None:
    seen = Histogram((0.0025, 0.1, 0.25))
    for number in steps:
        seen.observe((number + 0.5) * 0.0001)
    counted = distribution({n: steps.count(n) for n in set(steps)}, 0.0001, (0.0025, 0.1, 0.25))
    assert counted.counts == seen.taken().counts
    assert math.isclose(counted.total, seen.taken().total, abs_tol=1e-9)


def test_names_follow_the_conventions() -> None:
    assert len({family.name for family in ALL}) == len(ALL)
    for family in ALL:
        assert family.name.startswith(("evenkeel_", "process_"))
        assert not family.name.endswith(("_total", "_info", "_ms", "_milliseconds"))
        assert not family.meaning.endswith(".")
        if family.kind is Kind.HISTOGRAM:
            assert family.unit == "seconds"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("web/tcp", {"pool": "web", "protocol": "tcp", "listener": ""}),
        ("shop/tcp/80 web/tcp", {"pool": "web", "protocol": "tcp", "listener": "shop/tcp/80"}),
    ],
)
def test_a_table_has_the_labels_of_its_key(key: str, expected: dict[str, str]) -> None:
    assert table_labels(key) == expected


def probed(outcome: Outcome, seconds: float) -> ProbeResult:
    return ProbeResult(Probe(ProbeKind.TCP, ip_address("10.1.0.1"), 80), outcome, "", 5.0, 5.0 + seconds)


def test_events_probes_and_commits_are_counted() -> None:
    seen = Observations()
    seen.event("converged", {"switch": "lb1", "ms": 12.5})
    seen.event("repaired", {"switch": "lb1", "missing": 2, "modified": 0, "unexpected": 1, "what": []})
    seen.event("table", {"pool": "web/tcp", "moved": 40})
    seen.event("table", {"pool": "web/tcp", "moved": 2})
    seen.event("a name that is not known", {})
    seen.commit(0.002)
    seen.probed([probed(Outcome.PASS, 0.003), probed(Outcome.FAIL, 0.5), probed(Outcome.LOCAL, 0.0)])
    now = seen.taken()
    assert now.events == {"converged": 1, "repaired": 1, "table": 2, "a name that is not known": 1}
    assert (sum(now.writes["lb1"].counts), now.writes["lb1"].total) == (1, 0.0125)
    assert now.repaired == {("lb1", "missing"): 2, ("lb1", "modified"): 0, ("lb1", "unexpected"): 1}
    assert now.moved == {"web/tcp": 42}
    assert (sum(now.commits.counts), now.unasked) == (1, 1)
    assert {name: sum(each.counts) for name, each in now.probes.items()} == {"pass": 1, "fail": 1}


def test_what_was_taken_does_not_change_any_more() -> None:
    seen = Observations()
    before = seen.taken()
    seen.event("table", {"pool": "web/tcp", "moved": 40})
    seen.lag(0.1)
    assert (before.events, before.moved, sum(before.lag.counts)) == ({}, {}, 0)


def test_switches_and_pools_that_are_gone_are_forgotten() -> None:
    seen = Observations()
    for name in ("lb1", "lb2"):
        seen.event("converged", {"switch": name, "ms": 1.0})
        seen.event("repaired", {"switch": name, "missing": 1})
    seen.event("table", {"pool": "web/tcp", "moved": 1})
    seen.keep({"lb1"}, set())
    now = seen.taken()
    assert (list(now.writes), {name for name, _ in now.repaired}, dict(now.moved)) == (["lb1"], {"lb1"}, {})


def test_fields_that_are_no_numbers_do_no_harm() -> None:
    seen = Observations()
    for fields in ({}, {"switch": None, "ms": "soon"}, {"pool": 3, "moved": []}):
        for name in ("converged", "repaired", "table"):
            seen.event(name, fields)
    assert sum(seen.taken().events.values()) == 9


def test_all_families_are_in_the_groups_of_the_reference() -> None:
    named = {value for value in vars(families).values() if isinstance(value, Family)}
    assert named == set(ALL)
