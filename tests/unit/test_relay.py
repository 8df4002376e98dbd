"""The relay between sites: frames come out in order, as late as told, never more than fit, none through a cut."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from topo import relay
from topo.relay import BACK, FORTH, Line, PathSpec, Relay


def test_frames_come_out_in_order_and_not_before_their_time() -> None:
    line = Line(0.0015)
    for n, at in enumerate((10.0, 10.0005, 10.001)):
        line.put(b"%d" % n, at)
    assert line.due() == pytest.approx(10.0015)
    assert line.take(10.0014) == []
    assert line.take(10.002) == [b"0", b"1"]
    assert line.take(11.0) == [b"2"]
    assert line.due() is None


def test_a_line_that_is_full_loses_what_comes_and_counts_it() -> None:
    line = Line(1.0)
    for n in range(relay.LONGEST + 3):
        line.put(b"%d" % n, 0.0)
    assert line.lost == 3
    assert line.take(1.0)[-1] == b"%d" % (relay.LONGEST - 1)


def test_a_cut_loses_what_comes_and_what_is_on_its_way_until_it_is_mended() -> None:
    line = Line(1.0)
    line.put(b"on its way", 0.0)
    line.set(1.0, cut=True)
    line.put(b"lost", 0.5)
    assert (line.take(9.0), line.lost) == ([], 2)
    line.set(1.0, cut=False)
    line.put(b"carried", 9.0)
    assert line.take(10.0) == [b"carried"]


class _Cables:
    """Two interfaces as pairs of sockets: what is put into one end of a pair comes in at the relay."""

    def __init__(self) -> None:
        self.outside: dict[str, socket.socket] = {}

    def open(self, name: str) -> socket.socket:
        inside, self.outside[name] = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        inside.setblocking(False)
        self.outside[name].settimeout(5.0)
        return inside


def _write(file: Path, **values: object) -> None:
    path = {"ends": ["x1-0", "x1-1"], "round_trip_ms": 0.0, "cut": [], **values}
    file.write_text(json.dumps({"paths": {"x1": path}}))


def test_what_comes_in_at_one_end_leaves_at_the_other_as_the_file_says_now(tmp_path: Path) -> None:
    file, cables = tmp_path / "wan.json", _Cables()
    _write(file)
    made = Relay(file, cables.open)
    made.read()
    one, other = cables.outside["x1-0"], cables.outside["x1-1"]
    one.send(b"there")
    other.send(b"back")
    made.step(lambda: 1.0, 5.0)
    assert (other.recv(99), one.recv(99)) == (b"there", b"back")
    _write(file, cut=[FORTH])
    made.read()
    one.send(b"lost")
    other.send(b"carried")
    made.step(lambda: 1.0, 5.0)
    assert one.recv(99) == b"carried"
    other.setblocking(False)
    with pytest.raises(BlockingIOError):
        other.recv(99)


def test_a_frame_that_is_due_is_not_waited_for_longer_than_that(tmp_path: Path) -> None:
    file, cables = tmp_path / "wan.json", _Cables()
    _write(file, round_trip_ms=20.0)
    made = Relay(file, cables.open)
    made.read()
    cables.outside["x1-0"].send(b"late")
    times = iter([1.0, 1.0, 1.0, 1.02, 1.02])
    made.step(lambda: next(times), 5.0)
    made.step(lambda: next(times), 5.0)
    assert cables.outside["x1-1"].recv(99) == b"late"


def test_a_file_says_ends_delay_in_seconds_and_directions() -> None:
    text = json.dumps({"paths": {"x1": {"ends": ["a", "b"], "round_trip_ms": 3, "cut": [BACK]}}})
    assert PathSpec.read(text) == {"x1": PathSpec(("a", "b"), 0.003, frozenset({BACK}))}
