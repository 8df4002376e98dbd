from __future__ import annotations

import struct
from pathlib import Path

import pytest

from topo.p4switch.options import DEFAULT_ADDRESS, Options, UsageError, parse
from topo.p4switch.pcap import Captures

ROWS: list[tuple[str, str, dict[str, object]]] = [
    ("what simple_switch_grpc needs", "--no-p4", {}),
    ("a program", "prog.json", {"program": Path("prog.json")}),
    (
        "interfaces",
        "-i 1@veth1 --interface 2@veth2 -i3@veth3 --no-p4",
        {"interfaces": {1: "veth1", 2: "veth2", 3: "veth3"}},
    ),
    ("a name with an at sign", "-i 1@eth0@if5 --no-p4", {"interfaces": {1: "eth0@if5"}}),
    ("a device", "--no-p4 --device-id 7", {"device_id": 7}),
    (
        "target options behind the dashes",
        "--no-p4 -- --grpc-server-addr 127.0.0.1:5 --cpu-port 510",
        {"address": "127.0.0.1:5", "cpu_port": 510},
    ),
    (
        "target options without the dashes",
        "--no-p4 --grpc-server-addr=unix:/x --cpu-port=1",
        {"address": "unix:/x", "cpu_port": 1},
    ),
    ("the default drop port", "--no-p4 -- --drop-port 511", {}),
    ("logging", "--no-p4 --log-console -L warn", {"log_console": True, "log_level": 30}),
    ("a log file", "--no-p4 --log-file x.log --log-flush", {"log_file": Path("x.log")}),
    ("captures here", "--no-p4 --pcap", {"pcap": Path(".")}),
    ("captures elsewhere", "--no-p4 --pcap=caps", {"pcap": Path("caps")}),
    (
        "captures here, before the program",
        "--pcap prog.json",
        {"pcap": Path("."), "program": Path("prog.json")},
    ),
    (
        "thrift and nanolog are ignored aloud",
        "--no-p4 --thrift-port 9090 --nanolog ipc:///x",
        {"notices": ("--thrift-port", "--nanolog")},
    ),
    ("swap cannot be disabled, which is no loss", "--no-p4 -- --disable-swap", {}),
]


@pytest.mark.parametrize(("line", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_command_line_of_simple_switch_grpc_is_understood(line: str, expected: dict[str, object]) -> None:
    options = parse(line.split())
    plain = Options(interfaces={}, program=None, address=DEFAULT_ADDRESS)
    for name in plain.__dataclass_fields__:
        assert getattr(options, name) == expected.get(name, getattr(plain, name)), name


WRONG = [
    ("neither program nor --no-p4", "", "--no-p4"),
    ("both", "prog.json --no-p4", "not both"),
    ("an interface without a port", "-i veth1 --no-p4", "PORT@INTERFACE"),
    ("a port twice", "-i 1@a -i 1@b --no-p4", "is a already"),
    ("a port that means drop", "-i 511@a --no-p4", "0..510"),
    ("a CPU port of 0", "--no-p4 -- --cpu-port 0", "1..510"),
    ("a CPU port that is an interface", "-i 5@a --no-p4 -- --cpu-port 5", "interface a"),
    ("another drop port", "--no-p4 -- --drop-port 510", "only 511"),
    ("an unknown option", "--no-p4 --nonsense", "--nonsense"),
    ("a level that is none", "--no-p4 -L loud", "loud"),
    ("packets from files", "--no-p4 --use-files 1", "--use-files"),
    ("TLS without a certificate", "--no-p4 -- --grpc-server-ssl", "give --grpc-server-cert and"),
    ("a certificate without TLS", "--no-p4 -- --grpc-server-key k", "give --grpc-server-ssl too"),
    (
        "clients' certificates without their authority",
        "--no-p4 -- --grpc-server-ssl --grpc-server-cert c --grpc-server-key k --grpc-server-with-client-auth",
        "give --grpc-server-cacert too",
    ),
]


@pytest.mark.parametrize(("line", "told"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_wrong_command_line_is_refused_by_name(line: str, told: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(line.split())
    assert told in str(refused.value)


def test_captures_hold_every_frame_with_its_time(tmp_path: Path) -> None:
    with Captures(tmp_path, {1: "veth1"}, wall=lambda: 5_000_000_007) as captures:
        captures.write(1, "in", b"frame")
        captures.write(2, "in", b"of no interface")
    written = (tmp_path / "veth1_in.pcap").read_bytes()
    assert struct.unpack("<IHHiIII", written[:24]) == (0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
    assert struct.unpack("<IIII", written[24:40]) == (5, 7, 5, 5)
    assert written[40:] == b"frame"
    assert len((tmp_path / "veth1_out.pcap").read_bytes()) == 24
