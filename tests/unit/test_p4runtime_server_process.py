"""``evenkeel switch`` as a process: it says when it serves, and ends when it is told to."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.p4client import PROGRAM, Client

SECONDS = 60


@contextmanager
def switch(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A switch that serves."""
    command = [sys.executable, "-m", "topo.p4switch", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_switch_says_when_it_serves_and_ends_in_order(tmp_path: Path, number: signal.Signals) -> None:
    address = f"unix:{tmp_path}/p4rt"
    with switch(
        "--no-p4", "--device-id", "3", "--thrift-port", "9090", "--", "--grpc-server-addr", address
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"ready: device 3 at {address}\n"
        with Client(address, device_id=3) as client:
            client.become_primary()
            client.set_pipeline()
            process.send_signal(number)
            out, errors = process.communicate(timeout=SECONDS)
        assert (process.returncode, out) == (0, "")
        assert errors == "evenkeel switch: --thrift-port is simple_switch_grpc's and changes nothing here\n"


REFUSED = [
    ("bad usage", ("--no-p4", "-i", "veth"), 2, "PORT@INTERFACE"),
    ("no such program", ("nowhere.json",), 1, "nowhere.json"),
    ("no program at all", (str(PROGRAM.with_suffix(".p4")),), 1, "not a JSON document"),
    ("no such interface", ("-i", "1@nowhere0", "--no-p4"), 1, "nowhere0"),
    (
        "no such address",
        ("--no-p4", "--", "--grpc-server-addr", "unix:/nowhere/at/all"),
        1,
        "unix:/nowhere/at/all",
    ),
]


@pytest.mark.parametrize(
    ("arguments", "code", "told"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_switch_that_cannot_start_says_why(arguments: tuple[str, ...], code: int, told: str) -> None:
    with switch(*arguments) as process:
        out, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (code, "")
    assert told in errors.splitlines()[-1]
