"""An independent P4Runtime client, unmodified, against the embedded switch.

p4runtime-shell needs a protobuf that the controller cannot live with, so it is run by a Python of its own: the one that
EVENKEEL_P4RT_SHELL_PYTHON names, or ``.venv-shell/bin/python`` in the repository, which ``make shell`` makes.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from finsy.proto import p4r

from tests.fakes.p4client import PROGRAM, Client, Ids, program_info
from topo.p4switch.dataplane import DataPlane
from topo.p4switch.runtime.server import Server
from topo.p4switch.runtime.service import Service

VARIABLE = "EVENKEEL_P4RT_SHELL_PYTHON"
HERE = Path(__file__).parent
SECONDS = 120


@pytest.fixture
def python() -> str:
    """The shell's own Python."""
    named = os.environ.get(VARIABLE)
    own = HERE.parents[1] / ".venv-shell" / "bin" / "python"
    if named is None and not own.exists():
        pytest.skip(
            f"needs p4runtime-shell in an environment of its own: make shell, or name its python in {VARIABLE}"
        )
    return named or str(own)


@pytest.fixture
def address() -> Iterator[str]:
    """Where an embedded switch with a CPU port and no interfaces serves, on loopback."""
    plane = DataPlane(510)
    server = Server(Service(1, plane), "127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{server.port}"
    server.stop()
    plane.close()


def test_an_unmodified_p4runtime_shell_sets_a_pipeline_writes_and_reads(python: str, address: str) -> None:
    files = [str(PROGRAM.with_suffix(suffix)) for suffix in (".p4info.txtpb", ".json")]
    command = [python, str(HERE / "shell_session.py"), address, *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["slots"] == [["01", "05"], ["012c", "06"]]
    assert "ALREADY_EXISTS" in seen["refused"]
    assert (seen["acl"], seen["groups"], seen["groups of ports"]) == ([3], [2], [[1, 2]])
    assert seen["counters"] == [0, 4, *[0] * 14]
    with Client(address) as other:
        held = other.read(p4r.Entity(table_entry=p4r.TableEntry(table_id=Ids(program_info())["slot"])))
    assert len(held) == len(seen["slots"])
