"""os-ken listens in a thread of its own: once the controller has said that it started, switches can connect."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.fakes.process import PATIENCE, ROOT, free_port

_SLOW_THREAD = """
import os, socket, sys, time
from controller.southbound.openflow import connection
from os_ken.controller import controller

class Slow(controller.StreamServer):
    def __init__(self, *args, **kwargs):
        time.sleep(0.5)
        super().__init__(*args, **kwargs)

controller.StreamServer = Slow
connection.serve("127.0.0.1", int(sys.argv[1]))
socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
print("connected", flush=True)
os._exit(0)
"""


def test_switches_can_connect_once_serve_returns() -> None:
    """A switch that came right after ``started`` was refused when os-ken's thread was late."""
    done = subprocess.run(
        [sys.executable, "-c", _SLOW_THREAD, str(free_port())],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("connected\n", 0), done.stderr
