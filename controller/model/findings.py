"""What the semantic checks share: the intent, who serves what, and where to report."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

from controller.model.errors import MeaningError
from controller.model.reader import Path, Source
from controller.model.yaml_source import Mark
from controller.spec.types import Backend, Intent, Listener, Pool, Role, Switch, Vip

Keys = str | tuple[str | Path, ...]
"""Where to report: a key of a thing, or alternatives of which the first given one counts."""


class Use(NamedTuple):
    """A listener whose pool exists, and of which mode and VIP address are known."""

    vip: Vip
    listener: Listener
    pool: Pool


def member(backend: Backend, pool: Pool) -> str:
    """How messages call a backend of a pool, which may be its backup's."""
    if not backend.home:
        return f'backend "{backend.name}" of pool "{pool.name}"'
    return f'backend "{backend.name}" of pool "{backend.home}", a backup of pool "{pool.name}",'


class Findings:
    """The intent under check and the errors found in it."""

    def __init__(self, intent: Intent, source: Source) -> None:
        self.intent = intent
        self.source = source
        pools: dict[str, Pool] = {}
        for pool in intent.pools:
            pools.setdefault(pool.name, pool)
        self.uses = tuple(
            Use(vip, listener, pools[listener.pool])
            for vip in intent.vips
            for listener in vip.listeners
            if listener.pool in pools
            and not self._has_bad(vip, "address")
            and not self._has_bad(listener, "mode")
        )

    def lbs(self, vip: Vip) -> tuple[Switch, ...]:
        """The lb switches of the sites that may own the VIP."""
        return tuple(s for s in self.intent.switches if Role.LB in s.roles and s.site in vip.owners)

    def names(self, kind: str) -> set[str]:
        """All names of a kind, also of things that could not be built."""
        return self.source.names.get(kind, set())

    def given(self, thing: object, key: str) -> bool:
        """Whether the file gives this key of the thing."""
        return (*self._path(thing), key) in self.source.marks

    def where(self, thing: object) -> str:
        """Where the thing begins."""
        return self.source.where(self._mark(self._path(thing)))

    def add(
        self,
        thing: object,
        keys: Keys,
        message: str,
        hint: str,
        unless: Iterable[tuple[object, str]] = (),
    ) -> None:
        """Reports an error of ``thing`` at the first of ``keys`` that the file gives (else where it begins).

        ``keys`` is one key or several alternatives; a path such as ``("owners", 1)`` is an item. Silent if
        the value of one of them, or of the (thing, key) pairs in ``unless``, is already reported as bad:
        this would only be its echo.
        """
        alternatives = (keys,) if isinstance(keys, str) else keys
        path = self._path(thing)
        wheres = [(*path, key) if isinstance(key, str) else (*path, *key) for key in alternatives]
        reads = wheres + [(*self._path(t), key) for t, key in unless]
        if any(self._is_bad(read) for read in reads):
            return
        place = next((read for read in wheres if read in self.source.marks), path)
        mark = self._mark(place)
        self.source.errors.append(MeaningError(self.source.file, mark.line, mark.col, message, hint))

    def dangling(self, thing: object, keys: Keys, name: str, kind: str, what: str) -> None:
        """Reports a reference to a ``kind`` that does not exist."""
        known = sorted(self.names(kind))
        near = get_close_matches(name, known, n=1, cutoff=0.6)
        hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(known) or 'none'}"
        self.add(thing, keys, f'{what} names the {kind} "{name}", which does not exist', hint)

    def _has_bad(self, thing: object, key: str) -> bool:
        return (*self._path(thing), key) in self.source.bad

    def _path(self, thing: object) -> Path:
        return self.source.paths.get(id(thing), ())

    def _mark(self, path: Path) -> Mark:
        while path and path not in self.source.marks:
            path = path[:-1]
        return self.source.marks.get(path, Mark(1, 1))

    def _is_bad(self, path: Path) -> bool:
        return any(path[: len(bad)] == bad or bad[: len(path)] == path for bad in self.source.bad)
