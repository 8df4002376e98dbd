"""What a store holds of the cells: how each is written, and read again by a later controller."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from typing import TypeVar

from controller.clock import Clock, Reading, shift
from controller.plan import history
from controller.plan.ids import IdAllocator
from controller.plan.pool import UNCONFIRMED, Health
from controller.plan.tables import Retained, Tables, Verdicts, later
from controller.plan.tuned import Tuned
from controller.plan.turns import Turn
from controller.sites.base import StoreError
from controller.sites.orders import Orders
from controller.spec.codec import decode, encode
from controller.spec.serveragent import Told
from controller.spec.types import Intent, Pool
from p4src.spec import Secret

FORMAT = 2
"""Of what is stored; another one is refused."""
POOL, VERDICTS = "pool/", "verdicts/"
RESOURCE, REQUEST = "resource/", "request/"
ALWAYS = frozenset({"clock"})
"""Written with every batch."""

T = TypeVar("T")
U = TypeVar("U")
Names = frozenset[str]
Links = frozenset[tuple[str, int]]
SaidBy = Mapping[str, Mapping[str, Told]]
"""Pool -> backend -> what it has said of itself; nothing of those that are missing."""


def json_of(value: object) -> bytes:
    """A value as it is stored."""
    return json.dumps(encode(value)).encode()


def verdicts_told(verdicts: Mapping[str, Health]) -> bytes:
    """What a later controller is told: not how it was confirmed."""
    return json_of({name: {"up": v.up, "since": v.since, "reason": v.reason} for name, v in verdicts.items()})


class IntentText:
    """The intent as JSON: a large one is mostly what it was, and that is not encoded again."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, str]] = {}
        """By the identity of what was encoded, which is kept so that it has no other."""

    def of(self, intent: Intent) -> bytes:
        """As ``encode`` has it."""
        known, self._known = self._known, {}
        parts = []
        for each in fields(intent):
            value = getattr(intent, each.name)
            if isinstance(value, tuple):
                text = f"[{', '.join(self._part(known, one) for one in value)}]"
            else:
                text = json.dumps(encode(value))
            parts.append(f"{json.dumps(each.name)}: {text}")
        return f"{{{', '.join(parts)}}}".encode()

    def _part(self, known: Mapping[int, tuple[object, str]], part: object) -> str:
        made = known.get(id(part)) or (part, json.dumps(encode(part)))
        self._known[id(part)] = made
        return made[1]


class StoredCells:
    """What a store holds, decoded, its times moved to the present clock. Raises StoreError naming what is damaged."""

    def __init__(self, name: str, values: Mapping[str, bytes], clock: Clock) -> None:
        self._name = name
        self._values = values
        found = self._values.get("format", b"1").decode(errors="replace")
        if self._values and found != str(FORMAT):
            raise StoreError(
                f"{name}: has the format {found}, this version reads {FORMAT}; "
                "use the version that wrote it, or remove it to begin with nothing remembered"
            )
        reading = self._read("clock", partial(_value, Reading), None)
        self._late = shift(reading, clock)

    def intent(self) -> Intent:
        """Nothing, if none was stored."""
        nothing = Intent((), (), (), ())
        return self._read("intent", partial(_value, Intent), nothing)

    def tables(self) -> Tables:
        """Their times by the present clock."""
        made = Tables(
            self._read("ids", lambda data: IdAllocator.load(data.decode()), IdAllocator()),
            self._under(POOL, history.load),
            self._read("bound", partial(_mapping, str), {}),
            self._read("retained", partial(_mapping, Retained), {}),
            self._read("former", partial(_mapping, Pool), {}),
            self._read("turns", partial(_mapping, Turn), {}),
            self._read("writers", json.loads, {}),
            self._read("tuned", partial(_nested, Tuned), {}),
        )
        return later(made, self._late)

    def verdicts(self) -> Verdicts:
        """As they are believed at the start."""
        found = self._under(VERDICTS, partial(_mapping, Health))
        return {
            pool: {name: self._believed(each) for name, each in rows.items()} for pool, rows in found.items()
        }

    def _believed(self, told: Health) -> Health:
        """A backend may have come back while no controller looked."""
        return replace(
            told, since=told.since + self._late, confirmed=told.confirmed if told.up else UNCONFIRMED
        )

    def told(self) -> SaidBy:
        """What servers said of themselves, by pool and backend, their times by the present clock."""
        found = self._read("told", partial(_nested, Told), {})
        return {
            pool: {name: replace(each, since=each.since + self._late) for name, each in rows.items()}
            for pool, rows in found.items()
        }

    def names(self, name: str) -> Names:
        """Of switches: ``admitted`` or ``absent``."""
        return self._read(name, lambda data: frozenset(json.loads(data)), frozenset())

    def links(self) -> Links:
        """Dead ones."""
        return self._read("dead_links", _links, frozenset())

    def owners(self) -> Mapping[str, str]:
        """Site by VIP."""
        return self._read("owners", json.loads, {})

    def octets(self, prefix: str) -> Mapping[str, bytes]:
        """Values under a prefix."""
        return self._under(prefix, _json_octets)

    def orders(self) -> Orders:
        """Of operators."""
        return self._read("orders", partial(_value, Orders), Orders())

    def number(self, name: str) -> int:
        """0, if none was stored."""
        return self._read(name, int, 0)

    def secret(self) -> Secret:
        """A new one, if none was stored."""
        return self._read("secret", Secret.of, None) or Secret.of(secrets.token_bytes(20))

    def kept(self, parts: Mapping[str, object]) -> dict[str, object]:
        """What need not be stored again: nothing, where times of another boot were moved."""
        return {name: None if self._late else parts.get(name) for name in self._values.keys() - ALWAYS}

    def _under(self, prefix: str, load: Callable[[bytes], T]) -> dict[str, T]:
        names = [name for name in self._values if name.startswith(prefix)]
        return {name.removeprefix(prefix): self._load(name, load) for name in names}

    def _read(self, name: str, load: Callable[[bytes], T], default: U) -> T | U:
        return self._load(name, load) if name in self._values else default

    def _load(self, name: str, load: Callable[[bytes], T]) -> T:
        try:
            return load(self._values[name])
        except (
            Exception
        ) as error:  # damaged bytes raise whatever their reader does: BadZipFile, EOFError, zlib.error
            raise StoreError(
                f"{self._name}: the stored value {name!r} is damaged ({error}); restore it, or remove it to "
                "begin with nothing remembered"
            ) from error


def _value(kind: type[T], data: bytes) -> T:
    return decode(kind, json.loads(data))


def _mapping(kind: type[T], data: bytes) -> dict[str, T]:
    return {name: decode(kind, each) for name, each in json.loads(data).items()}


def _nested(kind: type[T], data: bytes) -> dict[str, dict[str, T]]:
    return {
        pool: {name: decode(kind, each) for name, each in rows.items()}
        for pool, rows in json.loads(data).items()
    }


def _json_octets(data: bytes) -> bytes:
    json.loads(data)
    return data


def _links(data: bytes) -> Links:
    return frozenset((switch, port) for switch, port in json.loads(data))
