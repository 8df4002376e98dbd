"""What every call passes: how often one may ask; what was asked before; what is answered."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import grpc

from controller.api.errors import Reason, Refused, invalid
from controller.api.proposals import stored
from controller.api.v1 import service_pb2 as api
from controller.clock import Clock
from controller.core.requests import Requests
from controller.core.state import State

LONGEST_ID = 64
"""Characters of a request id."""
RATE, BURST = 4000.0, 8000.0
"""Calls a second from one peer, and at once."""
PEERS = 1024
"""Peers whose calls are counted."""


class Rates:
    """How many calls each peer may make: a bucket for each address, without its port."""

    def __init__(self, clock: Clock, rate: float = RATE, burst: float = BURST) -> None:
        self._clock, self._rate, self._burst = clock, rate, burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, address: str) -> None:
        """One call of a peer with this name (empty: none) at this address and port. Raises Refused."""
        key, now = name or address.rpartition(":")[0], self._clock.now()
        left, then = self._left.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._rate)
        self._left[key] = (max(0.0, left - 1), now)
        while len(self._left) > PEERS:
            self._left.popitem(last=False)
        if left < 1:
            text = f"more than {self._rate:g} calls a second"
            raise Refused(
                grpc.StatusCode.RESOURCE_EXHAUSTED, Reason.TOO_MANY_CALLS, text, retry_in=1 / self._rate
            )


class Asked(NamedTuple):
    """A request that names itself."""

    id: str
    fingerprint: str
    """Of all that it asks for."""


@dataclass
class _Running:
    fingerprint: str
    task: asyncio.Task[Any]


class Once:
    """Carries out a request with an id once: the same again gets the same answer."""

    def __init__(self, state: State, requests: Requests) -> None:
        self._state, self._requests = state, requests
        self._running: dict[str, _Running] = {}

    async def run(
        self, method: str, request: Any, carry_out: Callable[[Asked | None], Awaitable[Any]], kind: Any
    ) -> Any:
        """The answer, of type ``kind``. A request with an id goes on when its caller is gone. Raises Refused."""
        asked = asked_of(method, request)
        if asked is None:
            return await carry_out(None)
        running = self._running.get(asked.id)
        known = self._requests.get(asked.id)
        found = running or known
        if found is not None and found.fingerprint != asked.fingerprint:
            text = f'the request id "{asked.id}" was used for another request; choose a new one'
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, Reason.REQUEST_ID_REUSED, text)
        if running is not None:
            return _again(await asyncio.shield(running.task))
        if known is not None:
            answer = kind.FromString(known.answer)
            answer.outcome.revision = await stored(self._state.commit)
            return _again(answer)
        task = asyncio.ensure_future(carry_out(asked))
        self._running[asked.id] = _Running(asked.fingerprint, task)
        task.add_done_callback(lambda done: self._ended(asked.id, done))
        return await asyncio.shield(task)

    def _ended(self, identity: str, task: asyncio.Task[Any]) -> None:
        del self._running[identity]
        if not task.cancelled():
            task.exception()  # its caller may be gone


def asked_of(method: str, request: Any) -> Asked | None:
    """The id of a request; None: it has none, or changes nothing. Raises Refused."""
    identity: str = request.request_id
    if not identity or getattr(request, "dry_run", False):
        return None
    if len(identity) > LONGEST_ID or not identity.isprintable():
        raise invalid("request_id", f"write at most {LONGEST_ID} printable characters")
    octets = f"{method} ".encode() + request.SerializeToString(deterministic=True)
    return Asked(identity, hashlib.sha256(octets).hexdigest()[:32])


def _again(answer: Any) -> Any:
    """The answer to a request that was carried out before."""
    made = type(answer)()
    made.CopyFrom(answer)
    made.outcome.repeated_request = True
    return made


def outcome(revision: int, listed: tuple[tuple[str, int], ...] = (), total: int = 0) -> api.Outcome:
    """What became of a change."""
    changed = (api.Change(name=name, action=action) for name, action in listed)  # type: ignore[arg-type]
    return api.Outcome(revision=revision, changes=changed, changed=total)
