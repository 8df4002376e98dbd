"""The page about names: its example is a good intent, and what it printed is what is printed."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

from typer.testing import CliRunner

from controller.cli.main import app
from controller.spec.names import Policy

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "names.md").read_text(encoding="utf-8")


def test_the_example_is_explained_as_the_page_says(tmp_path: Path) -> None:
    found = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    file = tmp_path / "names.yaml"
    file.write_text(found[1], encoding="utf-8")
    printed = re.search(r"    # evenkeel (explain .*) --file names.yaml\n((?:    .*\n)+)", PAGE)
    assert printed is not None
    run = CliRunner().invoke(app, [*printed[1].split(), "--file", str(file)])
    assert run.exit_code == 0, run.output
    assert run.output == dedent(printed[2])


def test_every_policy_has_its_formula() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| .+ \| .+ \|$", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted(policy.value for policy in Policy)
