"""What clients were built against stays: ``make lint`` compares the API with the baseline."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTO, BASELINE = ROOT / "controller/api/proto", ROOT / "controller/api/baseline.binpb"
BUF = Path(sys.executable).with_name("buf")


def breaking(proto: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """As ``make lint`` asks; with an empty home, so that nothing from elsewhere is needed."""
    command = [str(BUF), "breaking", str(proto), "--against", str(BASELINE)]
    env = os.environ | {"HOME": str(home), "BUF_CACHE_DIR": str(home)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=60.0)


def test_the_api_has_all_that_was_promised(tmp_path: Path) -> None:
    found = breaking(PROTO, tmp_path)
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        ("service", "string filter = 2;", "", 'field "2" with name "filter"'),
        ("service", "string filter = 2;", "string filter = 9;", 'field "2" with name "filter"'),
        ("resources", "optional uint32 weight = 6;", "optional string weight = 6;", "changed type"),
        ("service", "rpc Drain(DrainRequest) returns (DrainResponse);", "", 'RPC "Drain"'),
    ],
)
def test_what_would_break_clients_is_named(
    tmp_path: Path, file: str, before: str, after: str, said: str
) -> None:
    proto = tmp_path / "proto"
    shutil.copytree(PROTO, proto)
    path = proto / f"evenkeel/v1/{file}.proto"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    found = breaking(proto, tmp_path)
    assert found.returncode == 100
    assert said in found.stdout
