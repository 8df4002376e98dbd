"""Panic threshold: when too much of a pool seems down, the checks are doubted and not the servers. Pure."""

from __future__ import annotations

from collections.abc import Mapping


def effective(up: Mapping[str, bool], threshold: float) -> tuple[frozenset[str], bool]:
    """Backends that may serve, and whether health is being ignored.

    ``up`` holds every backend of the pool that is judged. If more than the share ``threshold`` (0 to 1)
    of them is down, all of them may serve and the second value is True, which callers must report.
    A threshold of 1.0 never panics: then an empty set means that every backend is down.
    """
    living = frozenset(name for name, is_up in up.items() if is_up)
    down = len(up) - len(living)
    if down > threshold * len(up):
        return frozenset(up), True
    return living, False
