"""The generated reference: fresh, complete, and refused where a key, a field or an exit code has no meaning."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from controller.core.events import EVENTS, HEAD
from controller.core.eventtypes import Event, Field
from controller.model.load import load_text
from flows.tables import COUNT
from tests.reference import codes, intent, pages
from tests.reference.docstrings import field_docs
from tests.reference.records import event_page, record_page
from tests.unit.spoil import DATA

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = sorted(file for folder in ("controller", "topo") for file in (ROOT / folder / "cli").glob("*.py"))
"""Where exit codes are returned."""


@dataclass(frozen=True)
class Part:
    """A part of the sample."""

    name: str | None
    """``NAME`` of the part, or
    another."""


@dataclass(frozen=True)
class Whole:
    """A sample.

    More that the page leaves out.
    """

    at: float
    """Seconds."""
    parts: dict[str, tuple[Part, ...]] = field(default_factory=dict)
    """The parts, by | name."""


@dataclass(frozen=True)
class Undescribed:
    """A record with a field without a description."""

    bare: int


def test_the_generated_pages_are_fresh() -> None:
    assert pages.stale() == [], "run make docs"


def test_a_page_that_was_edited_by_hand_is_stale(tmp_path: Path) -> None:
    assert pages.write(tmp_path) == sorted(pages.pages())
    assert pages.stale(tmp_path) == []
    (tmp_path / "intent.md").write_text("else")
    assert pages.stale(tmp_path) == ["intent.md"]


def test_every_key_of_the_intent_has_a_type_and_a_meaning() -> None:
    for known in intent.known_keys():
        assert known.meaning
        assert known.default


def test_every_exception_of_the_generator_is_about_a_key_that_exists() -> None:
    known = {each.path for each in intent.known_keys()}
    for table in (intent.FIELDS, intent.MEANINGS, intent.DEFAULTS):
        assert set(table) <= known
    assert known >= intent.HEXADECIMAL


@pytest.mark.parametrize("file", ["good.yaml", "base.yaml"])
def test_every_key_of_a_good_file_is_in_the_reference(file: str) -> None:
    document = YAML(typ="safe").load((DATA / file).read_text())
    known = {each.path for each in intent.known_keys()}
    used = set(_paths(document, ()))
    assert len(used) > 30
    assert used <= known


def _paths(node: object, path: intent.Path) -> Iterator[intent.Path]:
    if isinstance(node, list):
        for item in node:
            yield from _paths(item, path)
    elif isinstance(node, dict) and path != ("switches", "ports"):
        for key, value in node.items():
            yield (*path, key)
            yield from _paths(value, (*path, key))


def test_the_example_of_the_page_about_the_file_is_good() -> None:
    page = (ROOT / "docs" / "intent.md").read_text(encoding="utf-8")
    example = page.partition("```yaml\n")[2].partition("```")[0]
    assert load_text(example, "docs/intent.md").vips


def test_the_number_of_our_tables_is_the_pipeline_s() -> None:
    known = {each.path: each for each in intent.known_keys()}
    assert f"({COUNT} of them)" in known["switches", "openflow", "tables_from"].meaning


def test_a_key_without_a_meaning_is_refused_with_the_place_to_write_it() -> None:
    known = intent.known_keys()[0]
    lost = intent.KnownKey(("sites", "nickname"), known.key, Whole)
    with pytest.raises(LookupError, match=r"key sites\.nickname has no meaning: .*'nickname'.*Whole"):
        _ = lost.meaning


def test_a_record_is_a_section_and_so_is_each_record_in_it() -> None:
    assert record_page("Sample", "What it shows.", Whole) == "\n".join(
        [
            "# Sample",
            "",
            "Generated from the code by `make docs`. What it shows.",
            "",
            "## Whole",
            "",
            "A sample.",
            "",
            "| field | type | meaning |",
            "|---|---|---|",
            "| `at` | number | Seconds. |",
            r"| `parts` | object, each value: list of [Part](#part) | The parts, by \| name. |",
            "",
            "## Part",
            "",
            "A part of the sample.",
            "",
            "| field | type | meaning |",
            "|---|---|---|",
            "| `name` | text or null | `NAME` of the part, or another. |",
            "",
        ]
    )


def test_events_are_sorted_and_need_no_fields() -> None:
    went = Event("It went.", (Field("to", list[str], "Where to."), Field("by", int | None, "With what.")))
    page = event_page("Events", "All have:", {"Comings": {"went": went, "ended": Event("It ended.")}})
    head = "".join(f"| `{each.name}` |" for each in HEAD)
    assert "".join(re.findall(r"\| `\w+` \|", page.partition("## Comings")[0])) == head
    assert page.partition("## Comings\n\n")[2] == "\n".join(
        [
            "### ended",
            "",
            "It ended.",
            "",
            "### went",
            "",
            "It went.",
            "",
            "| field | type | meaning |",
            "|---|---|---|",
            "| `to` | list of text | Where to. |",
            "| `by` | integer or null | With what. |",
            "",
        ]
    )


def test_every_event_of_the_catalogue_is_on_the_page_once() -> None:
    page = pages.pages()["events.md"]
    assert sorted(re.findall(r"^### (\w+)$", page, re.MULTILINE)) == sorted(EVENTS)


def test_a_field_or_a_record_without_a_docstring_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Undescribed\.bare has no docstring under it"):
        record_page("Sample", "", Undescribed)
    with pytest.raises(ValueError, match="is no dataclass"):
        record_page("Sample", "", Path)


def test_fields_of_a_base_are_described_too() -> None:
    class Base:
        one: int
        """First."""
        two: int
        """Second."""

    class Derived(Base):
        two: int
        """Another second."""

    assert field_docs(Derived) == {"one": "First.", "two": "Another second."}


def test_every_exit_code_is_described() -> None:
    for kind in codes.ALL:
        assert set(field_docs(kind)) == set(kind.__members__)


@pytest.mark.parametrize("file", COMMANDS, ids=lambda file: str(file.relative_to(ROOT)))
def test_commands_end_with_codes_of_the_catalogue(file: Path) -> None:
    literal = []
    for node in ast.walk(ast.parse(file.read_text())):
        value: ast.expr | None = node.value if isinstance(node, ast.Return) else None
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("typer.Exit", "sys.exit") and node.args:
            value = node.args[0]
        if isinstance(value, ast.Constant) and type(value.value) is int:
            literal.append(f"{file.name}:{node.lineno}")  # type: ignore[attr-defined]
    assert not literal, "exit codes belong in controller/cli/codes.py or topo/codes.py"
