"""The discovery server on a socket: what it bounds, which clients it cuts off or lets in, what becomes of failures."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from envoy.service.discovery.v3 import ads_pb2_grpc
from envoy.service.discovery.v3 import discovery_pb2 as wire

from controller.clock import SystemClock
from controller.core.journal import Journal
from controller.exits.base import Around, Seen
from controller.exits.xds import server as module
from controller.exits.xds import session
from controller.exits.xds.exit import DiscoveryExit
from controller.exits.xds.kinds import Kind
from controller.plan.members import Health
from controller.plan.tables import Tables
from controller.security.certificates import Role
from controller.spec.discovery import Discovery, DiscoveryTls, Service, ServiceRoute, Target
from controller.spec.types import Intent, Pool, Site
from tests.fakes.certificates import Authority
from tests.unit.test_xds_plan import real

PATIENCE = 30.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(address: str) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", int(address.rpartition(":")[2])))
        return True
    return False


@dataclass
class World:
    """What an exit sees, and how it is changed."""

    discovery: Discovery | None
    down: tuple[str, ...] = ()
    sink: io.StringIO = field(default_factory=io.StringIO)
    wakes: list[Callable[[], None]] = field(default_factory=list)

    def see(self) -> Seen:
        pool = Pool("a", (real("s1"), real("s2")), panic_threshold=1.0)
        intent = Intent((Site("east"),), (), (pool,), (), discovery=self.discovery)
        none: frozenset[str] = frozenset()
        verdicts = {"a": {name: Health(name not in self.down, 0.0) for name in ("s1", "s2")}}
        return Seen(1, intent, Tables(), verdicts, {}, none, none, none, None)

    def change(self) -> None:
        for wake in self.wakes:
            wake()

    def around(self) -> Around:
        return Around(self.see, self.wakes.append, Journal(self.sink), SystemClock())

    def events(self, name: str) -> list[dict[str, Any]]:
        rows = [json.loads(line) for line in self.sink.getvalue().splitlines()]
        return [each for each in rows if each["event"] == name]


def world(**more: Any) -> World:
    services = (Service("shop", 80, (ServiceRoute(to=(Target("a"),)),)),)
    return World(Discovery(f"127.0.0.1:{_free_port()}", services, **more))


@asynccontextmanager
async def running(of: World) -> AsyncIterator[DiscoveryExit]:
    made = DiscoveryExit(of.around())
    task = asyncio.create_task(made.run())
    try:
        async with asyncio.timeout(PATIENCE):
            yield made
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(holds: Callable[[], object]) -> None:
    while not holds():
        await asyncio.sleep(0.01)


def request(kind: Kind = Kind.CLUSTERS, *names: str, **more: Any) -> Any:
    return wire.DiscoveryRequest(type_url=kind.value, resource_names=names, **more)


@asynccontextmanager
async def stream(of: World, credentials: Any = None) -> AsyncIterator[Any]:
    assert of.discovery is not None
    address, options = of.discovery.listen, (("grpc.use_local_subchannel_pool", 1),)
    channel = (
        grpc.aio.insecure_channel(address, options)
        if credentials is None
        else grpc.aio.secure_channel(address, credentials, options)
    )
    async with channel:
        yield ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).StreamAggregatedResources()


async def ask(call: Any, asked: Any) -> None:
    """Who is cut off meanwhile learns that by the status."""
    with suppress(grpc.aio.AioRpcError):
        await call.write(asked)


async def status_of(call: Any) -> tuple[grpc.StatusCode, str]:
    return await call.code(), await call.details()


def test_a_verdict_reaches_a_client_at_once() -> None:
    async def scene() -> None:
        of = world()
        async with running(of) as made:
            await until(lambda: of.events("discovery_serves"))
            async with stream(of) as call:
                await call.write(request(Kind.ENDPOINTS, "shop/a"))
                first = await call.read()
                of.down = ("s1",)
                of.change()
                await call.write(request(Kind.ENDPOINTS, "shop/a", response_nonce=first.nonce))
                second = await call.read()
                assert second.version_info != first.version_info
                assert second.control_plane.identifier == "evenkeel"
                shown = made.shown()
                assert shown is not None
                assert dict(shown.items["shop"], version="") == {
                    "clients": 1, "clusters": 1, "servers": 2, "parked": 1, "version": ""
                }  # fmt: skip

    asyncio.run(scene())


def test_kinds_that_are_not_served_harm_nothing() -> None:
    async def scene() -> None:
        of = world()
        async with running(of):
            await until(lambda: of.events("discovery_serves"))
            async with stream(of) as call:
                await call.write(wire.DiscoveryRequest(type_url="type.googleapis.com/envoy.Secret"))
                await call.write(request())
                assert (await call.read()).type_url == Kind.CLUSTERS.value

    asyncio.run(scene())


def test_who_does_not_answer_is_cut_off_with_a_clear_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "ANSWERS", 0.2)

    async def scene() -> None:
        of = world()
        async with running(of):
            await until(lambda: of.events("discovery_serves"))
            async with stream(of) as call:
                await call.write(request(node={"id": "slow"}))
                await call.read()
                code, text = await status_of(call)
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert text.startswith("no answer to clusters for")
            (event,) = of.events("discovery_cut")
            assert (event["client"], event["why"]) == ("slow", text)

    asyncio.run(scene())


def test_who_asks_for_too_much_is_cut_off_with_a_clear_status() -> None:
    async def scene() -> None:
        of = world()
        async with running(of):
            await until(lambda: of.events("discovery_serves"))
            for first in (True, False):
                async with stream(of) as call:
                    if not first:
                        await call.write(request())
                        await call.read()
                    await ask(call, request(Kind.ROUTES, *(f"n{n}" for n in range(session.MOST_NAMES + 1))))
                    code, text = await status_of(call)
                assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
                assert text == "the client asks for 10001 routes, 10000 are served"

    asyncio.run(scene())


def test_more_clients_than_are_served_are_turned_away_with_a_clear_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STREAMS", 1)

    async def scene() -> None:
        of = world()
        async with running(of):
            await until(lambda: of.events("discovery_serves"))
            async with stream(of) as call:
                await call.write(request())
                await call.read()
                async with stream(of) as other:
                    await ask(other, request())
                    code, text = await status_of(other)
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert text == "1 clients are connected; come back later"

    asyncio.run(scene())


def test_one_version_that_many_refuse_is_said_a_few_times_and_counted() -> None:
    async def scene() -> None:
        of = world()
        async with running(of) as made:
            await until(lambda: of.events("discovery_serves"))
            calls = []
            for number in range(8):
                context = stream(of)
                call = await context.__aenter__()
                calls.append((context, call))
                await call.write(request(node={"id": f"n{number}"}))
                first = await call.read()
                await call.write(request(response_nonce=first.nonce, error_detail={"message": "a\nb"}))
            shown = made.shown
            await until(lambda: (status := shown()) and "8 clients refused what was sent" in status.problem)
            status = shown()
            assert status is not None
            assert not status.synced
            assert status.items["client n0"]["why"] == "a b"
            assert (status.items["*"]["refusing"], status.items["*"]["refusals"]) == (8, 8)
            assert len(of.events("discovery_rejected")) == 5
            for context, _ in calls:
                await context.__aexit__(None, None, None)

    asyncio.run(scene())


# -- where it listens -------------------------------------------------------------------------------------------


def test_an_address_that_is_taken_is_said_and_tried_again() -> None:
    async def scene() -> None:
        of = world()
        assert of.discovery is not None
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", int(of.discovery.listen.rpartition(":")[2])))
            taken.listen()
            async with running(of) as made:
                await until(lambda: of.events("discovery_closed"))
                shown = made.shown()
                assert shown is not None
                assert not shown.synced
                assert of.discovery.listen in shown.problem
                taken.close()
                await until(lambda: of.events("discovery_serves"))
                assert len(of.events("discovery_closed")) == 1

    asyncio.run(scene())


def test_it_follows_the_intent_to_another_address_and_ends_with_it() -> None:
    async def scene() -> None:
        of = world()
        assert of.discovery is not None
        async with running(of) as made:
            await until(lambda: of.events("discovery_serves"))
            other = replace(of.discovery, listen=f"127.0.0.1:{_free_port()}")
            of.discovery = other
            of.change()
            await until(lambda: len(of.events("discovery_serves")) == 2)
            async with stream(of) as call:
                await call.write(request())
                await call.read()
            of.discovery = None
            of.change()
            await until(lambda: made.shown() is None)
            of.discovery = other
            of.change()
            await until(lambda: len(of.events("discovery_serves")) == 3)
            of.discovery = None
            of.change()
            await until(lambda: made.shown() is None and _is_free(other.listen))

    asyncio.run(scene())


def test_with_an_authority_clients_need_a_certificate_of_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ours = authority.sign("discovery", "127.0.0.1", role=Role.SERVER)
    theirs = authority.sign("client", role=Role.VIEWER)
    roots = Path(ours.ca).read_bytes()
    shows = grpc.ssl_channel_credentials(roots, Path(theirs.key).read_bytes(), Path(theirs.cert).read_bytes())
    hides = grpc.ssl_channel_credentials(roots)

    async def asks(of: World, credentials: Any) -> grpc.StatusCode | None:
        async with stream(of, credentials) as call:
            try:
                await call.write(request())
                await call.read()
            except grpc.aio.AioRpcError as error:
                return error.code()
            return None

    async def scene(ca: str | None) -> list[object]:
        of = world(tls=DiscoveryTls(str(ours.cert), str(ours.key), ca))
        async with running(of):
            await until(lambda: of.events("discovery_serves"))
            return [await asks(of, each) for each in (shows, hides, None)]

    away = grpc.StatusCode.UNAVAILABLE
    assert asyncio.run(scene(str(ours.ca))) == [None, away, away]
    assert asyncio.run(scene(None)) == [None, None, away]


def test_a_certificate_that_is_not_there_is_said(tmp_path: Path) -> None:
    async def scene() -> None:
        of = world(tls=DiscoveryTls(str(tmp_path / "cert"), str(tmp_path / "key")))
        async with running(of):
            await until(lambda: of.events("discovery_closed"))
            (event,) = of.events("discovery_closed")
            assert event["why"].startswith(f"discovery.tls.cert {tmp_path}/cert: No such file")

    asyncio.run(scene())
