"""Labels of resources, and selectors of them, both with the syntax of Kubernetes. Pure.

labels: {team: web, example.com/tier: front}
selectors: team=web  team!=web  team in (web, db)  team notin (web, db)  team  !team; divided by commas, all hold
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from controller.model.reader import Place, shortened
from controller.model.units import Wrong
from controller.model.yaml_source import Mapping as Keys
from controller.spec.types import Labels

MOST = 32
"""Labels of one resource."""
LONGEST, LONGEST_PREFIX = 63, 253
"""Characters of a name or value, and of what stands before a name's slash."""
TERMS, VALUES = 16, 64
"""Conditions of a selector, and values of one of them, at most."""
_NAME = "[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_PREFIX = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*"
_KEY = re.compile(f"(?:(?P<prefix>{_PREFIX})/)?{_NAME}")
_VALUE = re.compile(f"(?:{_NAME})?")
_RIGHT_KEY = (
    f"write 1 to {LONGEST} letters, digits, '-', '_' and '.', a letter or digit at both ends; a domain and / may stand "
    "before it, such as example.com/tier"
)
_RIGHT_VALUE = (
    f"write at most {LONGEST} letters, digits, '-', '_' and '.', a letter or digit at both ends, or nothing"
)
_RIGHT = "write such as team=web, team!=web, team in (web, db), team notin (web, db), team or !team"
_TERM = re.compile(
    r"(?P<not>!)\s*(?P<absent>[^\s=!,()]+)"
    r"|(?P<key>[^\s=!,()]+)"
    r"(?:\s*(?P<sign>==|=|!=)\s*(?P<value>[^\s=!,()]*)|\s+(?P<word>in|notin)\s*\((?P<values>[^()]*)\))?"
)


def read_labels(place: Place) -> Labels:
    """Mapping of keys to values, such as `{team: web}`."""
    if not isinstance(place.node, Keys):
        raise Wrong(f"is {place.node}", "write keys and values, such as {team: web}")
    if len(place.node.entries) > MOST:
        raise Wrong(f"has {len(place.node.entries)} labels", f"write at most {MOST}")
    found: dict[str, str] = {}
    for entry in place.node.entries:
        path = (*place.path, entry.key.text)
        key = Place(place.source, entry.key, path, "label").convert(_key)
        value = Place(place.source, entry.value, path, f'label "{shortened(entry.key.text)}"').convert(_value)
        if key is not None and value is not None:
            found[key[0]] = value[0]
    return tuple(sorted(found.items()))


def _key(place: Place) -> str:
    """A label's key."""
    return checked_key(place.scalar(_RIGHT_KEY).text)


def _value(place: Place) -> str:
    """A label's value."""
    return checked_value(place.scalar(_RIGHT_VALUE).text)


def checked_key(text: str) -> str:
    """The key, if it is one. Raises ``Wrong``."""
    match = _KEY.fullmatch(text)
    if match is None or len(match["prefix"] or "") > LONGEST_PREFIX:
        raise Wrong(f'is "{shortened(text)}", which is no key of a label', _RIGHT_KEY)
    return text


def checked_value(text: str) -> str:
    """The value, if it is one. Raises ``Wrong``."""
    if _VALUE.fullmatch(text) is None:
        raise Wrong(f'is "{shortened(text)}", which is no value of a label', _RIGHT_VALUE)
    return text


@dataclass(frozen=True)
class Term:
    """One condition: the label of this key has one of these values."""

    key: str
    values: frozenset[str] | None = None
    """None: any."""
    holds: bool = True
    """False: it must not; a resource without such a label fits then."""

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether a resource with these labels does."""
        value = labels.get(self.key)
        has = value is not None and (self.values is None or value in self.values)
        return has is self.holds


class Selector(NamedTuple):
    """Conditions that all hold."""

    terms: tuple[Term, ...] = ()
    """None: everything fits."""

    def fits(self, labels: Labels) -> bool:
        """Whether a resource with these labels does."""
        known = dict(labels)
        return all(term.fits(known) for term in self.terms)


def selector(text: str) -> Selector:
    """What a text asks for; empty: everything. Raises ``Wrong``."""
    terms = tuple(_terms(text))
    if len(terms) > TERMS:
        raise Wrong(f"has {len(terms)} conditions", f"write at most {TERMS}")
    return Selector(terms)


def _terms(text: str) -> Iterator[Term]:
    """Raises ``Wrong``."""
    left = text.strip()
    while left:
        match = _TERM.match(left)
        rest = "" if match is None else left[match.end() :].lstrip()
        if match is None or (rest and not rest.startswith(",")) or rest == ",":
            raise Wrong(f'has "{shortened(left)}"', _RIGHT)
        yield _term(match)
        left = rest[1:].lstrip()


def _term(match: re.Match[str]) -> Term:
    if match["not"]:
        return Term(checked_key(match["absent"]), holds=False)
    key = checked_key(match["key"])
    if match["sign"]:
        return Term(key, frozenset({checked_value(match["value"])}), match["sign"] != "!=")
    if match["word"]:
        values = [each.strip() for each in match["values"].split(",")]
        if len(values) > VALUES:
            raise Wrong(f"has {len(values)} values of {key}", f"write at most {VALUES}")
        return Term(key, frozenset(map(checked_value, values)), match["word"] == "in")
    return Term(key)
