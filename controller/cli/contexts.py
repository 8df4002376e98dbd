"""Contexts: which controllers ``evenkeel`` speaks with, by name, as ``contexts.yaml`` in the user's folder has them.

current: east
contexts:
  east: {servers: [10.0.0.1:7450, 10.0.1.1:7450], ca: /etc/ek/ca.pem, cert: /etc/ek/me.pem, key: /etc/ek/me.key}
  west: {servers: [10.2.0.1:7450], ca: /etc/ek/ca.pem, token: /etc/ek/token}
  here: {socket: /var/lib/evenkeel/state.db.api.sock}
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

from controller.model.errors import ConfigErrors
from controller.model.yaml_source import Mapping, Scalar, Sequence, Tree, parse
from controller.security.files import too_open

LONGEST_NAME = 100
"""Characters of a context's name."""
KEYS = ("servers", "socket", "ca", "cert", "key", "token")
LONGEST_TOKEN = 200
"""Characters."""
_RIGHT = "evenkeel context set writes it"


class BadPlace(ValueError):
    """An option, or the file of contexts, is not as it should be: the message says what would be right."""


@dataclass(frozen=True)
class Context:
    """By what controllers are reached: a socket here, or addresses, with certificates, a token, or neither."""

    servers: tuple[str, ...] = ()
    socket: Path | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    token: Path | None = None
    """A file that holds a token and nothing else: contexts hold no secrets."""

    @property
    def tls(self) -> bool:
        """Whether it knows which authority to trust."""
        return self.ca is not None

    def check(self) -> None:
        """Raises BadPlace, which names the option and says what would be right."""
        if (self.socket is None) == (not self.servers):
            raise BadPlace("give either --server ADDRESS:PORT or --socket PATH")
        files = {"--ca": self.ca, "--cert": self.cert, "--key": self.key}
        given = [option for option, path in files.items() if path is not None]
        if self.socket is not None and (given or self.token is not None):
            raise BadPlace(
                "--ca, --cert, --key and --token are for --server; a socket asks for neither certificate nor token"
            )
        if given not in ([], ["--ca", "--cert", "--key"]) and not (
            given == ["--ca"] and self.token is not None
        ):
            lacking = " and ".join(option for option in files if option not in given)
            raise BadPlace(
                f"{lacking}: missing; give all of --ca, --cert and --key, --ca with --token, or none"
            )
        for server in self.servers:
            _check_server(server, self.tls)

    def read_token(self) -> str:
        """The token; empty: there is none. Raises BadPlace."""
        if self.token is None:
            return ""
        try:
            if wrong := too_open(self.token):
                raise BadPlace(wrong)
            found = self.token.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise BadPlace(f"{self.token}: is not there; name a file that holds a token") from None
        except (OSError, UnicodeDecodeError) as error:
            raise BadPlace(f"{self.token}: cannot be read: {error}") from None
        if not found or len(found) > LONGEST_TOKEN or any(each.isspace() for each in found):
            raise BadPlace(
                f"{self.token}: holds no token; write the one that evenkeel token printed, and no more"
            )
        return found


@dataclass(frozen=True)
class Contexts:
    """All of them."""

    by_name: Dict[str, Context]
    current: str = ""
    """The one that counts unless another is asked for; empty: none, but the socket beside the state file."""

    def named(self, name: str) -> Context:
        """Raises BadPlace."""
        if name not in self.by_name:
            known = ", ".join(self.by_name) or "none; evenkeel context set makes one"
            raise BadPlace(f'there is no context "{name}"; known: {known}')
        return self.by_name[name]

    def with_one(self, name: str, context: Context) -> Contexts:
        """With one more, or other than before. Raises BadPlace."""
        if not name.isprintable() or not 1 <= len(name) <= LONGEST_NAME or name.strip() != name:
            raise BadPlace(f"context {name!r}: write a name of 1 to {LONGEST_NAME} printable characters")
        context.check()
        return replace(self, by_name={**self.by_name, name: context})

    def without(self, name: str) -> Contexts:
        """Without one; if it was the current one, none is. Raises BadPlace."""
        self.named(name)
        kept = {each: context for each, context in self.by_name.items() if each != name}
        return Contexts(kept, "" if name == self.current else self.current)

    def using(self, name: str) -> Contexts:
        """With another current one; empty: none. Raises BadPlace."""
        if name:
            self.named(name)
        return replace(self, current=name)


def file() -> Path:
    """Where contexts are: ``$XDG_CONFIG_HOME/evenkeel/contexts.yaml``, by default in ``~/.config``."""
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "evenkeel" / "contexts.yaml"


def read(path: Path) -> Contexts:
    """What is in the file; none: no contexts. Raises BadPlace with the file and line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Contexts({})
    except (OSError, UnicodeDecodeError) as error:
        raise BadPlace(f"{path}: cannot be read: {error}") from None
    try:
        tree, errors = parse(text, str(path))
    except ConfigErrors as error:
        raise BadPlace(str(error)) from None
    if errors:
        raise BadPlace(str(errors[0]))
    return _Reader(path).contexts(tree)


def write(path: Path, contexts: Contexts) -> None:
    """Replace the file by one that is the user's alone. Raises BadPlace."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    out = io.StringIO()
    rows = {name: _plain(context) for name, context in contexts.by_name.items()}
    yaml.dump({"current": contexts.current, "contexts": rows}, out)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as target:
            target.write(out.getvalue())
            target.flush()
            os.fsync(target.fileno())
        new.replace(path)
    except OSError as error:
        raise BadPlace(f"{path}: cannot be written: {error.strerror}") from None


def _plain(context: Context) -> dict[str, object]:
    found: dict[str, object] = {"servers": list(context.servers)} if context.servers else {}
    for key in KEYS[1:]:
        value = getattr(context, key)
        if value is not None:
            found[key] = str(value)
    return found


class _Reader:
    """Reads the file's tree."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def contexts(self, tree: Tree) -> Contexts:
        """All of them."""
        top = self._mapping(tree, ("current", "contexts"))
        rows = top.get("contexts")
        found: dict[str, Context] = {}
        if rows is not None and not (isinstance(rows, Scalar) and rows.value is None):
            if not isinstance(rows, Mapping):
                raise self._wrong(rows, "contexts is no mapping of names")
            found = {entry.key.text: self._context(entry.value) for entry in rows.entries}
        current = self._text(top["current"]) if "current" in top else ""
        if current and current not in found:
            raise self._wrong(top["current"], f'current is "{current}", which is not among contexts')
        return Contexts(found, current)

    def _context(self, tree: Tree) -> Context:
        said = self._mapping(tree, KEYS)
        servers = said.get("servers")
        if servers is not None and not isinstance(servers, Sequence):
            raise self._wrong(servers, "servers is no list")
        texts = () if servers is None else tuple(self._text(each) for each in servers.items)
        paths = {key: Path(self._text(said[key])) for key in KEYS[1:] if key in said}
        context = Context(texts, **paths)
        try:
            context.check()
        except BadPlace as error:
            raise self._wrong(tree, str(error)) from None
        return context

    def _mapping(self, tree: Tree, keys: tuple[str, ...]) -> dict[str, Tree]:
        if not isinstance(tree, Mapping):
            raise self._wrong(tree, f"{tree} stands where {', '.join(keys)} should")
        for entry in tree.entries:
            if entry.key.text not in keys:
                raise self._wrong(entry.key, f'unknown key "{entry.key.text}"; known: {", ".join(keys)}')
        return {entry.key.text: entry.value for entry in tree.entries}

    def _text(self, tree: Tree) -> str:
        if not isinstance(tree, Scalar):
            raise self._wrong(tree, f"{tree} stands where one word should")
        return tree.text

    def _wrong(self, tree: Tree, problem: str) -> BadPlace:
        return BadPlace(f"{self._path}:{tree.mark.line}:{tree.mark.col}: {problem}; {_RIGHT}")


def _check_server(server: str, tls: bool) -> None:
    host, _, port = server.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not bare or not port.isdecimal() or not 0 < int(port) < 65536 or (":" in bare and bare == host):
        raise BadPlace(f"--server {server}: write ADDRESS:PORT, such as 10.0.0.1:7450 or [fd00::1]:7450")
    try:
        near = ip_address(bare).is_loopback
    except ValueError:
        near = bare == "localhost"
    if not near and not tls:
        raise BadPlace(
            f"--server {server}: is beyond this machine, so give --ca, and --cert and --key or --token"
        )
