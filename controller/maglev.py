"""The Maglev table of a pool: weighted, deterministic on every machine, compiled to machine code.

Source: Eisenbud et al., "Maglev" (NSDI 2016), section 3.4, with M = 2^k slots and odd skips in place
of a prime M (an odd skip visits every slot of 2^k too), and weights. ``maglev_reference.py`` is the same
table as a short plain definition; the tests hold the two equal.

The definition, integers only:

1. Backends of positive weight stand in the order of their names (by code point).
2. Name -> BLAKE2b-128 of its UTF-8 bytes -> two little-endian 64-bit halves: offset and skip, each taken
   modulo M, the skip made odd. The backend prefers slots offset, offset + skip, offset + 2 skip, ... mod M.
3. Its quota is weight x M / (sum of weights), rounded by largest remainder (ties: the first in order), so
   quotas sum to M and none is a whole slot away from its share.
4. Turns go by cumulative credit. All start one short of the heaviest weight; in each round, in order, each
   gains its own weight, and one that reaches the heaviest weight pays that much and takes its most preferred
   free slot, until its quota is met. So turn k (from 0) falls in round floor(k x heaviest / weight).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

MIN_SLOTS = 1 << 8
MAX_SLOTS = 1 << 20
MAX_ID = 65_535
MAX_WEIGHT = (1 << 31) - 1
NOTHING_TO_SERVE = "no backend has a positive weight; a table needs at least one"

Table = npt.NDArray[np.uint16]
_U32 = npt.NDArray[np.uint32]
_I64 = npt.NDArray[np.int64]

_Kernel = Callable[[_I64, _I64, _U32, _U32, Table, int], Table]

log = logging.getLogger(__name__)


class WeightedBackend(NamedTuple):
    """A backend as the table sees it."""

    name: str
    """Identity: seeds the permutation. Unique in a pool."""
    id: int
    """What the slots hold, 1 to 65,535. Unique in a pool; does not influence which slots it gets."""
    weight: int
    """0 (no slots) to 2^31 - 1."""


def build(members: Sequence[WeightedBackend], slots: int) -> Table:
    """Return the backend id of each slot: shape (``slots``,), dtype uint16, no zeros.

    The order of ``members`` does not matter, and members of weight 0 change nothing. Every backend gets its
    share of the slots rounded down or up, so one whose share is below one slot may get none. ``slots`` is a
    power of two from 256 to 2^20.

    Raises ValueError for another number of slots, a repeated name or id, an id or weight out of range, and
    when no weight is positive: an empty table is the caller's own case, not a value of this one.
    """
    if not (MIN_SLOTS <= slots <= MAX_SLOTS and slots & (slots - 1) == 0):
        raise ValueError(f"slots is {slots}; it must be a power of two from {MIN_SLOTS} to {MAX_SLOTS}")
    if not members:
        raise ValueError(NOTHING_TO_SERVE)
    # Column by column, not member by member: at 1,000 backends Python's loops would outweigh the fill.
    names, ids, weights = zip(*sorted(members, key=itemgetter(0)), strict=True)
    if not _valid(names, ids, weights):
        raise ValueError(_fault(members))
    weight, number = np.array(weights, np.int64), np.array(ids, np.uint16)
    seeds = np.frombuffer(b"".join(map(_identity, names)), "<u8").reshape(-1, 2)
    serving = weight > 0
    if not serving.all():
        weight, number, seeds = weight[serving], number[serving], seeds[serving]
    if not weight.size:
        raise ValueError(NOTHING_TO_SERVE)
    seeds = seeds & np.uint64(slots - 1)
    offset = seeds[:, 0].astype(np.uint32)
    skip = seeds[:, 1].astype(np.uint32) | np.uint32(1)
    return _kernel()(weight, _quotas(weight, slots), offset, skip, number, slots)


def moved(old: Table, new: Table) -> npt.NDArray[np.intp]:
    """Return the slots, ascending, whose backend differs between two tables of one pool.

    Raises ValueError when the tables differ in size (a pool's number of slots is fixed for its life).
    """
    if old.shape != new.shape:
        raise ValueError(f"tables of {old.size} and {new.size} slots cannot be compared")
    return np.flatnonzero(old != new)


def warm() -> None:
    """Have the compiled code ready, so that the first ``build`` is not the one to wait for it (seconds)."""
    _kernel()


def _valid(names: Sequence[str], ids: Sequence[int], weights: Sequence[int]) -> bool:
    in_range = min(ids) >= 1 and max(ids) <= MAX_ID and min(weights) >= 0 and max(weights) <= MAX_WEIGHT
    return in_range and len(set(names)) == len(set(ids)) == len(names)


def _fault(members: Sequence[WeightedBackend]) -> str:
    """Say what is wrong with members that are not valid."""
    names: set[str] = set()
    owners: dict[int, str] = {}
    for name, number, weight in members:
        if not 1 <= number <= MAX_ID:
            return f"backend {name!r}: id is {number}; it must be from 1 to {MAX_ID}"
        if not 0 <= weight <= MAX_WEIGHT:
            return f"backend {name!r}: weight is {weight}; it must be from 0 to {MAX_WEIGHT}"
        if name in names:
            return f"backend {name!r} stands twice in the pool; names must differ"
        if number in owners:
            return f"backends {owners[number]!r} and {name!r} share id {number}; ids must differ"
        names.add(name)
        owners[number] = name
    raise AssertionError("members that are valid have no fault")


@lru_cache(maxsize=1 << 17)
def _identity(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=16).digest()


def _quotas(weight: _I64, slots: int) -> _I64:
    # At most 65,535 weights below 2^31, times at most 2^20: every product stays below 2^63.
    product = weight * slots
    quota, remainder = np.divmod(product, weight.sum())
    spare = slots - int(quota.sum())
    if spare:
        quota[np.argsort(-remainder, kind="stable")[:spare]] += 1
    return quota


def _order(weight: _I64, quota: _I64, slots: int) -> Table:
    """Whose turn it is, turn by turn (index into ``weight``); compiled by ``_kernel``.

    A counting sort of all turns by their round: a backend of small weight costs nothing in the rounds that it
    sits out, so that one weight of 60,000 among ones of 1 takes no longer than equal weights.
    """
    order = np.empty(slots, np.uint16)
    heaviest = weight.max()
    if heaviest == weight.min():
        # Largest remainder gives the spare slots to the first in order: the last round simply ends early.
        i = 0
        for turn in range(slots):
            order[turn] = i
            i += 1
            if i == weight.size:
                i = 0
        return order
    rounds = np.empty(slots, np.uint32)
    starts = np.zeros(slots + 1, np.uint32)
    turn = 0
    for i in range(weight.size):
        # floor(k x heaviest / weight) for k = 0, 1, ... without a division per turn
        whole, part = heaviest // weight[i], heaviest % weight[i]
        at, credit = 0, 0
        for _ in range(quota[i]):
            rounds[turn] = at
            starts[at + 1] += np.uint32(1)
            turn += 1
            at += whole
            credit += part
            if credit >= weight[i]:
                credit -= weight[i]
                at += 1
    for at in range(slots):
        starts[at + 1] += starts[at]
    turn = 0
    for i in range(weight.size):
        for _ in range(quota[i]):
            at = rounds[turn]
            order[starts[at]] = i
            starts[at] += np.uint32(1)
            turn += 1
    return order


def _fill(order: Table, offset: _U32, skip: _U32, ids: Table, slots: int) -> Table:
    """The hot loop: each turn takes its backend's most preferred free slot; compiled by ``_kernel``.

    Probing looks at three slots at a time: a wrongly predicted branch costs more than two needless looks.
    For the last few slots it would take M / free steps a turn; there, inverting the permutation gives each
    free slot's distance from the backend's cursor, and the nearest is a minimum over a short array, which
    compiles to vector instructions.
    """
    tail = 16
    while tail * tail < 4 * slots:
        tail *= 2
    mask = np.uint32(slots - 1)
    table = np.zeros(slots, np.uint16)  # 0: free
    cursor = offset.copy()
    for k in range(slots - tail):
        i = order[k]
        slot, step = cursor[i], skip[i]
        while True:
            second = np.uint32(slot + step) & mask
            third = np.uint32(second + step) & mask
            chosen = second if table[second] == 0 else third
            chosen = slot if table[slot] == 0 else chosen
            if table[chosen] == 0:
                break
            slot = np.uint32(third + step) & mask
        table[chosen] = ids[i]
        cursor[i] = np.uint32(chosen + step) & mask

    inverse = np.ones(skip.size, np.uint32)
    for _ in range(5):  # Newton: each pass doubles the number of right low bits, 1 -> 32
        inverse *= np.uint32(2) - skip * inverse
    free = np.empty(tail, np.uint32)
    remaining = 0
    for slot in range(slots):
        if table[slot] == 0:
            free[remaining] = slot
            table[slot] = remaining  # until it is given away, a free slot knows its place in ``free``
            remaining += 1
    for k in range(slots - tail, slots):
        i = order[k]
        start, back, nearest = cursor[i], inverse[i], mask
        for j in range(remaining):
            nearest = min(nearest, np.uint32(np.uint32(free[j] - start) * back) & mask)
        slot = np.uint32(start + np.uint32(nearest * skip[i])) & mask
        remaining -= 1
        last = free[remaining]
        free[table[slot]] = last
        table[last] = table[slot]
        table[slot] = ids[i]
    return table


@cache
def _kernel() -> _Kernel:
    # Imported here: numba takes a while, which commands that build no table need not wait for.
    import numba

    def compiled(function: Callable[..., Table], signature: str) -> Callable[..., Table]:
        try:
            made: Callable[..., Table] = numba.njit(signature, cache=True, nogil=True)(function)
        except (RuntimeError, OSError) as error:
            # Neither the package's folder, nor the user's cache folder, nor NUMBA_CACHE_DIR can be written.
            log.warning(
                "maglev: compiled code cannot be kept, so every start compiles again for some seconds; "
                "set NUMBA_CACHE_DIR to a writable folder (%s)",
                error,
            )
            made = numba.njit(signature, nogil=True)(function)
        return made

    order = compiled(_order, "uint16[::1](int64[::1],int64[::1],int64)")
    fill = compiled(_fill, "uint16[::1](uint16[::1],uint32[::1],uint32[::1],uint16[::1],int64)")

    def kernel(weight: _I64, quota: _I64, offset: _U32, skip: _U32, ids: Table, slots: int) -> Table:
        return fill(order(weight, quota, slots), offset, skip, ids, slots)

    return kernel
