"""The client's wheel works where nothing but grpcio and protobuf is installed."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

from controller.api.wheel import build, sources
from tests.fakes import core
from tests.fakes.api import played, served

PAIR = core.loaded("pair")
NEEDED = ("grpcio", "protobuf", "typing_extensions")
"""What the wheel asks for, and what that asks for."""
SCRIPT = """\
import asyncio, sys
from evenkeel_client import ApiError, AsyncClient, Client
from evenkeel_client.v1 import resources_pb2 as intent, service_pb2 as api

with Client(sys.argv[1]) as client:
    done = client.because("a test").set_weights({"pools/web/backends/s1": 7})
    print(done.changed, client.get("pools/web/backends/s1").backend.weight)
    try:
        client.get("pools/none")
    except ApiError as error:
        print(error.reason)

async def main():
    async with AsyncClient(sys.argv[1]) as client:
        print([each.name async for each in client.list(api.KIND_SITE)])

asyncio.run(main())
print(sorted({name.split(".")[0] for name in sys.modules} & {"controller", "flows", "p4src", "topo"}))
"""


def empty(folder: Path) -> Path:
    """An environment with what the wheel needs, copied from this one; its interpreter."""
    venv.create(folder, with_pip=False)
    packages = next(folder.glob("lib/python3*/site-packages"))
    for name in NEEDED:
        found = distribution(name)
        assert found.files is not None
        for file in found.files:
            if ".." not in file.parts and file.suffix != ".pyc":
                to = packages / str(file)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), to)
    return folder / "bin" / "python"


def pip(python: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_wheel_drives_a_controller_from_an_empty_environment(tmp_path: Path) -> None:
    wheel = build(tmp_path / "out")
    assert wheel.name.startswith("evenkeel_client-")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"evenkeel_client/{each}" for each in sources()} <= names
    python = empty(tmp_path / "venv")
    installed = pip(python, "install", "--no-index", str(wheel))  # what it needs is there
    assert installed.returncode == 0, installed.stderr
    assert pip(python, "check").returncode == 0

    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            process = await asyncio.create_subprocess_exec(
                *(str(python), "-I", "-c", SCRIPT, f"unix:{face.socket}"),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=tmp_path,
            )
            out, err = await process.communicate()
            assert out.decode().splitlines() == ["2 7", "NOT_FOUND", "['sites/east']", "[]"], err.decode()

    played(play)
