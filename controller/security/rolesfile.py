"""The roles file: YAML, every error with its line. And the file of tokens, which holds their hashes alone.

certificates:
  - {name: alice, role: admin}
  - name: ci
    role: operator
    only:
      - {kinds: [pool, backend], names: ["web", "web/*"]}
      - {labels: {team: web}}
tokens:
  - {name: grafana, role: viewer}
as_issued: false
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from controller.model import fields as f
from controller.model.errors import ConfigErrors, FileError, SchemaError
from controller.model.reader import Place, Record, Source, each, things
from controller.model.units import Wrong
from controller.model.yaml_source import Mapping as Keys
from controller.model.yaml_source import Sequence, parse, read_text
from controller.security.errors import SecurityError
from controller.security.files import SECRET, create, replace, too_open
from controller.security.roles import Grant, Level, Roles, Scope

T = TypeVar("T")
PREFIX = "ek_"
"""Of every token, so that one that lies where it should not is found."""
LONGEST = 200
"""Characters of a token."""
MOST = 10_000
"""Tokens in a file."""
_LINE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,62}) sha256:(?P<hash>[0-9a-f]{64})")
_RIGHT = "write NAME sha256:HASH, as evenkeel token does"


class RoleName(StrEnum):
    """What may be granted; ``none`` takes away what a certificate was issued for."""

    NONE = "none"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class KindName(StrEnum):
    """Kinds of resources."""

    VIP = "vip"
    POOL = "pool"
    BACKEND = "backend"
    SWITCH = "switch"
    SITE = "site"


def load_roles(path: Path) -> Roles:
    """The roles in a file. Raises ConfigErrors with all that is wrong with it."""
    return read_roles(read_text(path), str(path))


def read_roles(text: str, name: str) -> Roles:
    """The roles in a text; ``name`` stands for the file in messages. Raises ConfigErrors."""
    tree, errors = parse(text, name)
    source = Source(name, errors)
    place = Place(source, tree, (), "the file")
    roles = Roles()
    try:
        roles = _roles(place)
    except Wrong as wrong:
        place.fail(wrong.problem, wrong.right)
    if source.errors:
        raise ConfigErrors(source.errors)
    return roles


def _roles(place: Place) -> Roles:
    top = Record(place, "the file")
    certificates = top.get("certificates", things(_entry("certificate", f.text), "certificate", _EXAMPLE), ())
    tokens = top.get("tokens", things(_entry("token", f.name), "token", _EXAMPLE), ())
    as_issued = top.get("as_issued", f.flag, Roles.as_issued)
    top.close()
    return Roles(dict(certificates), dict(tokens), as_issued)


_EXAMPLE = "[{name: alice, role: operator}]"


def _entry(kind: str, name: Callable[[Place], str]) -> Callable[[Place], tuple[str, Grant] | None]:
    def read(place: Place) -> tuple[str, Grant] | None:
        r = Record(place, kind)
        called = r.name(kind, name, "name: alice")
        role = r.need("role", f.choice(RoleName), "role: viewer", RoleName.NONE)
        only = r.get("only", _scopes, ())
        if r.has("only") and role in (RoleName.NONE, RoleName.VIEWER):
            r.fail("only", f"a {role} changes nothing", "leave it out")
        return (called, Grant(Level[role.name], only)) if r.close() else None

    return read


def _scopes(place: Place) -> tuple[Scope, ...]:
    """List of scopes."""
    if isinstance(place.node, Sequence) and not place.node.items:
        raise Wrong("lists nothing", "leave it out, or write role: none")
    return things(_scope, "scope", "[{labels: {team: web}}]")(place)


def _scope(place: Place) -> Scope | None:
    r = Record(place, "scope")
    errors = len(place.source.errors)
    kinds = r.get("kinds", each(f.choice(KindName), "write a list: [pool, backend]"), ())
    names = r.get("names", each(f.text, 'write a list: ["web-*"]'), ())
    labels = r.get("labels", _labels, {})
    if len(place.source.errors) == errors:  # what is empty because of an error was meant otherwise
        for key, value in (("kinds", kinds), ("names", names), ("labels", labels)):
            if r.has(key) and not value:
                r.fail(key, f"{key} names nothing", "leave it out")
        if not (kinds or names or labels):
            raise Wrong("covers everything", "give kinds, names or labels")
    return Scope(frozenset(kinds), names, labels) if r.close() else None


def _labels(place: Place) -> Mapping[str, str]:
    """Keys and values, all text."""
    if not isinstance(place.node, Keys):
        raise Wrong(f"is {place.node}", "write {team: web}")
    found = {}
    for entry in place.node.entries:
        value = Place(place.source, entry.value, (*place.path, entry.key.text), entry.key.text).convert(
            f.text
        )
        if value is not None:
            found[entry.key.text] = value[0]
    return found


class Tokens:
    """Who holds which token; knows no token."""

    def __init__(self, by_hash: Mapping[str, str]) -> None:
        self._by_hash = by_hash

    def holder(self, token: str) -> str | None:
        """The name of a token that was shown; None: it is not known."""
        # How long it takes depends on the hash, which one who guesses cannot steer.
        return self._by_hash.get(hashed(token)) if len(token) <= LONGEST else None

    def __contains__(self, name: object) -> bool:
        return name in self._by_hash.values()


def hashed(token: str) -> str:
    """What the file holds of it. Fast, since a token is 256 random bits and cannot be guessed."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def load_tokens(path: Path) -> Tokens:
    """The file of tokens. Raises ConfigErrors with all that is wrong with it."""
    text = read_text(path)
    wrong = too_open(path)
    if wrong is not None:
        _, _, rest = wrong.partition(": ")
        problem, _, right = rest.partition("; ")
        raise ConfigErrors([FileError(str(path), 0, 0, problem, right)])
    return read_tokens(text, str(path))


def read_tokens(text: str, name: str) -> Tokens:
    """The tokens in a text: a name and a hash in every line; empty lines and those with # are skipped."""
    errors = []
    found: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            errors.append(SchemaError(name, number, 1, "is no token's line", _RIGHT))
        elif match["name"] in lines:
            first = lines[match["name"]]
            problem = f'token "{match["name"]}" is given twice (first at line {first})'
            errors.append(SchemaError(name, number, 1, problem, "remove one of them"))
        else:
            lines[match["name"]] = number
            found[match["hash"]] = match["name"]
    if len(lines) > MOST:
        errors.append(SchemaError(name, 0, 0, f"holds more than {MOST:,} tokens", "use certificates"))
    if errors:
        raise ConfigErrors(errors)
    return Tokens(found)


def add_token(path: Path, name: str) -> str:
    """A new token, which is shown once and stored nowhere; its hash is added to the file.

    Raises ConfigErrors (the file, which stays as it is) and SecurityError.
    """
    line = f"{name} sha256:{'0' * 64}"
    if not _LINE.fullmatch(line):
        raise SecurityError(f"NAME {name!r}: write 1 to 63 letters, digits, dots, dashes and underscores")
    token = PREFIX + secrets.token_urlsafe(32)
    line = f"{name} sha256:{hashed(token)}\n"
    try:
        if not path.exists():
            create(path, line.encode(), SECRET)
            return token
        if name in load_tokens(path):
            raise SecurityError(
                f"{path}: has a token {name!r} already; remove its line first, which ends that one"
            )
        text = path.read_text()
        text += "" if text.endswith("\n") or not text else "\n"
        replace(path, (text + line).encode(), SECRET)
    except OSError as error:
        raise SecurityError(f"{path}: {error.strerror}; no token was made") from error
    return token
