"""The server against finsy, a client written by others, and the test program against its source."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import finsy as fy
import pytest
from finsy.proto import p4i
from google.protobuf import text_format

from tests.fakes.p4client import PROGRAM, program_info
from tests.fakes.p4rig import Rig, serving

COMPILER = "p4c-bm2-ss"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with serving(tmp_path) as made:
        yield made


def slot(number: int, backend: int) -> fy.P4TableEntry:
    return fy.P4TableEntry(
        "slot",
        match=fy.P4TableMatch({"meta.pool": 7, "hdr.address.slot": number}),
        action=fy.P4TableAction("set_backend", backend=backend),
    )


async def session(rig: Rig) -> dict[str, Any]:
    """Set the pipeline, write and read as a finsy application does; returns what it saw."""
    options = fy.SwitchOptions(
        p4info=PROGRAM.with_suffix(".p4info.txtpb"), p4blob=PROGRAM.with_suffix(".json"), device_id=1
    )
    seen: dict[str, Any] = {}
    # Its types call read() a coroutine; it is a generator.
    made: Any = fy.Switch("sw1", rig.address, options)
    async with made as switch:
        await switch.write([+slot(1, 5), +slot(2, 6)])
        await switch.write([~slot(1, 9), -slot(2, 6)])
        seen["slots"] = [
            (entry.match["slot"], entry.action.args["backend"])
            async for entry in switch.read(fy.P4TableEntry("slot"))
        ]
        with pytest.raises(fy.P4ClientError) as refused:
            await switch.write([+slot(3, 1), +slot(1, 1)])
        seen["refused"] = [detail.canonical_code.name for detail in refused.value.details.values()]
        await switch.delete_all()
        seen["left"] = [entry async for entry in switch.read(fy.P4TableEntry("slot"))]
    return seen


def test_finsy_sets_a_pipeline_writes_reads_and_clears(rig: Rig) -> None:
    seen = asyncio.run(asyncio.wait_for(session(rig), 60))
    assert seen["slots"] == [(1, 9)]
    assert seen["refused"] == ["ALREADY_EXISTS"]
    assert seen["left"] == []
    assert rig.plane.running is not None


def without_sources(node: Any) -> Any:
    """A compiled program without where each part stands in its source, and without the compiler's name."""
    if isinstance(node, dict):
        left_out = ("source_info", "__meta__", "program")
        return {key: without_sources(value) for key, value in node.items() if key not in left_out}
    return [without_sources(one) for one in node] if isinstance(node, list) else node


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"needs {COMPILER} on PATH")
def test_the_test_program_is_what_its_source_compiles_to(tmp_path: Path) -> None:
    built, info = tmp_path / "everything.json", tmp_path / "everything.p4info.txtpb"
    source = str(PROGRAM.with_suffix(".p4"))
    subprocess.run([COMPILER, source, "-o", str(built), "--p4runtime-files", str(info)], check=True)
    fresh = p4i.P4Info()
    text_format.Parse(info.read_text(), fresh)
    assert fresh == program_info()
    committed = json.loads(PROGRAM.with_suffix(".json").read_text())
    assert without_sources(json.loads(built.read_text())) == without_sources(committed)
