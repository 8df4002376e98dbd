"""``evenkeel man``: a page of each command, which says what the command line says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from controller.cli.main import app
from controller.cli.manual import Page, pages

needs_mandoc = pytest.mark.skipif(
    shutil.which("mandoc") is None, reason="needs mandoc: apt-get install mandoc (make test-packages)"
)
NO_DATE = 'missing date, using ""'
"""The same program makes the same pages, whenever it does."""


@pytest.fixture(scope="module")
def made() -> dict[str, Page]:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    return {page.name: page for page in pages(group)}


def test_every_command_has_a_page_and_every_page_is_named_by_its_group(made: dict[str, Page]) -> None:
    reference = (Path(__file__).parents[2] / "docs/reference/commands.md").read_text()
    commands = {each.replace(" ", "-") for each in re.findall(r"^## (evenkeel .*)$", reference, re.M)}
    assert commands <= made.keys()
    named = {name for page in made.values() for name in re.findall(r"^\.BR (\S+) \(1\)$", page.text, re.M)}
    assert {name.replace("\\-", "-") for name in named} == made.keys()


@needs_mandoc
def test_pages_are_as_mandoc_wants_them_and_say_all(tmp_path: Path, made: dict[str, Page]) -> None:
    run = CliRunner().invoke(app, ["man", str(tmp_path / "man1")])
    assert (run.exit_code, run.output) == (0, f"{len(made)} pages in {tmp_path / 'man1'}\n")
    files = sorted((tmp_path / "man1").iterdir())
    assert [each.name for each in files] == sorted(f"{name}.1" for name in made)
    lint = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", *map(str, files)], capture_output=True, text=True
    )
    assert [line for line in (lint.stdout + lint.stderr).splitlines() if NO_DATE not in line] == []
    shown = subprocess.run(
        ["mandoc", "-T", "ascii", "-O", "width=200", str(tmp_path / "man1/evenkeel-drain.1")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    text = re.sub(r".\x08", "", shown.stdout)
    for part in (
        "evenkeel drain [OPTIONS] BACKEND...",
        "--pool POOL",
        "stay for the pool's drain_timeout",
        "or that of `evenkeel context use`",
        "There is no such resource.",
        "     evenkeel drain s1 s2 --pool web\n",
        "evenkeel(1)",
    ):
        assert part in text, part


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = CliRunner().invoke(app, ["man", str(tmp_path / "file")])
    assert run.exit_code == 2
    assert str(tmp_path / "file") in run.output
