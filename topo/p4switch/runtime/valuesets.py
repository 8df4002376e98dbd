"""Parser value sets over P4Runtime: members of several fields, side by side as one masked number in the parser."""

from __future__ import annotations

from finsy.proto import p4i, p4r

from topo.p4switch.runtime.errors import exhausted, exists, invalid, unimplemented
from topo.p4switch.runtime.match import FieldSpec, MatchCodec
from topo.p4switch.state import MatchKey, MatchValue, ValueSet

MODIFY = p4r.Update.Type.MODIFY


class ValueSetServer:
    """One value set. The caller holds ``Switch.lock``."""

    def __init__(self, held: ValueSet, declared: p4i.ValueSet, match: MatchCodec) -> None:
        """``match``: the fields of one member; raises P4Error UNIMPLEMENTED for ranges, which are no mask."""
        self.id = declared.preamble.id
        self.what = match.what
        self._held = held
        self._match = match
        self._size = declared.size
        self._members: tuple[MatchKey, ...] = ()
        if any(field.kind == "range" for field in match.fields):
            raise unimplemented(f"{self.what}: range matches in value sets are not supported")

    def write(self, kind: int, entry: p4r.ValueSetEntry) -> None:
        """Replace all members."""
        if kind != MODIFY:
            raise invalid(f"{self.what}: a value set is always there; MODIFY it")
        members = tuple(self._match.key(member.match) for member in entry.members)
        if len(members) > self._size:
            raise exhausted(f"{self.what}: {len(members)} members, its size is {self._size}")
        if len(set(members)) != len(members):
            raise exists(f"{self.what}: a member is given twice")
        self._held.replace(tuple(_masked(self._match.fields, member) for member in members))
        self._members = members

    def read(self) -> p4r.ValueSetEntry:
        """All members."""
        made = p4r.ValueSetEntry(value_set_id=self.id)
        for member in self._members:
            self._match.write(member, made.members.add().match)
        return made


def _masked(fields: tuple[FieldSpec, ...], member: MatchKey) -> tuple[int, int]:
    """Value and mask of a member over all its fields, the first one most significant."""
    value = mask = 0
    for field, part in zip(fields, member, strict=True):
        own_value, own_mask = _part(field, part)
        value, mask = value << field.width | own_value, mask << field.width | own_mask
    return value, mask


def _part(field: FieldSpec, part: MatchValue) -> tuple[int, int]:
    ones = (1 << field.width) - 1
    if part is None:
        return 0, 0
    if isinstance(part, int):
        return part, ones
    if field.kind == "lpm":
        return part[0], ones ^ ((1 << (field.width - part[1])) - 1)
    return part
