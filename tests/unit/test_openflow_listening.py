"""Once the controller has said that it started, switches can connect, and one that has its address is named."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.fakes.process import PATIENCE, ROOT, free_port

_SERVED = """
import os, socket, sys
from controller.southbound.openflow import connection

connection.serve("127.0.0.1", int(sys.argv[1]))
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10) as stream:
    stream.sendall(bytes.fromhex("0400000800000000"))
    print(stream.recv(8).hex(), flush=True)
try:
    connection.serve("127.0.0.1", int(sys.argv[1]))
except OSError as error:
    print(error.strerror, flush=True)
os._exit(0)
"""


def test_switches_can_connect_once_serve_returns() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SERVED, str(free_port())],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    hello, taken = done.stdout.splitlines()
    assert (hello[:4], done.returncode) == ("0400", 0), done.stderr
    assert taken.startswith("Address already in use")
