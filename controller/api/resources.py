"""Resources as messages: what is stored of the intent, read by name, listed, filtered."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from controller.api.errors import invalid, missing
from controller.api.messages import fill
from controller.api.names import Kind, Name
from controller.api.v1 import resources_pb2 as said
from controller.api.v1 import service_pb2 as api
from controller.core.resources import Resources
from controller.core.state import State
from controller.model import document as plain
from controller.model.labels import Selector, selector
from controller.model.units import Wrong
from controller.spec.names import Zone
from controller.spec.types import Backend, Intent, Labels, Pool, Vip

PAGE, MOST = 100, 1000
"""Resources in a page: usually, and at most."""
CONDITIONS = 16
"""Of a filter, at most."""

PLAIN: dict[Kind, Callable[[Any], plain.Plain]] = {
    Kind.SITE: plain.site,
    Kind.SWITCH: plain.switch,
    Kind.POOL: plain.pool,
    Kind.BACKEND: plain.backend,
    Kind.VIP: plain.vip,
    Kind.ZONE: plain.zone,
}
"""What a resource says, by its kind."""


LABELLED = frozenset({Kind.POOL, Kind.BACKEND, Kind.VIP, Kind.ZONE})
"""Kinds that have labels."""


def labels_of(part: object) -> Labels:
    """Of a part of an intent; sites and switches have none."""
    return part.labels if isinstance(part, Pool | Backend | Vip | Zone) else ()


class Known(NamedTuple):
    """A resource as it was at some moment."""

    name: Name
    part: Any
    id: str
    revision: int


class Reader:
    """Reads what is durable."""

    def __init__(self, state: State, resources: Resources) -> None:
        self._state, self._resources = state, resources

    @property
    def revision(self) -> int:
        """Of the last commit."""
        return self._state.revision

    async def document(self) -> said.Document:
        """The whole intent, made in a thread."""
        intent = self._state.stored
        return await asyncio.to_thread(lambda: fill(said.Document(), plain.document(intent)))

    def get(self, name: Name) -> api.Resource:
        """One resource. Raises Refused."""
        for found, part in self.parts(self._state.stored, name.kind):
            if found == name:
                return self.message(found, part)
        raise missing(str(name))

    def everything(self, kinds: frozenset[Kind]) -> list[Known]:
        """All resources of these kinds, as they are now."""
        intent = self._state.stored
        return [
            Known(
                name,
                part,
                self._resources.id(str(name)),
                self._state.resource_written(f"{name.kind.key}/{name.name}"),
            )
            for kind in Kind
            if kind in kinds
            for name, part in self.parts(intent, kind)
        ]

    def message(self, name: Name, part: object) -> api.Resource:
        """A part of the stored intent as a message."""
        revision = self._state.resource_written(f"{name.kind.key}/{name.name}")
        return message(name, part, self._resources.id(str(name)), revision)

    @staticmethod
    def parts(intent: Intent, kind: Kind) -> Iterator[tuple[Name, Any]]:
        """All resources of a kind."""
        if kind is Kind.BACKEND:
            for pool in intent.pools:
                for real in pool.own:
                    yield Name(kind, pool.name, real.name), real
        else:
            for part in getattr(intent, kind.key):
                yield Name(kind, part.name), part

    def page(self, kind: Kind, asked: api.ListRequest) -> api.ListResponse:
        """Resources of a kind in order of their names. Raises Refused."""
        conditions = list(_conditions(asked.filter, kind))
        labels = _selector(asked.label_selector, kind)
        size = _page_size(asked.page_size)
        what = f"{kind.number} {asked.filter}\0{asked.label_selector}"
        mark = hashlib.sha256(what.encode()).hexdigest()[:12]
        after = _after(asked.page_token, mark)
        answer = api.ListResponse(revision=self.revision)
        for name, part in sorted(self.parts(self._state.stored, kind), key=lambda each: str(each[0])):
            if str(name) <= after or not labels.fits(labels_of(part)):
                continue
            if not all(c.holds(str(name), PLAIN[kind](part)) for c in conditions):
                continue
            if len(answer.resources) == size:
                answer.next_page_token = _token(mark, answer.resources[-1].name)
                break
            answer.resources.append(self.message(name, part))
        return answer


def message(name: Name, part: object, identity: str, revision: int) -> api.Resource:
    """A part of an intent as a message."""
    made = api.Resource(name=str(name), id=identity, revision=revision)
    fill(getattr(made, name.kind.field), PLAIN[name.kind](part))
    return made


class _Condition(NamedTuple):
    field: str
    value: str
    equal: bool

    def holds(self, name: str, resource: plain.Plain) -> bool:
        values = [name, name.rpartition("/")[2]] if self.field == "name" else _values(resource, self.field)
        return any(fnmatchcase(value, self.value) for value in values) is self.equal


def _values(value: Any, field: str) -> list[str]:
    """What is at a field of a resource, as text; of a list, all of it."""
    if isinstance(value, list):
        return [found for each in value for found in _values(each, field)]
    if not field:
        return [str(value).lower() if isinstance(value, bool) else str(value)]
    head, _, rest = field.partition(".")
    return _values(value[head], rest) if isinstance(value, dict) and head in value else []


def _conditions(text: str, kind: Kind) -> Iterator[_Condition]:
    each = [part.strip() for part in text.split(",") if part.strip()]
    if len(each) > CONDITIONS:
        raise invalid("filter", f"has {len(each)} conditions, write at most {CONDITIONS}")
    for part in each:
        field, sign, value = part.partition("=")
        equal = not field.endswith("!")
        field = field.rstrip("!").strip()
        if not sign or not field:
            raise invalid(
                "filter", f'has "{part[:100]}", write FIELD=VALUE or FIELD!=VALUE, such as site=east'
            )
        _check_field(field, kind)
        yield _Condition(field, value.strip(), equal)


def _selector(text: str, kind: Kind) -> Selector:
    """Raises Refused."""
    if text.strip() and kind not in LABELLED:
        raise invalid("label_selector", f"a {kind.field} has no labels; vips, pools, backends and zones have")
    try:
        return selector(text)
    except Wrong as wrong:
        raise invalid("label_selector", f"{wrong.problem}; {wrong.right}") from None


def _check_field(field: str, kind: Kind) -> None:
    """Raises Refused for a field that no such resource can have."""
    found = api.Resource.DESCRIPTOR.fields_by_name[kind.field].message_type
    for step in field.split("."):
        known = {} if found is None else found.fields_by_name
        if found is not None and found.GetOptions().map_entry:
            return
        if step not in known:
            names = ", ".join(known) or "none"
            raise invalid("filter", f'a {kind.field} has no field "{field[:100]}"; known there: {names}')
        found = known[step].message_type


def _page_size(asked: int) -> int:
    if asked < 0:
        raise invalid("page_size", f"is {asked}, write 1 to {MOST}, or nothing for {PAGE}")
    return min(asked or PAGE, MOST)


def _token(mark: str, last: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([mark, last]).encode()).decode()


def _after(token: str, mark: str) -> str:
    """The name of the last resource that was given."""
    if not token:
        return ""
    try:
        found, last = json.loads(base64.urlsafe_b64decode(token.encode()))
        if found == mark and isinstance(last, str):
            return last
    except (ValueError, TypeError, RecursionError):
        pass
    raise invalid(
        "page_token", "is not one that was given for this kind, filter and selector; begin without one"
    )
