"""What differs between two targets of a P4 switch, entry by entry; as many as ``p4src.diff`` counts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from p4src.diff import describe, diff, group_name
from p4src.slots import words
from p4src.target import P4Target

ADDED, MODIFIED, DELETED = "added", "modified", "deleted"


def listing(have: P4Target, want: P4Target) -> Iterator[tuple[str, str]]:
    """Each entry that is added, modified or deleted: which of these, and the entry in words."""
    changes = diff(have, want)
    if changes.configuration is not None:
        yield MODIFIED, "configuration"
    yield from ((MODIFIED, f"meter {index}") for index in changes.limits)
    yield from ((_put(new), group_name(group)) for group, _, new in changes.multicast)
    for key, body, new in changes.put:
        yield _put(new), f"{describe(key)}: {body.action}({', '.join(f'{each:#x}' for each in body.params)})"
    for pool, old, table in changes.slots:
        size = max(len(each.now) for each in (old, table) if each is not None)
        before, after = words(old, size), words(table, size)
        for slot in np.flatnonzero(before != after):
            was, now = int(before[slot]), int(after[slot])
            what = ADDED if not was else MODIFIED if now else DELETED
            yield what, f"slot {slot} of pool {pool}: {_word(was)} to {_word(now)}"
    yield from ((DELETED, describe(key)) for key in changes.gone)
    yield from ((DELETED, group_name(group)) for group in changes.multicast_gone)


def _put(new: bool) -> str:
    return ADDED if new else MODIFIED


def _word(word: int) -> str:
    return f"{word:#x}" if word else "none"
