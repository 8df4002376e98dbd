"""Every key of the intent file: from the schema, by asking it what it reads, and the docstrings of ``spec/types.py``.

The schema is run on empty mappings. What a record asks for are its keys; the docstring of a key's converter is the
type; the docstring under the field of the dataclass that the record becomes is the meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from enum import Enum
from typing import get_type_hints

from controller.model.reader import Converter, Key, Place, Source, first_line
from controller.model.schema import read_intent
from controller.model.units import format_duration
from controller.model.yaml_source import Mapping, Mark, Sequence
from controller.spec.types import Intent
from tests.reference.docstrings import field_docs, markdown, paragraphs, table
from tests.reference.records import dataclasses_in

Path = tuple[str, ...]

FIELDS: dict[Path, str] = {
    ("switches", "openflow"): "placement",
    ("pools", "on_down"): "on_down_tcp",
    ("routes", "speakers", "bgp", "as"): "asn",
    ("routes", "speakers", "bgp", "neighbors", "as"): "asn",
    ("pools", "backends", "address"): "addresses",
    ("pools", "health", "type"): "kind",
    ("pools", "agent", "type"): "kind",
    ("pools", "health", "status"): "statuses",
    ("pools", "health", "flap"): "flap_limit",
    ("pools", "health", "flap", "limit"): "flap_limit",
    ("pools", "health", "flap", "window"): "flap_window",
    ("zones", "services", "health", "type"): "kind",
    ("zones", "services", "health", "status"): "statuses",
    ("zones", "services", "health", "flap"): "flap_limit",
    ("zones", "services", "health", "flap", "limit"): "flap_limit",
    ("zones", "services", "health", "flap", "window"): "flap_window",
}
"""Keys whose field in the dataclass has another name."""
MEANINGS: dict[Path, str] = {
    ("pools", "failover", "writer"): "How many serve at a time: one.",
    ("pools", "on_down", "tcp"): "The policy for TCP, where it differs from that for UDP.",
    ("pools", "on_down", "udp"): "The policy for UDP, where it differs from that for TCP.",
    ("discovery", "services", "pool"): "All requests go to this pool: short for one route to it.",
}
"""Keys that are no field of any dataclass."""
DEFAULTS: dict[Path, str] = {
    ("switches", "site"): "the only site",
    ("pools", "backends", "addresses"): "see `address`",
    ("pools", "health", "send"): "none",
    ("pools", "health", "flap"): "`{limit: 6, window: 60s}`",
    ("pools", "on_down"): "tcp `{keep_for: 10s, then: move}`, udp `{keep_for: 0s, then: move}`",
    ("pools", "on_down", "keep_for"): "`10s` for TCP, `0s` for UDP",
    ("pools", "on_down", "udp", "keep_for"): "`0s`",
    ("discovery", "services", "pool"): "`routes`",
    ("discovery", "services", "routes"): "`pool`",
    ("zones", "services", "health", "port"): "`port` of the service, or the only one of the VIP",
    ("zones", "services", "health", "send"): "none",
    ("zones", "services", "health", "flap"): "`{limit: 6, window: 60s}`",
    ("zones", "services", "candidates", "name"): "the VIP's name, or the address",
    ("zones", "services", "answers"): "`1`",
    ("vips", "owners"): "all sites, if there is one",
    ("vips", "listeners", "backend_port"): "the value of `port`",
}
"""Defaults that are no constants, or several."""
HEXADECIMAL = {("switches", "openflow", "cookie"), ("switches", "openflow", "groups_from")}


@dataclass(frozen=True)
class KnownKey:
    """A key of the intent file."""

    path: Path
    key: Key
    holder: type
    """Dataclass that the record with this key becomes, or is part of."""

    @property
    def meaning(self) -> str:
        """What the reference says about it; raises LookupError if nothing does."""
        if self.path in MEANINGS:
            return MEANINGS[self.path]
        name = FIELDS.get(self.path, self.path[-1])
        docs = field_docs(self.holder)
        if name not in docs:
            where = f"{self.holder.__module__}.{self.holder.__qualname__}"
            raise LookupError(
                f"key {'.'.join(self.path)} has no meaning: write a docstring under field {name!r} of {where}, "
                f"or name the field in {__name__}.FIELDS"
            )
        return docs[name]

    @property
    def default(self) -> str:
        """What holds if the key is left out."""
        if self.key.required:
            return "required"
        return DEFAULTS.get(self.path) or _value(self.path, self.key)


def known_keys() -> list[KnownKey]:
    """All keys, each record's together, records in the order of the file."""
    return [each for _, record in sections() for each in record]


def sections() -> Iterator[tuple[Path, list[KnownKey]]]:
    """Each record: its path (() for the file itself) and its keys."""
    yield from _explore((), read_intent, Intent)


def _explore(path: Path, converter: Converter[object], holder: type) -> Iterator[tuple[Path, list[KnownKey]]]:
    asked, _ = _asked(converter)
    if not asked:
        return
    found = [KnownKey((*path, key.name), key, holder) for key in asked]
    yield path, found
    for each in found:
        yield from _explore(each.path, each.key.converter, _holder_of(each))


def _asked(converter: Converter[object]) -> tuple[list[Key], str]:
    """The keys that a converter asks an empty mapping, or a list of one, for, and which of the two it reads.

    No keys if it reads another thing.
    """
    here = Mark(1, 1)
    empty = Mapping((), here)
    for node, kind in ((empty, "mapping"), (Sequence((empty,), here), "list of mappings")):
        source = Source("reference", asked=[])
        Place(source, node, (), "").convert(converter)
        if source.asked:
            # A key that is asked for twice counts as it was asked for first.
            return list({key.name: key for key in reversed(source.asked)}.values())[::-1], kind
    return [], ""


def _holder_of(known: KnownKey) -> type:
    """The dataclass of the field that a key becomes; the holder itself if the field is none."""
    hint = get_type_hints(known.holder).get(FIELDS.get(known.path, known.path[-1]))
    return next(dataclasses_in(hint), known.holder)


def _value(path: Path, key: Key) -> str:
    """A default as it would be written in the file."""
    value = key.default
    if value is None or value == () or value == "" or is_dataclass(value):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if isinstance(value, float):
        share = first_line(key.converter).startswith("Share")
        return f"`{value:.0%}`" if share else f"`{format_duration(value)}`"
    if isinstance(value, tuple) and all(isinstance(each, str) for each in value):
        return f"`[{', '.join(value)}]`"
    if isinstance(value, tuple):
        words = (each if isinstance(each, str) else "-".join(str(end) for end in each) for each in value)
        return "`[" + ", ".join(words) + "]`"
    return f"`{value:#x}`" if path in HEXADECIMAL and isinstance(value, int) else f"`{value}`"


def _type(known: KnownKey) -> str:
    keys, kind = _asked(known.key.converter)
    if keys:
        return f"{kind}: [below](#{''.join(known.path)})"
    text = markdown(first_line(known.key.converter))
    return ": ".join(_lower(part) for part in text.split(": "))


def _lower(text: str) -> str:
    return text[0].lower() + text[1:] if text[1:2].islower() else text


def page() -> str:
    """The page as Markdown."""
    found = list(sections())
    lines = [
        "# Keys of the intent file",
        "",
        "Generated from the schema by `make docs`. The file is explained, with an example, in",
        "[The intent file](../intent.md).",
        "",
        "A *name* has at most 63 letters, digits, dots, dashes and underscores and begins with a letter or digit. A",
        "*duration* is `500ms`, `1.5s`, `5m`, `1h` or a number of seconds. *None* means that the key is not given.",
    ]
    holders = {known.path: _holder_of(known) for _, record in found for known in record}
    for path, record in found:
        title = ".".join(path) or "The file"
        lines += ["", f"## {title}", ""]
        if path and holders[path] is not holders.get(path[:-1]):
            lines += [paragraphs(holders[path])[0], ""]
        rows = [(f"`{known.path[-1]}`", _type(known), known.default, known.meaning) for known in record]
        lines += table(("key", "type", "default", "meaning"), rows)
    return "\n".join(lines) + "\n"
