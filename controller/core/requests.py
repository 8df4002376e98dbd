"""Requests that were carried out, so that one that comes again is not carried out twice. Owns ``requests``.

They are stored with what they changed, in values of about a second each, and known for ten minutes, also by a
controller that starts in between: for ten minutes from its start.
"""

from __future__ import annotations

import base64
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from controller.clock import Clock
from controller.core.cells import Cell

KEPT = 600.0
"""Seconds for which a request is known."""
MOST = 100_000
"""Requests that are known; beyond that the oldest are forgotten."""
SPAN = 1.0
"""Seconds of requests in one value."""
FULL = 250
"""Requests in one value, at most: each commit writes the last one again, with what came since."""


@dataclass
class Known:
    """A request that was carried out."""

    fingerprint: str
    """Of all that it asked for."""
    answer: bytes
    value: str
    """Name of the value that holds it."""


@dataclass
class _Value:
    began: float
    ids: list[str]


class Requests:
    """Remembers them."""

    def __init__(self, cell: Cell[Mapping[str, bytes]], clock: Clock) -> None:
        self._cell, self._clock = cell, clock
        self._known: dict[str, Known] = {}
        self._values: OrderedDict[str, _Value] = OrderedDict()
        now = clock.now()
        for name, data in sorted(cell.value.items()):
            rows = json.loads(data)
            self._values[name] = _Value(now, [row[0] for row in rows])
            for identity, fingerprint, answer in rows:
                self._known[identity] = Known(fingerprint, base64.b64decode(answer), name)
        self._number = max((int(name) for name in self._values), default=0)

    def __len__(self) -> int:
        return len(self._known)

    def get(self, identity: str) -> Known | None:
        """A request that was carried out in the last ten minutes."""
        known = self._known.get(identity)
        if known is None or self._clock.now() - self._values[known.value].began > KEPT + SPAN:
            return None
        return known

    def note(self, carried_out: list[tuple[str, str, bytes]]) -> None:
        """(id, fingerprint, answer) of each request whose change is in the next commit."""
        now = self._clock.now()
        values = dict(self._cell.value)
        self._forget(values, now)
        for at in range(0, len(carried_out), FULL):
            rows = carried_out[at : at + FULL]
            name = self._open(now, len(rows))
            value = self._values[name]
            for identity, fingerprint, answer in rows:
                value.ids.append(identity)
                self._known[identity] = Known(fingerprint, answer, name)
            values[name] = self._octets(value.ids)
        while len(self._known) > MOST:
            self._drop(values, next(iter(self._values)))
        self._cell.put(values)

    def withdraw(self, identity: str) -> None:
        """It was refused after all."""
        known = self._known.pop(identity, None)
        if known is not None:
            ids = self._values[known.value].ids
            ids.remove(identity)
            self._cell.put({**self._cell.value, known.value: self._octets(ids)})

    def _open(self, now: float, more: int) -> str:
        """Name of the value that takes so many more."""
        last = next(reversed(self._values), None)
        if last is not None:
            value = self._values[last]
            if now - value.began <= SPAN and len(value.ids) + more <= FULL:
                return last
        self._number += 1
        name = f"{self._number:012d}"
        self._values[name] = _Value(now, [])
        return name

    def _octets(self, ids: list[str]) -> bytes:
        rows = [
            (
                identity,
                self._known[identity].fingerprint,
                base64.b64encode(self._known[identity].answer).decode(),
            )
            for identity in ids
        ]
        return json.dumps(rows, separators=(",", ":")).encode()

    def _forget(self, values: dict[str, bytes], now: float) -> None:
        while self._values:
            name, value = next(iter(self._values.items()))
            if now - value.began <= KEPT + SPAN:
                return
            self._drop(values, name)

    def _drop(self, values: dict[str, bytes], name: str) -> None:
        for identity in self._values.pop(name).ids:
            self._known.pop(identity, None)
        values.pop(name, None)
