"""Roles and tokens from their files, read again when those change; a file with errors leaves the last good one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from controller.model.errors import ConfigErrors
from controller.security.roles import Origin, Peer, Roles
from controller.security.rolesfile import Tokens, load_roles, load_tokens

T = TypeVar("T")


class Followed(Generic[T]):
    """What a file says. May be used by several threads."""

    def __init__(self, path: Path, load: Callable[[Path], T], on_problem: Callable[[str], None]) -> None:
        """``on_problem`` is told once why a changed file is not used. Raises ConfigErrors."""
        self._path, self._load, self._on_problem = path, load, on_problem
        self._changing = threading.Lock()
        self._stamp = self._look()
        self._value = load(path)

    def current(self) -> T:
        """What it says now, or said last when it had no errors."""
        with self._changing:
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._value = self._load(self._path)
                except ConfigErrors as errors:
                    self._on_problem(f"{errors}; what was read before stays in use")
            return self._value

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


@dataclass
class Access:
    """Who may do what, by the files of now."""

    roles: Callable[[], Roles]
    tokens: Callable[[], Tokens]

    def by_token(self, token: str) -> Peer | None:
        """The peer that shows a token; None: it is not known."""
        name = self.tokens().holder(token)
        return None if name is None else Peer(Origin.TOKEN, name)


def access(roles: Path | None, tokens: Path | None, on_problem: Callable[[str], None]) -> Access:
    """From files. Without roles a certificate has the role it was issued for. Raises ConfigErrors."""
    return Access(
        Roles if roles is None else Followed(roles, load_roles, on_problem).current,
        _no_tokens if tokens is None else Followed(tokens, load_tokens, on_problem).current,
    )


def _no_tokens() -> Tokens:
    return Tokens({})
