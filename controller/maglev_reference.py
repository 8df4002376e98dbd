"""The definition of the Maglev table in plain Python: slow, short, and what ``maglev.py`` must equal."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from controller.maglev import WeightedBackend


def build(members: Sequence[WeightedBackend], slots: int) -> list[int]:
    """Return the backend id of each slot, step by step as the docstring of ``maglev.py`` defines it.

    ``members`` are valid in the sense of ``maglev.build``, with at least one positive weight.
    """
    serving = sorted((m for m in members if m.weight > 0), key=lambda m: m.name)
    heaviest = max(m.weight for m in serving)
    left = quotas([m.weight for m in serving], slots)
    paths = [permutation(m.name, slots) for m in serving]
    credit = [heaviest - 1] * len(serving)
    position = [0] * len(serving)
    table = [0] * slots
    while any(left):
        for i, member in enumerate(serving):
            credit[i] += member.weight
            if credit[i] < heaviest:
                continue
            credit[i] -= heaviest
            if left[i] == 0:
                continue
            while table[paths[i][position[i]]] != 0:
                position[i] += 1
            table[paths[i][position[i]]] = member.id
            left[i] -= 1
    return table


def permutation(name: str, slots: int) -> list[int]:
    """Return all slots in the order in which the backend of that name prefers them."""
    digest = hashlib.blake2b(name.encode("utf-8"), digest_size=16).digest()
    offset = int.from_bytes(digest[:8], "little") % slots
    skip = int.from_bytes(digest[8:], "little") % slots | 1
    return [(offset + turn * skip) % slots for turn in range(slots)]


def quotas(weights: Sequence[int], slots: int) -> list[int]:
    """Return how many slots each weight is due: its share by largest remainder, ties to the first."""
    total = sum(weights)
    due = [weight * slots // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: -(weights[i] * slots % total))
    for i in by_remainder[: slots - sum(due)]:
        due[i] += 1
    return due
