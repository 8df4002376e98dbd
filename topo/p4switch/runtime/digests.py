"""Digest lists: what the data plane reports, without repeats, in lists that the controller acknowledges.

Pure: time is passed in as ns. Rules of the P4Runtime specification, section "DigestEntry".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from finsy.proto import p4i, p4r

from topo.p4switch.runtime.errors import exists, invalid, not_found
from topo.p4switch.runtime.values import DataType

INSERT, MODIFY, DELETE = p4r.Update.Type.INSERT, p4r.Update.Type.MODIFY, p4r.Update.Type.DELETE

MAX_LIST = 1024
"""Digests in one list where the controller sets no limit of its own."""

MAX_UNACKED = 65536
"""Digests that are remembered as sent and not acknowledged; beyond, the oldest lists are forgotten."""

Values = tuple[int, ...]


@dataclass
class _Sent:
    """A list that was sent and not acknowledged yet."""

    at: int
    values: list[Values] = field(default_factory=list)


class DigestServer:
    """One digest of the program: its configuration, the list being filled, and the lists not acknowledged."""

    def __init__(self, declared: p4i.Digest, data: DataType) -> None:
        """Off, until a controller inserts a configuration."""
        self.id = declared.preamble.id
        self.name = declared.preamble.name
        self._data = data
        self._config: p4r.DigestEntry.Config | None = None
        self._waiting: dict[Values, None] = {}
        self._since = 0
        self._cache: set[Values] = set()
        self._sent: dict[int, _Sent] = {}
        self._next_list = 1

    def write(self, kind: int, entry: p4r.DigestEntry) -> None:
        """Switch it on, change how it reports, or switch it off."""
        what = f"digest {self.name}"
        if kind == INSERT and self._config is not None:
            raise exists(f"{what} is configured already")
        if kind != INSERT and self._config is None:
            raise not_found(f"{what} is not configured")
        if kind == DELETE:
            self._config = None
            self.forget()
            return
        config = entry.config
        if min(config.max_timeout_ns, config.max_list_size, config.ack_timeout_ns) < 0:
            raise invalid(f"{what}: times and sizes cannot be negative")
        self._config = p4r.DigestEntry.Config()
        self._config.CopyFrom(config)

    def read(self) -> p4r.DigestEntry | None:
        """The configuration, or None while it is off."""
        if self._config is None:
            return None
        return p4r.DigestEntry(digest_id=self.id, config=self._config)

    def offer(self, values: Values, now: int) -> p4r.DigestList | None:
        """Take one digest; returns the list that is full with it."""
        config = self._config
        if config is None or values in self._cache or values in self._waiting:
            return None
        if not self._waiting:
            self._since = now
        self._waiting[values] = None
        limit = min(config.max_list_size or MAX_LIST, MAX_LIST)
        if len(self._waiting) >= limit or config.max_timeout_ns == 0:
            return self._send(now)
        return None

    def due(self, now: int) -> p4r.DigestList | None:
        """Forget lists whose acknowledgement is overdue; returns the list that has waited long enough."""
        config = self._config
        if config is None:
            return None
        for list_id in [one for one, sent in self._sent.items() if now - sent.at >= config.ack_timeout_ns]:
            self.ack(list_id)
        if self._waiting and now - self._since >= config.max_timeout_ns:
            return self._send(now)
        return None

    def deadline(self) -> int | None:
        """When ``due`` has a list to send; None while there is none."""
        if self._config is None or not self._waiting:
            return None
        return self._since + self._config.max_timeout_ns

    def ack(self, list_id: int) -> None:
        """The controller has acted on a list: the same digests are news again. Unknown lists are ignored."""
        sent = self._sent.pop(list_id, None)
        if sent is not None:
            self._cache.difference_update(sent.values)

    def forget(self) -> None:
        """Drop what waits and what is not acknowledged, as for a new primary that knows of neither."""
        self._waiting.clear()
        self._cache.clear()
        self._sent.clear()

    def _send(self, now: int) -> p4r.DigestList:
        assert self._config is not None
        made = p4r.DigestList(digest_id=self.id, list_id=self._next_list)
        made.data.extend(self._data.encode(list(values)) for values in self._waiting)
        if self._config.ack_timeout_ns:
            self._sent[self._next_list] = _Sent(now, list(self._waiting))
            self._cache.update(self._waiting)
            while len(self._cache) > MAX_UNACKED:
                self.ack(next(iter(self._sent)))
        self._next_list += 1
        self._waiting.clear()
        return made
