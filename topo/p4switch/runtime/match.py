"""Match keys: FieldMatch messages to the data plane's keys and back, one codec for each table or value set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from finsy.proto import p4i, p4r

from topo.p4switch.entries import MatchKey, MatchValue
from topo.p4switch.runtime.errors import P4Error, invalid, unimplemented
from topo.p4switch.runtime.values import bits_of, canonical, unsigned

_KINDS = {
    p4i.MatchField.MatchType.EXACT: "exact",
    p4i.MatchField.MatchType.LPM: "lpm",
    p4i.MatchField.MatchType.TERNARY: "ternary",
    p4i.MatchField.MatchType.RANGE: "range",
    p4i.MatchField.MatchType.OPTIONAL: "optional",
}


@dataclass(frozen=True)
class FieldSpec:
    """One match field of P4Info; ``width`` in bits."""

    id: int
    name: str
    kind: str
    width: int

    @property
    def wildcard(self) -> MatchValue:
        """What the data plane calls "do not care" for this field; exact fields have none."""
        return {"lpm": (0, 0), "ternary": (0, 0), "range": (0, (1 << self.width) - 1)}.get(self.kind)


def field_specs(info: p4i.P4Info, fields: Iterable[p4i.MatchField], what: str) -> tuple[FieldSpec, ...]:
    """The match fields of a table or value set, in their order; raises P4Error for match kinds v1model lacks."""
    specs = []
    for field in fields:
        kind = _KINDS.get(field.match_type)
        if kind is None:
            raise unimplemented(
                f"{what}: match kind {field.other_match_type or field.match_type} is not v1model's"
            )
        width = bits_of(info, field.type_name.name, field.bitwidth)
        specs.append(FieldSpec(field.id, field.name, kind, width))
    return tuple(specs)


class MatchCodec:
    """Turns the ``match`` of one table (or of a value set's member) into a key and back."""

    def __init__(self, what: str, fields: tuple[FieldSpec, ...], plane: tuple[str, ...] = ()) -> None:
        """``what`` names the table in errors; ``plane``: the data plane's kind of each field where it differs.

        The compiler turns optional fields, and prefixes beside masks, into masks.
        """
        self.what = what
        self._plane = plane if plane != tuple(field.kind for field in fields) else ()
        self.fields = fields
        self.has_exact = any(field.kind == "exact" for field in fields)
        self.needs_priority = any(field.kind in ("ternary", "range", "optional") for field in fields)
        self._plain = tuple((field.id, field.width) for field in fields)
        self.all_exact = all(field.kind == "exact" for field in fields) and not self._plane
        self._by_id = {field.id: (place, field) for place, field in enumerate(fields)}

    def key(self, match: Sequence[p4r.FieldMatch]) -> MatchKey:
        """The key in the data plane's field order; raises P4Error INVALID_ARGUMENT or OUT_OF_RANGE."""
        if not self.all_exact or len(match) != len(self._plain):
            return self._checked(match)
        # Every table that is written by the thousand is exact and has its fields in P4Info's order.
        key = []
        for one, (field_id, width) in zip(match, self._plain, strict=True):
            data = one.exact.value
            value = int.from_bytes(data, "big")
            if one.field_id != field_id or value >> width or not data:
                return self._checked(match)
            key.append(value)
        return tuple(key)

    def write(self, key: MatchKey, match: Any) -> None:
        """Append the canonical FieldMatch messages of a key; what matches everything is left out.

        ``match``: the repeated field of a TableEntry or ValueSetMember.
        """
        for place, (spec, part) in enumerate(zip(self.fields, key, strict=True)):
            if self._plane:
                part = _from_plane(spec, self._plane[place], part)
            if spec.kind == "exact":
                assert isinstance(part, int)
                match.append(
                    p4r.FieldMatch(field_id=spec.id, exact=p4r.FieldMatch.Exact(value=canonical(part)))
                )
            elif part != spec.wildcard:
                match.append(_ENCODERS[spec.kind](spec.id, part))

    def _checked(self, match: Sequence[p4r.FieldMatch]) -> MatchKey:
        """As ``key``, whatever the fields are and in whatever order; says what is wrong."""
        parts: list[MatchValue] = [field.wildcard for field in self.fields]
        seen: set[int] = set()
        for one in match:
            place, field = self._by_id.get(one.field_id, (-1, None))
            if field is None:
                known = ", ".join(f"{spec.id} ({spec.name})" for spec in self.fields)
                raise invalid(f"{self.what} has no match field {one.field_id}; it has {known or 'none'}")
            if one.field_id in seen:
                raise invalid(f"{self.what}: match field {field.name} is given twice")
            seen.add(one.field_id)
            kind = one.WhichOneof("field_match_type")
            if kind != field.kind:
                raise invalid(f"{self.what}: match field {field.name} is {field.kind}, not {kind or 'unset'}")
            parts[place] = _DECODERS[field.kind](field, one, f"{self.what}: match field {field.name}")
        missing = [spec.name for spec in self.fields if spec.kind == "exact" and spec.id not in seen]
        if missing:
            raise invalid(f"{self.what}: exact match fields cannot be left out: {', '.join(missing)}")
        if self._plane:
            trios = zip(self.fields, self._plane, parts, strict=True)
            return tuple(_to_plane(field, kind, part) for field, kind, part in trios)
        return tuple(parts)


def _exact(field: FieldSpec, one: p4r.FieldMatch, what: str) -> MatchValue:
    return unsigned(one.exact.value, field.width, what)


def _optional(field: FieldSpec, one: p4r.FieldMatch, what: str) -> MatchValue:
    return unsigned(one.optional.value, field.width, what)


def _lpm(field: FieldSpec, one: p4r.FieldMatch, what: str) -> MatchValue:
    value, length = unsigned(one.lpm.value, field.width, what), one.lpm.prefix_len
    if length == 0:
        raise _wildcard(what, "prefix length 0")
    if not 0 < length <= field.width:
        raise invalid(f"{what}: prefix length {length} is not in 1..{field.width}")
    if value & ((1 << (field.width - length)) - 1):
        raise invalid(f"{what}: 0x{one.lpm.value.hex()} has bits set beyond the prefix of {length}")
    return value, length


def _ternary(field: FieldSpec, one: p4r.FieldMatch, what: str) -> MatchValue:
    value = unsigned(one.ternary.value, field.width, what)
    mask = unsigned(one.ternary.mask, field.width, f"{what}: mask")
    if mask == 0:
        raise _wildcard(what, "mask 0")
    if value & ~mask:
        raise invalid(
            f"{what}: 0x{one.ternary.value.hex()} has bits set outside its mask 0x{one.ternary.mask.hex()}"
        )
    return value, mask


def _range(field: FieldSpec, one: p4r.FieldMatch, what: str) -> MatchValue:
    low = unsigned(one.range.low, field.width, f"{what}: low")
    high = unsigned(one.range.high, field.width, f"{what}: high")
    if low > high:
        raise invalid(f"{what}: low {low} is above high {high}")
    if (low, high) == field.wildcard:
        raise _wildcard(what, "the full range")
    return low, high


def _wildcard(what: str, how: str) -> P4Error:
    return invalid(f"{what}: {how} matches everything; leave the field out instead")


def _to_plane(field: FieldSpec, kind: str, part: MatchValue) -> MatchValue:
    """A part of P4Info's kind as the data plane's kind."""
    if kind == field.kind:
        return part
    ones = (1 << field.width) - 1
    if field.kind == "lpm":
        value, length = _pair(part)
        mask = ones ^ ((1 << (field.width - length)) - 1)
    else:
        value, mask = (part, ones) if isinstance(part, int) else (0, 0)
    if kind == "ternary":
        return value, mask
    if kind == "range":
        return value, value | (ones & ~mask)
    assert kind == "lpm"
    return value, mask.bit_count()


def _from_plane(field: FieldSpec, kind: str, part: MatchValue) -> MatchValue:
    """What ``_to_plane`` was given."""
    if kind == field.kind:
        return part
    first, second = _pair(part)
    ones = (1 << field.width) - 1
    mask = ones & ~(first ^ second) if kind == "range" else second
    if field.kind == "lpm":
        return first, mask.bit_count()
    return first if second else field.wildcard


def _pair(part: MatchValue) -> tuple[int, int]:
    assert isinstance(part, tuple)
    return part


def _write_lpm(field_id: int, part: MatchValue) -> p4r.FieldMatch:
    value, length = _pair(part)
    return p4r.FieldMatch(
        field_id=field_id, lpm=p4r.FieldMatch.LPM(value=canonical(value), prefix_len=length)
    )


def _write_ternary(field_id: int, part: MatchValue) -> p4r.FieldMatch:
    value, mask = (canonical(one) for one in _pair(part))
    return p4r.FieldMatch(field_id=field_id, ternary=p4r.FieldMatch.Ternary(value=value, mask=mask))


def _write_range(field_id: int, part: MatchValue) -> p4r.FieldMatch:
    low, high = (canonical(one) for one in _pair(part))
    return p4r.FieldMatch(field_id=field_id, range=p4r.FieldMatch.Range(low=low, high=high))


def _write_optional(field_id: int, part: MatchValue) -> p4r.FieldMatch:
    assert isinstance(part, int)
    return p4r.FieldMatch(field_id=field_id, optional=p4r.FieldMatch.Optional(value=canonical(part)))


_DECODERS: dict[str, Callable[[FieldSpec, p4r.FieldMatch, str], MatchValue]] = {
    "exact": _exact,
    "lpm": _lpm,
    "ternary": _ternary,
    "range": _range,
    "optional": _optional,
}

_ENCODERS: dict[str, Callable[[int, MatchValue], p4r.FieldMatch]] = {
    "lpm": _write_lpm,
    "ternary": _write_ternary,
    "range": _write_range,
    "optional": _write_optional,
}
