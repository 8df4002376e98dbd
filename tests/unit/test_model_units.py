"""What is written as text is read as exactly that value, and back."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model.units import (
    Wrong,
    format_duration,
    parse_address,
    parse_duration,
    parse_mac,
    parse_network,
    parse_octets,
    parse_share,
)


@given(st.floats(min_value=0, max_value=1e9, allow_subnormal=False))
def test_a_duration_survives_being_written_and_read(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(0, 10**6), st.sampled_from([("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]))
def test_units_mean_what_they_say(count: int, unit: tuple[str, int]) -> None:
    assert parse_duration(f"{count}{unit[0]}") == count * unit[1] / 1000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.5, "500ms"),
        (1, "1s"),
        (90, "90s"),
        (120, "2m"),
        (7200, "2h"),
        (1.5, "1500ms"),
        (1e-7, "0.0000001s"),
    ],
)
def test_a_duration_is_written_in_its_largest_whole_unit(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    "text", ["", "s", "1", "1 s", "-1s", "1d", "1m30s", "1e3s", "\u0661s", "nan", "infs"]
)
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(Wrong, match="is no duration"):
        parse_duration(text)


@given(st.integers(0, 100))
def test_percent_and_fraction_are_the_same_share(percent: int) -> None:
    assert parse_share(f"{percent}%") == parse_share(str(percent / 100)) == percent / 100


@given(st.text(max_size=30))
def test_whatever_is_written_is_a_value_or_wrong_never_a_crash(text: str) -> None:
    for parse in (parse_duration, parse_share, parse_address, parse_network, parse_mac, parse_octets):
        with suppress(Wrong):
            parse(text)


@pytest.mark.parametrize(
    ("text", "octets"), [("ping", b"ping"), ("hex:0A0b", b"\x0a\x0b"), ("hex:", b""), ("é", b"\xc3\xa9")]
)
def test_octets_are_text_or_hex(text: str, octets: bytes) -> None:
    assert parse_octets(text) == octets


def test_a_mac_is_kept_in_lower_case_with_colons() -> None:
    assert parse_mac("02-45-56-00-0A-FE") == "02:45:56:00:0a:fe"
