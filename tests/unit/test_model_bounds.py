"""Any intent file is refused with a place or accepted, in bounded time; what is accepted can be probed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.health.http1 import request
from controller.health.targets import targets_of
from controller.health.wire import Change, Unpacker, pack
from controller.model.errors import ConfigErrors
from controller.model.load import load_intent, load_text
from controller.model.probe_values import MAX_DATAGRAM, server_name
from controller.model.yaml_source import MAX_BYTES, MAX_DEPTH, MAX_VALUES
from controller.spec.health import ProbeKind
from tests.unit.spoil import DATA

BASE = (DATA / "base.yaml").read_text()
HEALTH = 'health: {type: http, interval: 2s, timeout: 1s, path: /up, status: [200, 301-308], body: "ok"}'
SECONDS = 5.0
"""Processor seconds that no refusal comes near; two of them took 3 to 14 before there were bounds."""


def errors_of(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as raised:
        load_text(text, "f")
    return [str(error) for error in raised.value]


NUMBERS = st.one_of(
    st.integers(-10, 70000),
    st.integers(10**300, 10**310),
    st.floats(),
    st.text("0123456789smh.%-", max_size=12),
)
TEXTS = st.one_of(
    st.text(max_size=30),
    st.text("/ab.:[]1é \t\r", max_size=12),
    st.sampled_from(["/" * 3000, "(" * 3000, "a" * 300]),
)
SCALARS = st.one_of(NUMBERS, TEXTS, st.booleans(), st.none())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
KEYS = (
    "interval",
    "timeout",
    "rise",
    "fall",
    "path",
    "host",
    "status",
    "body",
    "verify",
    "send",
    "expect",
    "flap",
    "port",
)
PLAUSIBLE: dict[str, st.SearchStrategy[Any]] = {
    "path": st.text(max_size=20).map(lambda text: "/" + text),
    "host": st.one_of(
        st.text("ab-_.:[]1é ", min_size=1, max_size=20),
        st.from_regex(r"[a-z\d.-]{1,12}(:\d{1,6})?", fullmatch=True),
    ),
    "body": st.text("(){}[]|*+?^$\\ab1,", max_size=12),
    "send": st.text(max_size=8),
    "expect": st.text(max_size=8),
}
CHECKS = st.fixed_dictionaries(
    {"type": st.sampled_from([kind.value for kind in ProbeKind])},
    optional={key: PLAUSIBLE.get(key, VALUES) | VALUES for key in KEYS},
)


def with_health(check: dict[str, Any]) -> str:
    """The base whose web pool has that check; JSON is YAML."""
    return BASE.replace(HEALTH, f"health: {json.dumps(check)}")


@settings(deadline=None, max_examples=50)
@given(CHECKS)
def test_what_check_accepts_can_be_probed(check: dict[str, Any]) -> None:
    try:
        intent = load_text(with_health(check), "f")
    except ConfigErrors:
        return
    probes = [target.probe for target in targets_of(intent)]
    assert len({probe.address for probe in probes}) >= 3
    for probe in probes:
        assert 0 <= probe.fraction < 1
        assert request(probe).endswith(b"\r\n\r\n")
        assert len(probe.send) <= MAX_DATAGRAM
        if probe.host is not None:
            name = server_name(probe.host)
            assert name
            assert not name.startswith(".")
            name.encode("idna")
    change = Change(tuple(enumerate(probes)))
    assert Unpacker().feed(pack(change)) == [change]


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(TEXTS | st.sampled_from(["sites", "switches", "pools", "vips"]), VALUES, max_size=4))
def test_no_values_whatever_break_the_reader(values: dict[str, Any]) -> None:
    errors = None
    try:
        load_text(json.dumps(values), "f")
    except ConfigErrors as refused:
        errors = list(refused)
    assert errors is None or errors


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_no_value_in_place_of_a_good_one_breaks_the_reader(data: st.DataObject) -> None:
    words = [word for word in BASE.replace("{", " ").replace("}", " ").split() if len(word) > 1]
    word = data.draw(st.sampled_from(sorted(set(words))))
    value = data.draw(VALUES)
    errors = None
    try:
        load_text(BASE.replace(word, json.dumps(value), 1), "f")
    except ConfigErrors as refused:
        errors = list(refused)
    assert errors is None or errors


@pytest.mark.parametrize("key", ["interval", "timeout", "rise", "port"])
def test_a_number_of_400_digits_is_refused_without_repeating_all_of_it(key: str) -> None:
    (error,) = errors_of(with_health({"type": "http", key: 10**400}))
    assert error.startswith(f"f:24:{34 + len(key)}: {key} is 1000")
    assert ", write " in error
    assert len(error) < 400


@pytest.mark.parametrize("opens", ["[", "{", "- ", "? ", "[a, ", "{a: "])
def test_values_that_stand_too_deep_are_refused_at_their_place(opens: str) -> None:
    began = time.process_time()
    (error,) = errors_of("sites:\n" + opens * 3000)
    assert time.process_time() - began < SECONDS
    assert error.startswith("f:2:")
    assert error.endswith(
        f"more than {MAX_DEPTH} deep in each other, close what is open: an intent needs no more than 8"
    )


def test_a_depth_that_an_intent_needs_is_far_from_the_bound() -> None:
    assert load_text(BASE.replace("{rate: 1000, ", "{\n" + " " * 30 + "rate: 1000, "), "f").vips


def test_an_expression_of_3000_parentheses_is_refused() -> None:
    (error,) = errors_of(with_health({"type": "http", "body": "(" * 3000}))
    assert "body has 3000 characters and 3000 parentheses" in error


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ConfigErrors) as raised:
        load_intent(path)
    assert [error.message for error in raised.value] == ["is larger than 4 MiB"]
    assert errors_of("#" * (MAX_BYTES + 1)) == [
        "f: is larger than 4 MiB, divide it among controllers, each with switches of its own"
    ]


def test_aliases_cannot_stand_for_more_than_a_file_may_hold() -> None:
    prefixes = ", ".join(["{prefix: 192.0.2.0/24, rate: 1}"] * 1000)
    text = f"a: &a [{prefixes}]\nb: &b [{', '.join(['*a'] * 1000)}]\nc: [{', '.join(['*b'] * 1000)}]\n"
    began = time.process_time()
    (error,) = errors_of(text)
    assert time.process_time() - began < SECONDS
    assert error.startswith(f"f: holds more than {MAX_VALUES:,} values")
