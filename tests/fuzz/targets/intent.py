"""Texts that should be an intent: whatever they are, they are read or refused, with places and in bounded time."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import ClassVar

from controller.model.document import document
from controller.model.errors import ConfigErrors
from controller.model.load import load_text
from controller.model.plain import load_plain
from tests.fuzz.octets import LONGEST, YAML, mutated
from tests.fuzz.outcomes import shape
from tests.fuzz.target import Target
from tests.fuzz.trees import replanted

ROOT = Path(__file__).resolve().parents[3]
_VALUES = (
    "0", "-1", "1e999", "9" * 400, "0x10", "0o7", ".inf", ".nan", "null", "~", "true", "'", '"', "[]", "{}", "*a",
    "&a x", "<<: *a", "10.0.0.0/33", "::", "fe80::1%eth0", "1h", "99999999999999999h", "0ms", "150%", "hex:0g", "\t",
    "!!binary x", "? x", "- - - x", "{a: {b: {c: d}}}", "2001-01-01", "é", "\\ud800", "1_000", "02:00:00:00:00:00",
)  # fmt: skip


class IntentText(Target):
    """``load_text``, and of what was read the document, which gives the same intent."""

    name = "intent"
    modules = ("controller/model",)
    seconds: ClassVar[float] = 20.0
    tokens = (
        *YAML,
        b"  ",
        b"|\n",
        b"#",
        b"---\n",
        b"...\n",
    )

    def seeds(self) -> list[bytes]:
        """Intents of tests and of labs."""
        places = (ROOT / "tests/unit/data/good.yaml", ROOT / "tests/unit/data/base.yaml")
        small = "a: &a [x, x]\nb: &b [*a, *a]\nsites: [*b, *b]\n"
        return [*(each.read_bytes() for each in places), small.encode(), b"sites: []\nswitches: []\n"]

    def mutate(self, chance: Random, data: bytes, other: bytes) -> bytes:
        """Mostly what the text says is changed, or its lines; now and then octets."""
        how = chance.random()
        if how < 0.15:
            return mutated(chance, data, other, self.tokens)
        if how < 0.7:
            return replanted(chance, data, other)[:LONGEST]
        lines, others = data.split(b"\n"), other.split(b"\n")
        for _ in range(chance.randrange(1, 5)):
            _move(chance, lines, others)
        return b"\n".join(lines)[:LONGEST]

    def feed(self, data: bytes) -> str:
        """Read it, and what was read again."""
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = data.decode("latin-1")
        try:
            intent = load_text(text, "f.yaml")
        except ConfigErrors as errors:
            first, *_ = errors
            return f"refused: {shape(first.message)}"
        assert load_plain(document(intent)) == intent
        return f"read: {len(intent.switches)} switches"


def _move(chance: Random, lines: list[bytes], others: list[bytes]) -> None:
    at = chance.randrange(len(lines))
    what = chance.randrange(7)
    if what == 0 and len(lines) > 1:
        del lines[at]
    elif what == 1:
        lines.insert(at, chance.choice(others))
    elif what == 2:
        lines[at] = b" " * chance.randrange(1, 5) + lines[at]
    elif what == 3:
        lines.insert(at, lines[chance.randrange(len(lines))])
    elif what == 4:
        key, _, _ = lines[at].partition(b":")
        lines[at] = key + b": " + chance.choice(_VALUES).encode()
    elif what == 5:
        here, _, value = lines[at].partition(b":")
        _, _, there = chance.choice(others).partition(b":")
        lines[at] = here + b":" + (there or value)
    else:
        opened = chance.choice((b"[", b"{a: ", b"- "))
        lines[at] = lines[at].partition(b":")[0] + b": " + opened * chance.choice((1, 2, 40, 400))
