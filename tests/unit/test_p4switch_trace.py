"""Traces: asked for over a socket, told in words that name what a network engineer looks for."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from p4src.compile import outputs
from topo.p4switch.dataplane import DataPlane
from topo.p4switch.program.model import ActionCall
from topo.p4switch.state import MulticastGroup, Replica
from topo.p4switch.story import show, tell
from topo.p4switch.tracer import TraceServer, ask

ARP = bytes.fromhex("ffffffffffff020000000001080600010800060400010200000000010a00000b0000000000000a000064")


@pytest.fixture
def plane() -> Iterator[DataPlane]:
    made = DataPlane(510)
    yield made
    made.close()


@pytest.fixture
def path(plane: DataPlane, tmp_path: Path) -> Iterator[Path]:
    server = TraceServer(tmp_path / "trace.sock", plane)
    yield tmp_path / "trace.sock"
    server.close()


def test_a_switch_without_a_program_says_so(path: Path) -> None:
    with pytest.raises(ValueError, match="the switch has no program yet"):
        ask(path, 1, ARP)


def test_a_question_that_is_none_is_refused_and_the_next_one_answered(path: Path, plane: DataPlane) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))
        with client.makefile("rw") as stream:
            stream.write("nonsense\n")
            stream.flush()
            assert "it should be port and frame" in json.loads(stream.readline())["error"]
    plane.run(plane.load(outputs("balancer")[0].read_bytes()))
    assert ask(path, 1, ARP)["out"] == []


def test_a_trace_of_our_program_names_headers_tables_and_the_end(path: Path, plane: DataPlane) -> None:
    plane.run(plane.load(outputs("balancer")[0].read_bytes()))
    lines = list(tell(ask(path, 1, ARP)))
    assert any(line.startswith("parsed     arp: ") and "tpa=10.0.0.100" in line for line in lines)
    assert "table      vip: address=10.0.0.100: miss" in lines
    assert lines[-1] == "sent       nothing: dropped"


def told(*events: list[Any], out: object = ((1, "00"),)) -> list[str]:
    return list(tell({"events": events, "out": out}))


def test_a_frame_that_is_flooded_is_told_copy_by_copy() -> None:
    events = (
        ["multicast", "3", [[2, 7]]],
        ["egress", "begin", [2]],
        ["drop", "end of egress", []],
        ["egress", "begin", [7]],
        ["transmit", "packet", [7, "00"]],
    )
    assert told(*events) == [
        "flooded    to multicast group 3: 2, 7",
        "copy       for port 2",
        "drop       end of egress",
        "copy       for port 7",
        "sent       to port 7, 1 bytes",
    ]


def test_a_frame_for_one_port_has_no_copies() -> None:
    assert told(["egress", "begin", [7]]) == []


def test_what_is_set_to_what_it_was_is_not_told() -> None:
    once = ["set", "scalars.local_t._backend41", [7]]
    assert told(["set", "scalars.local_t._slot3", [0]], once, once) == ["  now      backend = 7"]


def test_the_memory_key_is_never_told() -> None:
    lines = told(
        ["action", "Incoming.self.configure", [[1, 2**127, 3]]], ["set", "scalars.local_t._key12", [2**127]]
    )
    assert lines == ["action     configure(1, ...)"]


def test_the_compilers_own_tables_and_variables_are_left_out() -> None:
    assert (
        told(["table", "tbl_memory110", [None, False]], ["set", "scalars.tmp_47", [5]], ["if", "n", [1]])
        == []
    )


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("address", 0xFFFF0A000064, "10.0.0.100"),
        ("client", 0xFD << 120 | 1, "fd00::1"),
        ("dst", 0x024556000101, "02:45:56:00:01:01"),
        ("dst", 0x0A000064, "10.0.0.100"),
        ("port", 80, "80"),
        ("digest", 0x1D31BCCF, "0x1d31bccf"),
    ],
)
def test_values_are_shown_in_the_notation_of_their_field(field: str, value: int, text: str) -> None:
    assert show(field, value) == text


def test_a_question_that_the_program_floods_is_traced_to_every_port_but_its_own(
    path: Path, plane: DataPlane
) -> None:
    switch = plane.load(outputs("balancer")[0].read_bytes())
    plane.run(switch)
    floods = next(a.id for a in switch.program.actions.values() if a.name.endswith(".floods"))
    with switch.lock:
        switch.replication.insert_group(MulticastGroup(2, (Replica(1), Replica(7))))
        switch.table("Incoming.flood.segment").insert((1,), ActionCall(floods, (2,)))
    answer = ask(path, 1, ARP)
    assert [port for port, _ in answer["out"]] == [7]
    lines = list(tell(answer))
    assert "table      segment: port=1: hit" in lines
    assert lines[-6:] == [
        "flooded    to multicast group 2: 1, 7",
        "copy       for port 1",
        "drop       mark_to_drop",
        "drop       end of egress",
        "copy       for port 7",
        f"sent       to port 7, {len(ARP)} bytes",
    ]
