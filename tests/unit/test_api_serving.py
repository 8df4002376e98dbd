"""Where the API listens, who may ask, and what it says while it does not serve."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from controller.api.calls import Rates
from controller.api.errors import Reason, Refused
from controller.api.listening import ListenError, Where
from controller.api.server import ApiServer
from controller.api.v1 import service_pb2 as api
from controller.client import ApiError, AsyncClient, Client, Tls
from controller.clock import SystemClock
from controller.core.journal import Journal
from controller.security.credentials import Credentials, Paths
from tests.fakes import core
from tests.fakes.api import played, served
from tests.fakes.certificates import Authority
from tests.fakes.core import Said

PAIR = core.loaded("pair")
S1 = "pools/web/backends/s1"
ROOT = Path(__file__).parents[2]


def server(where: Where) -> ApiServer:
    return ApiServer(where, Journal(Said()), SystemClock())


async def refused(call: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await call
    return caught.value


def test_the_socket_is_for_its_owner_alone_however_long_its_path(tmp_path: Path) -> None:
    async def play() -> None:
        folder = tmp_path / ("x" * 120)
        folder.mkdir()
        async with served(folder) as face:
            assert len(str(face.socket)) > 107
            assert stat.S_IMODE(face.socket.stat().st_mode) == 0o600
            assert (await face.client.get_document()).revision == 0
        assert not face.socket.exists()
        assert os.umask(0o22) == 0o22

    played(play)


def test_the_socket_of_a_killed_controller_is_replaced_and_other_files_are_not(tmp_path: Path) -> None:
    async def play() -> None:
        path = tmp_path / "api.sock"
        path.write_text("a file")
        with pytest.raises(ListenError, match="is no socket; remove it"):
            await server(Where(path)).start()
        path.unlink()
        first = server(Where(path))
        await first.start()
        async with served(tmp_path) as face:
            assert (await face.client.get_document()).revision == 0
        await first.stop()

    played(play)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("10.0.0.1:7450", "give --api-cert, --api-key and --api-ca"),
        ("0.0.0.0:7450", "give --api-cert, --api-key and --api-ca"),
        ("[::]:7450", "give --api-cert, --api-key and --api-ca"),
        ("localhost:7450", "write ADDRESS:PORT"),
        ("127.0.0.1", "write ADDRESS:PORT"),
        ("::1:7450", "write ADDRESS:PORT"),
        ("127.0.0.1:70000", "write ADDRESS:PORT"),
    ],
)
def test_an_address_that_others_reach_needs_certificates(tmp_path: Path, address: str, text: str) -> None:
    with pytest.raises(ListenError, match=text):
        Where(tmp_path / "s", address).check()


def test_certificates_are_renewed_without_a_restart(tmp_path: Path) -> None:
    async def play() -> None:
        old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
        mine, theirs = old.sign("api", "127.0.0.1"), old.sign("ops")
        where = Where(tmp_path / "api.sock", "127.0.0.1:0", Credentials(Paths(mine.cert, mine.key, mine.ca)))
        listening = server(where)
        await listening.start()
        try:
            address = f"127.0.0.1:{listening.port}"
            async with AsyncClient(address, Tls(theirs.ca, theirs.cert, theirs.key), timeout=0.2) as client:
                assert (await refused(client.get_document())).reason == "STARTING"
            fresh, later = new.sign("api", "127.0.0.1"), new.sign("ops")
            for path, made in ((mine.cert, fresh.cert), (mine.key, fresh.key), (mine.ca, fresh.ca)):
                path.write_bytes(made.read_bytes())
            async with AsyncClient(address, Tls(later.ca, later.cert, later.key), timeout=0.2) as client:
                assert (await refused(client.get_document())).reason == "STARTING"
        finally:
            await listening.stop()

    played(play)


def test_one_that_stands_by_names_the_leader(tmp_path: Path) -> None:
    async def play() -> None:
        waiting = server(Where(tmp_path / "waiting.sock"))
        await waiting.start()
        try:
            async with AsyncClient(f"unix:{tmp_path}/waiting.sock", timeout=0.1) as client:
                nobody = await refused(client.get_document())
                assert (nobody.code, nobody.reason) == (grpc.StatusCode.UNAVAILABLE, "STARTING")
                waiting.leader = lambda: "east-1"
                standby = await refused(client.get_document())
                assert (standby.code, standby.reason) == (grpc.StatusCode.UNAVAILABLE, "NOT_LEADING")
                assert standby.metadata == {"leader": "east-1"}
                assert (await refused(anext(client.watch(resume=False)))).reason == "NOT_LEADING"
            async with served(tmp_path, intent=PAIR) as face:  # a client that knows both finds the leader
                addresses = [f"unix:{tmp_path}/waiting.sock", f"unix:{face.socket}"]
                async with AsyncClient(addresses) as client:
                    assert (await client.get("pools/web")).pool.name == "web"
                    position = (await anext(client.watch())).position
                    assert position is not None
        finally:
            await waiting.stop()

    played(play)


def test_a_watch_ends_with_its_controller(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            stream = face.client.watch(resume=False)
            while (await anext(stream)).WhichOneof("news") != "bookmark":
                pass
            ended = asyncio.create_task(refused(anext(stream)))
            await asyncio.sleep(0)
            face.server._served.watches.close()  # type: ignore[union-attr]
            assert (await ended).code is grpc.StatusCode.UNAVAILABLE

    played(play)


def test_health_reflection_and_channelz_answer(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path) as face, grpc.aio.insecure_channel(f"unix:{face.socket}") as channel:
            health = health_pb2_grpc.HealthStub(channel)
            for name in ("", "evenkeel.v1.IntentService"):
                answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
            asked = reflection_pb2.ServerReflectionRequest(list_services="")
            reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
            async for each in reflection.ServerReflectionInfo(iter([asked])):
                names = {row.name for row in each.list_services_response.service}
                assert {"evenkeel.v1.IntentService", "evenkeel.v1.StatusService"} <= names
                break
            servers = await channelz_pb2_grpc.ChannelzStub(channel).GetServers(
                channelz_pb2.GetServersRequest()
            )
            assert servers.server

    played(play)


def test_a_peer_that_calls_too_often_is_told_when_to_come_again() -> None:
    clock = core.SetClock()
    rates = Rates(clock, rate=10, burst=3)
    peer, other = ("", "ipv4:10.0.0.1:5000"), ("", "ipv4:10.0.0.2:5000")
    for _ in range(3):
        rates.take(*peer)
    with pytest.raises(Refused) as caught:
        rates.take("", "ipv4:10.0.0.1:5001")
    assert (caught.value.code, caught.value.retry_in) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 0.1)
    rates.take(*other)
    clock.time += 0.1
    rates.take(*peer)


def test_a_deadline_is_kept(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            proposals = face.server._served.proposals  # type: ignore[union-attr]
            async with face.app.state._busy:  # a store that takes its time
                late = await refused(face.client.set_weights({S1: 3}, timeout=0.2))
            assert late.code is grpc.StatusCode.DEADLINE_EXCEEDED
            await face.client.set_weights({S1: 4})
            assert proposals.proposed >= 2

    played(play)


def test_the_client_without_asyncio_does_the_same(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:

            def use() -> list[str]:
                with Client(f"unix:{face.socket}") as client:
                    assert client.set_weights({S1: 3}).changed == 2
                    assert client.get(S1).backend.weight == 3
                    assert [each.name for each in client.list(api.KIND_SITE)] == ["sites/east"]
                    with pytest.raises(ApiError, match="NOT_FOUND: there is no"):
                        client.get("pools/none")
                    stream = client.watch(kinds=[api.KIND_SITE])
                    found = [str(next(stream).WhichOneof("news")) for _ in range(3)]
                    stream.close()  # type: ignore[attr-defined]
                    list(client.timeline())
                    return found

            assert await asyncio.to_thread(use) == ["reset", "put", "bookmark"]

    played(play)


def test_details_are_those_of_google() -> None:
    """In a process of its own: another library here brings google.rpc along as well."""
    text = """
from google.rpc import error_details_pb2, status_pb2
from controller.api.v1 import details_pb2
for name, kind in details_pb2.DESCRIPTOR.message_types_by_name.items():
    google = getattr(status_pb2, name, None) or getattr(error_details_pb2, name)
    def fields(of):
        return [(f.name, f.number, f.type, f.is_repeated, f.message_type and f.message_type.name) for f in of.fields]
    assert set(fields(kind)) <= set(fields(google.DESCRIPTOR)), name
    for inner in kind.nested_types:
        assert set(fields(inner)) <= set(fields(google.DESCRIPTOR.nested_types_by_name[inner.name])), inner.name
print(len(details_pb2.DESCRIPTOR.message_types_by_name))
"""
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("6", "")


def test_the_client_needs_nothing_else_of_the_controller() -> None:
    text = """
import sys
import controller.client
ours = {name for name in sys.modules if name.split(".")[0] in ("controller", "flows", "p4src", "topo")}
print(sorted(name for name in ours if not name.startswith(("controller.client", "controller.api.v1"))))
outside = {"numba", "numpy", "finsy", "os_ken", "pydantic", "yaml", "ruamel"} & {n.split(".")[0] for n in sys.modules}
print(sorted(outside))
"""
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "['controller', 'controller.api']\n[]\n"


def test_every_reason_is_in_the_docs() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `") and line.count("|") == 4]
    listed = [row[1].strip(" `") for row in rows if row[2].strip(" `") in grpc.StatusCode.__members__]
    assert listed == [reason.value for reason in Reason]
