"""What a table entry is: match keys and their canonical form, its reference, counters, last hit.

A match key has one part for each key field of the table, in the declared order:
exact `value`; lpm `(value, prefix length)`; ternary `(value, mask)`; range `(low, high)` inclusive;
optional `value` or None. The compiler writes P4's optional fields as ternary, so most of those are pairs with a
mask of all ones or (0, 0). "Do not care" is lpm `(0, 0)`, ternary `(0, 0)`, range `(0, 2**width - 1)`, None.
"""

from __future__ import annotations

from topo.p4switch.arrays import Meter
from topo.p4switch.errors import InvalidArgument
from topo.p4switch.profiles import Group, Member
from topo.p4switch.program.model import KeyField
from topo.p4switch.refs import ActionRef

MatchValue = int | tuple[int, int] | None
MatchKey = tuple[MatchValue, ...]


class Entry:
    """A live table entry; the data plane reads and counts on it directly.

    `ref` is what the control plane wrote. `action` and `params` are what a direct table runs; for an
    indirect one `target` is the member or group and `action` is -1. `packets`, `bytes` count hits when the
    table has a direct counter. `meter` is None until it is configured. Times are the switch clock's, in ns;
    `idle_timeout_ns` 0 never expires. `metadata` is the control plane's own and not looked at. `is_default`
    marks a table's default entry, whose `key` is empty.
    """

    __slots__ = (
        "action",
        "bytes",
        "const",
        "idle_reported",
        "idle_timeout_ns",
        "is_default",
        "key",
        "last_hit",
        "metadata",
        "meter",
        "packets",
        "params",
        "priority",
        "ranges",
        "rank",
        "ref",
        "target",
    )

    def __init__(self, key: MatchKey, priority: int, ref: ActionRef, now: int = 0) -> None:
        """An entry that has not been hit; `now` starts its idle time."""
        self.key = key
        self.priority = priority
        self.ref: ActionRef = ref
        self.action = -1
        self.params: tuple[int, ...] = ()
        self.target: Member | Group | None = None
        self.packets = 0
        self.bytes = 0
        self.meter: Meter | None = None
        self.idle_timeout_ns = 0
        self.last_hit = now
        self.idle_reported = -1
        self.const = False
        self.is_default = False
        self.metadata = b""
        self.rank = 0
        self.ranges: tuple[tuple[int, int, int, int], ...] = ()


def check_key(table: str, keys: tuple[KeyField, ...], key: MatchKey) -> None:
    """Raise InvalidArgument unless `key` is canonical: one part a field, in width, no bit outside its mask."""
    if len(key) != len(keys):
        raise InvalidArgument(f"table {table}: {len(key)} match fields given, the key has {len(keys)}")
    for field, part in zip(keys, key, strict=True):
        problem = _problem(field, part)
        if problem:
            raise InvalidArgument(f"table {table}: match field {field.name}: {problem}")


def _problem(field: KeyField, part: MatchValue) -> str:
    """Why `part` is no canonical value of `field`, or an empty string."""
    kind = field.kind
    if kind == "exact" or (kind == "optional" and part is not None):
        if not isinstance(part, int):
            return f"expected an integer, got {part!r}"
        return "" if 0 <= part >> field.width < 1 else f"{part:#x} is wider than {field.width} bits"
    if kind == "optional":
        return ""
    if not isinstance(part, tuple):
        return f"expected a pair for {kind}, got {part!r}"
    return _pair_problem(field, *part)


def _pair_problem(field: KeyField, first: int, second: int) -> str:
    """Why a pair is not canonical for its kind, or an empty string."""
    if first < 0 or first >> field.width:
        return f"{first:#x} is wider than {field.width} bits"
    if field.kind == "lpm":
        if not 0 <= second <= field.width:
            return f"prefix length {second} is not in 0..{field.width}"
        return "" if first & ((1 << (field.width - second)) - 1) == 0 else "bits set outside the prefix"
    if second < 0 or second >> field.width:
        return f"{second:#x} is wider than {field.width} bits"
    if field.kind == "range":
        return "" if first <= second else f"range starts at {first} after its end {second}"
    return "" if first & ~second == 0 else f"value {first:#x} has bits outside mask {second:#x}"
