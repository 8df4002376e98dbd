"""Requests to the API, of every method: whatever they say, they are answered, by a status that is not a defect."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from google.protobuf import message_factory
from google.protobuf.message import DecodeError

from controller.api.server import _SERVICES, CHANGES
from controller.api.v1 import service_pb2 as api
from tests.fakes import core
from tests.fakes.api import Face, message, served
from tests.fakes.stores import MemoryStore
from tests.fuzz.messages import changed
from tests.fuzz.outcomes import shape
from tests.fuzz.target import Target

PAIR = core.loaded("pair")
_METHODS = [method for name in _SERVICES for method in _SERVICES[name].methods]
_KINDS = [message_factory.GetMessageClass(method.input_type) for method in _METHODS]
_AGAIN = 400
"""Inputs after which the intent is as it was."""
_FRESH = 4000
"""Inputs after which there is another controller: journals and histories keep what was done."""
_SECONDS = 20.0
_TEXTS = (
    *(
        "pools/web",
        "pools/web/backends/s1",
        "pools/web/backends/s2",
        "vips/shop",
        "switches/lb1",
        "sites/east",
    ),
    *("shop", "east", "web", "s1", "10.0.0.1", "health.type=tcp", "name=w*", "W10=", "WyIiLCAiIl0="),
)


class Api(Target):
    """First octet: the method; the rest is its request, encoded."""

    name = "api"
    modules = ("controller/api",)
    seconds = 10.0

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._stack: AsyncExitStack | None = None
        self._folder = Path(mkdtemp(prefix="fuzz-api-"))
        self._count = 0

    def begin(self) -> None:
        """A controller without switches, with an intent."""
        self._loop.run_until_complete(self._begin())

    async def _begin(self) -> None:
        await self._end()
        self._stack = AsyncExitStack()
        self._store = MemoryStore()
        made = served(self._folder, self._store, intent=PAIR)
        self._face: Face = await self._stack.enter_async_context(made)
        server = self._face.server
        self._answers: list[Any] = [
            (server._stream if method.server_streaming else server._unary)(
                method.name, f"/{method.containing_service.full_name}/{method.name}"
            )
            for method in _METHODS
        ]

    def end(self) -> None:
        """No controller."""
        self._loop.run_until_complete(self._end())
        rmtree(self._folder, ignore_errors=True)

    async def _end(self) -> None:
        stack, self._stack = self._stack, None
        if stack is not None:
            await stack.aclose()

    def seeds(self) -> list[bytes]:
        """A request for each method, and some that change much."""
        document = message(PAIR)
        s1 = "pools/web/backends/s1"
        known: list[Any] = [
            api.GetRequest(name="pools/web"),
            api.ListRequest(kind=api.KIND_POOL, filter="name=w*", page_size=2),
            api.ApplyRequest(document=document, request_id="a"),
            api.ApplyRequest(document=document, dry_run=True),
            api.DeleteRequest(name=s1),
            api.DrainRequest(backends=[s1]),
            api.UndrainRequest(backends=[s1]),
            api.SetWeightsRequest(weights=[api.Weight(backend=s1, weight=3)]),
            api.WatchRequest(),
            api.MoveVipRequest(vip="shop", site="east"),
            api.DrainSiteRequest(site="east"),
            api.StatusRequest(),
        ]
        made = [bytes([_KINDS.index(type(each))]) + each.SerializeToString() for each in known]
        return [*made, *(bytes([n]) for n in range(len(_KINDS)))]

    def mutate(self, chance: Random, data: bytes, other: bytes) -> bytes:
        """Another request of the same method, mostly."""
        which = data[0] % len(_KINDS) if data and chance.random() < 0.9 else chance.randrange(len(_KINDS))
        second = other[1:] if other[:1] == data[:1] else b""
        return bytes([which]) + changed(chance, _KINDS[which], data[1:], second, _TEXTS)

    def feed(self, data: bytes) -> str:
        """Call the method."""
        which = data[0] % len(_KINDS) if data else 0
        try:
            request = _KINDS[which].FromString(data[1:])
        except DecodeError:
            return "no request"
        self._count += 1
        if self._count % _FRESH == 0:
            self.begin()
        return f"{_METHODS[which].name}: {self._loop.run_until_complete(self._call(which, request))}"

    async def _call(self, which: int, request: Any) -> str:
        for kept in (self._face.said.rows, self._store.batches, self._store.log.batches):
            kept.clear()  # what tests look at
        if self._count % _AGAIN == 0:
            await self._face.client.apply(message(PAIR))
        context = _Context()
        try:
            async with asyncio.timeout(_SECONDS):
                if _METHODS[which].server_streaming:
                    return await self._first(which, request, context)
                answer = await self._answers[which](request, context)
        except _Aborted as aborted:
            return _refused(aborted)
        assert answer.ByteSize() < 1 << 24
        return "changed" if _METHODS[which].name in CHANGES else "answered"

    async def _first(self, which: int, request: Any, context: Any) -> str:
        answers = self._answers[which](request, context)
        try:
            async with asyncio.timeout(0.005):
                answer = await anext(answers)
            return f"streamed {answer.ByteSize() > 0}"
        except (TimeoutError, StopAsyncIteration):
            return "streamed nothing"
        finally:
            await answers.aclose()


class _Aborted(Exception):
    def __init__(self, code: Any, why: str) -> None:
        super().__init__(why)
        self.code, self.why = code, why


def _refused(aborted: _Aborted) -> str:
    """How. A defect is one."""
    assert aborted.code.name not in ("INTERNAL", "UNKNOWN"), aborted.why
    return shape(f"{aborted.code.name} {aborted.why}")


class _Context:
    """As much of gRPC's as the server needs."""

    def peer(self) -> str:
        return "unix:"

    def invocation_metadata(self) -> tuple[()]:
        return ()

    def auth_context(self) -> dict[str, object]:
        return {}

    def time_remaining(self) -> float | None:
        return None

    async def abort(self, code: Any, why: str, metadata: Any) -> None:
        assert len(metadata) == 1
        raise _Aborted(code, why)
