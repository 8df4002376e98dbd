"""Records of the audit log, and the chain that they form: pure.

A record is one line of JSON. Its last key, ``hash``, is the SHA-256 of all that stands before it in the line; its key
``prev`` is the hash of the record before. So no record can be changed, left out or put in without all that follow
being made again, and whoever kept one hash can tell that this was done.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

NO_HASH = "0" * 64
"""``prev`` of the very first record."""
LONGEST = 16 * 1024
"""Octets of a line at most, its end included."""
LONGEST_END = 2 * 1024
"""The same of a record that ends a change."""
_TEXT, _REASON, _LIST = 512, 2 * 1024, 8 * 1024
_TAIL = re.compile(rb',"hash":"([0-9a-f]{64})"}')
_TAIL_LENGTH = len(',"hash":""}') + 64


class Step(StrEnum):
    """What a record says."""

    BEGUN = "begun"
    """The log begins, or goes on in this file."""
    ASKED = "asked"
    """A change was asked for and permitted; it is carried out only once this is on disk."""
    DONE = "done"
    """How that ended; it is acknowledged only once this is on disk."""
    REFUSED = "refused"
    """A change was asked for and not permitted, or made no sense."""
    RECOVERED = "recovered"
    """The log was not closed; half a record that was never acknowledged was dropped."""


@dataclass(frozen=True)
class Change:
    """A change that somebody asks for."""

    who: str
    """The peer, such as ``certificate 'alice'``."""
    method: str
    what: tuple[str, ...] = ()
    """The resources, such as ``pool 'web'``."""
    why: str = ""
    """The reason that was given."""
    source: str = ""
    """Where the call came from."""
    request: str = ""
    """Its request id."""
    before: str = ""
    """Digest (``digest``) of what it changes, as it is."""
    after: str = ""
    """The same, as it would be."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Further facts, such as a budget that is overridden; at most 8 count."""

    def fields(self) -> dict[str, object]:
        """As keys of a record, cut to what a record may hold."""
        named = {
            "who": self.who,
            "source": self.source,
            "method": self.method,
            "request": self.request,
            "before": self.before,
            "after": self.after,
        }
        found: dict[str, object] = {key: cut(text, _TEXT) for key, text in named.items() if text}
        if self.why:
            found["why"] = cut(self.why, _REASON)
        if self.what:
            found["what"] = _some(self.what)
        if self.more:
            found["more"] = {cut(k, 64): cut(v, 256) for k, v in list(self.more.items())[:8]}
        return found


def ended(of: int, result: str, revision: int | None) -> dict[str, object]:
    """Fields of the record that says how the change of record ``of`` ended."""
    return {"of": of, "result": cut(result, _TEXT), "revision": revision}


def digest(data: bytes) -> str:
    """Of a resource or an intent, as records hold it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def line(seq: int, at: float, step: Step, prev: str, fields: Mapping[str, object]) -> tuple[bytes, str]:
    """A record as it is written, and its hash."""
    record = {"seq": seq, "at": round(at, 6), "step": step.value, **fields, "prev": prev}
    body = _json(record)[:-1].encode()
    own = hashlib.sha256(body).hexdigest()
    return body + f',"hash":"{own}"}}\n'.encode(), own


@dataclass(frozen=True)
class Record:
    """A line that is whole in itself."""

    seq: int
    step: Step
    prev: str
    hash: str


class Broken(Exception):
    """A line is not as it was written; the text says why."""


def read(text: bytes) -> Record:
    """A line without its end. Raises Broken."""
    if len(text) >= LONGEST:
        raise Broken(f"is longer than {LONGEST} octets")
    body, tail = text[:-_TAIL_LENGTH], text[-_TAIL_LENGTH:]
    match = _TAIL.fullmatch(tail)
    if match is None:
        raise Broken("is no record: it does not end with a hash")
    own = match[1].decode()
    if hashlib.sha256(body).hexdigest() != own:
        raise Broken("was changed: it does not have the hash that it shows")
    try:
        found = json.loads(text)
        record = Record(found["seq"], Step(found["step"]), found["prev"], own)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Broken("is no record: a key is missing or wrong") from None
    if not isinstance(record.seq, int) or not isinstance(record.prev, str):
        raise Broken("is no record: a key is missing or wrong")
    return record


def follows(before: Record, record: Record) -> None:
    """Whether a record is the next one. Raises Broken."""
    if record.prev != before.hash:
        raise Broken(f"does not follow record {before.seq}: records were changed, left out or put in between")
    if record.seq != before.seq + 1:
        raise Broken(f"has the number {record.seq}, after {before.seq}")


def cut(text: str, most: int) -> str:
    """A text that takes so many octets in a record at most, its quotes left out; what is longer ends with dots."""
    if len(text) * 12 <= most:  # no character takes more
        return text
    low, high = 0, min(len(text), most)
    if high == len(text) and _size(text) <= most:
        return text
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _size(text[:middle]) <= most - 3 else (low, middle - 1)
    return text[:low] + "..."


def _size(text: str) -> int:
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return len(text)
    return len(_json(text).encode()) - 2


def _some(texts: Iterable[str]) -> list[str]:
    """As many as a record may hold, and how many more there are."""
    found: list[str] = []
    left = _LIST
    all_of_them = list(texts)
    for each in all_of_them:
        short = cut(each, 256)
        left -= _size(short) + 3
        if left < 0:
            return [*found, f"and {len(all_of_them) - len(found)} more"]
        found.append(short)
    return found


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)
