"""Hellos are read as they were made, and none is read that the controller did not make."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.frames.hello import Hello, hello_frame, key_of, read_hello

MAC = "02:45:56:01:00:21"
KEY = key_of(bytes(range(20)))
WIDE = st.integers(0, 2**64 - 1)
HELLOS = st.builds(Hello, switch=WIDE, port=st.integers(0, 2**32 - 1), run=WIDE, number=WIDE)


@settings(deadline=None)
@given(HELLOS, st.binary(max_size=40))
def test_a_hello_is_read_as_it_was_made_whatever_pads_it(hello: Hello, padding: bytes) -> None:
    assert read_hello(hello_frame(hello, MAC, KEY) + padding, KEY) == hello


@settings(deadline=None)
@given(HELLOS, st.data())
def test_no_octet_of_a_hello_can_be_changed(hello: Hello, data: st.DataObject) -> None:
    frame = bytearray(hello_frame(hello, MAC, KEY))
    place = data.draw(st.integers(12, len(frame) - 1))
    frame[place] ^= data.draw(st.integers(1, 255))
    assert read_hello(bytes(frame), KEY) is None


@settings(deadline=None)
@given(HELLOS, st.binary(max_size=64))
def test_a_hello_of_another_key_is_refused(hello: Hello, secret: bytes) -> None:
    assert read_hello(hello_frame(hello, MAC, key_of(secret)), KEY) is None


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_whatever_the_network_sends_raises_nothing(frame: bytes) -> None:
    assert read_hello(frame, KEY) is None


@settings(deadline=None)
@given(HELLOS)
def test_a_hello_cut_short_is_refused(hello: Hello) -> None:
    frame = hello_frame(hello, MAC, KEY)
    assert all(read_hello(frame[:length], KEY) is None for length in range(len(frame)))


@settings(deadline=None)
@given(HELLOS)
def test_a_hello_needs_no_padding_and_is_forwarded_by_no_bridge(hello: Hello) -> None:
    frame = hello_frame(hello, MAC, KEY)
    assert len(frame) == 60
    assert frame[:6].hex(":") == "01:80:c2:00:00:0e"
    assert frame[6:12].hex(":") == MAC


def test_the_secret_itself_is_no_key() -> None:
    secret = bytes(range(20))
    assert read_hello(hello_frame(Hello(1, 2, 3, 4), MAC, secret), KEY) is None


@pytest.mark.parametrize("mac", ["", "02:45:56:01:00", "x" * 12])
def test_a_mac_that_is_none_is_named(mac: str) -> None:
    with pytest.raises(ValueError, match="MAC"):
        hello_frame(Hello(1, 2, 3, 4), mac, KEY)
