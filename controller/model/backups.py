"""``backup`` of a pool: the backends of another one become later priority groups of it. Pure.

    web:   s1 (group 0), s2 (group 1), backup: west        ─►  s1: 0, s2: 1, w1: 2, w2: 3, sorry1: 4
    west:  w1 (group 0), w2 (group 1), backup: sorry
    sorry: sorry1

A server that is there already is not added again, nor is a pool: two pools may back each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from controller.spec.types import Backend, Pool

T = TypeVar("T")


class Note(Protocol):
    """Notes that ``copy`` was made of ``thing``, and returns it."""

    def __call__(self, thing: T, copy: T) -> T:
        """The copy."""


def _unnoted(thing: T, copy: T) -> T:
    del thing
    return copy


def with_backups(pools: Sequence[Pool], note: Note = _unnoted) -> tuple[Pool, ...]:
    """The pools, each with the backends of its backups as these are, instead of those that it had of them before.

    A ``backup`` that does not exist adds nothing.
    """
    own = {pool.name: pool.own for pool in reversed(pools)}
    backups = {pool.name: pool.backup for pool in reversed(pools)}
    made = []
    for pool in pools:
        backends = (*pool.own, *_borrowed(pool, own, backups, note))
        same = backends == pool.backends
        made.append(pool if same else note(pool, replace(pool, backends=backends)))
    return tuple(made)


def chain(pool: str, backups: Mapping[str, str | None]) -> list[str]:
    """The pool, its backup, the backup of that, and so on, as far as these exist and differ."""
    found: list[str] = []
    name: str | None = pool
    while name is not None and name in backups and name not in found:
        found.append(name)
        name = backups[name]
    return found


def _borrowed(
    pool: Pool, own: Mapping[str, tuple[Backend, ...]], backups: Mapping[str, str | None], note: Note
) -> Iterator[Backend]:
    named = {real.name for real in pool.own}
    after = max((real.group for real in pool.own), default=-1) + 1
    for home in chain(pool.name, backups)[1:]:
        ranks = {group: rank for rank, group in enumerate(sorted({real.group for real in own[home]}))}
        for real in own[home]:
            if real.name not in named:
                named.add(real.name)
                yield note(real, replace(real, group=after + ranks[real.group], home=home))
        after += len(ranks)
