"""The fast parser reads what it reads exactly as the other one: values, lines and columns; it leaves the rest to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.model import yaml_source
from controller.model.errors import ConfigErrors
from controller.model.yaml_fast import fast_root
from tests.bench import bigintent

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*ROOT.glob("tests/**/*.yaml"), *ROOT.glob("topo/**/*.yaml")])
TRICKY = (
    "a: yes\nb: no\nc: on\nd: 1_000\ne: 0o17\nf: 017\ng: 1:30\nh: 02:45:56:00:00:01\ni: .inf\nj: ~\nk:\n",
    "a: 'it''s'\nb: \"x\\ty\"\nc: |\n  two\n  lines\nd: >-\n  folded\n  text\n",
    "base: &b {x: 1, y: [2, 3]}\nother: {<<: *b, x: 4}\nlist: [*b, *b]\n",
    "a: 1\na: 2\n",
    "a: &x [*x]\n",
    "a: *nothing\n",
    "? [1, 2]\n: 3\n",
    "a: 1\n---\nb: 2\n",
    "--- {a: 1}\n...\n",
    "%YAML 1.1\n---\na: yes\n",
    "a:\t1\n",
    "a: [1, 2\n",
    'a: {to: tcp:127.0.0.1:5, "b":c}\n',
    'a: !!str 5\nb: !own x\nc: !!int "7"\n',
    "# only a comment\n",
    "",
    "\u00fc: \u00e9 # \U0001f600\nb: 2\n",
    "- - a\n  - b\n-\n  - c: d\n    e: f\n- \n",
    "a: 2001-01-01\nb: =\nc: <<\nd: 1e3\ne: 0x1F\nf: +5\ng: -0.5\nh: 1.\n",
)


def read(text: str, monkeypatch: pytest.MonkeyPatch, fast: bool) -> str:
    with monkeypatch.context() as patch:
        if not fast:
            patch.setattr(yaml_source, "fast_root", lambda *_: None)
        try:
            return repr(yaml_source.parse(text, "file"))
        except ConfigErrors as errors:
            return str(errors)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_are_read_alike(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = path.read_text()
    assert read(text, monkeypatch, fast=True) == read(text, monkeypatch, fast=False)


@pytest.mark.parametrize("text", TRICKY)
def test_what_versions_of_yaml_differ_about_is_read_alike(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(text, monkeypatch, fast=True) == read(text, monkeypatch, fast=False)


WORDS = st.sampled_from(
    ("a", "b", ": ", ":", "\n", "\n  ", "- ", "[", "]", "{", "}", ", ", "1", "0x2", "yes", "~", "'", '"', "#", " ",
     "&x ", "*x", "|", ">", "<<", "!", "?", "\u00e9", "10.0.0.1/8", "fd00::1")
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(st.lists(WORDS, max_size=25).map("".join))
def test_any_text_is_read_alike(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        assert read(text, patch, fast=True) == read(text, patch, fast=False)


def test_an_ordinary_file_is_read_by_the_fast_parser() -> None:
    assert fast_root((ROOT / "tests/unit/data/good.yaml").read_text()) is not None
    assert fast_root(bigintent.text()) is not None


def test_what_is_nested_too_deeply_is_left_to_the_other() -> None:
    assert fast_root("[" * 20 + "]" * 20) is not None
    assert fast_root("[" * 100_000 + "]" * 100_000) is None
