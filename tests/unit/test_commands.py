"""The command line of a wheel: registered commands come with their parts, and say so where a part is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from importlib import import_module
from pathlib import Path
from zipfile import ZipFile

import pytest
import typer

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
REGISTERED: dict[str, str] = PROJECT["project"]["entry-points"]["evenkeel.commands"]
SLOW = ("finsy", "grpc", "numba", "numpy", "os_ken", "pydantic", "pyroute2")
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an unpacked wheel of this tree."""
    source, installed = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for package in ("controller", "flows", "p4src", "topo"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / file, source)
    subprocess.run(
        [sys.executable, "-c", BUILD, str(source)], cwd=source, check=True, capture_output=True, timeout=200
    )
    (built,) = source.glob("*.whl")
    ZipFile(built).extractall(installed)
    return installed


@pytest.fixture(scope="module")
def controller_only(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without what the controller does not need."""
    folder = tmp_path_factory.mktemp("controller") / "installed"
    shutil.copytree(wheel, folder, ignore=lambda path, names: {"topo"} if Path(path) == wheel else set())
    return folder


def evenkeel(installed: Path, *arguments: str, python: str = "-m controller") -> tuple[int, str, str]:
    """Exit code and what was said. Without site, since an editable install would bring this tree in."""
    path = os.pathsep.join((str(installed), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    command = [sys.executable, "-S", *python.split(" ", 1), *arguments]
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200", "TERM": "dumb"}
    run = subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True, timeout=200)
    return run.returncode, run.stdout, run.stderr


@pytest.mark.parametrize("name", REGISTERED)
def test_each_registered_command_is_an_application(name: str) -> None:
    module, _, attribute = REGISTERED[name].partition(":")
    assert isinstance(getattr(import_module(module), attribute), typer.Typer)


def test_a_wheel_lists_all_commands_with_what_they_do(wheel: Path) -> None:
    code, out, err = evenkeel(wheel, "--help")
    assert (code, err) == (0, "")
    for name in ("check", "decide", "run", "status", *REGISTERED):
        assert f" {name} " in out
    assert "Not installed" not in out


def test_the_list_of_commands_waits_for_nothing_large(wheel: Path) -> None:
    seen = (
        "import sys; from controller.cli.main import app; sys.argv[1:] = ['--help']\n"
        "try: app()\n"
        f"except SystemExit: print('LOADED', sorted(set({SLOW}) & set(sys.modules)))"
    )
    code, out, err = evenkeel(wheel, python=f"-c {seen}")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "LOADED []"


def test_a_wheel_has_no_benchmarks_and_says_where_they_are(wheel: Path) -> None:
    code, out, err = evenkeel(wheel, "bench")
    assert (code, out) == (2, "")
    assert "part of the source tree" in err


def test_without_the_labs_the_controller_s_commands_work(controller_only: Path, tmp_path: Path) -> None:
    file = tmp_path / "intent.yaml"
    file.write_text("vips: {}\n")
    code, _, err = evenkeel(controller_only, "check", str(file))
    assert code == 2
    assert str(file) in err
    code, out, _ = evenkeel(controller_only, "run", "--help")
    assert (code, "Run the controller" in out) == (0, True)


@pytest.mark.parametrize("name", REGISTERED)
def test_without_the_labs_their_commands_say_what_is_missing(controller_only: Path, name: str) -> None:
    code, out, err = evenkeel(controller_only, name, "up", "--anything")
    assert (code, out) == (2, "")
    assert f"evenkeel {name}: the module topo" in err
    assert "not installed" in err
    code, out, _ = evenkeel(controller_only, "--help")
    assert (code, f" {name} " in out) == (0, True)
