"""Certificates change without a restart: new connections get the new one, old ones live on."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from controller.security.certificates import Named, Role, Subject, named_in
from controller.security.credentials import (
    Credentials,
    Options,
    Paths,
    certificate_ends,
    credentials,
    not_a,
    peer_of,
)
from controller.security.errors import CredentialsError
from controller.security.pki import Pki

WITHIN = 20.0


class Party:
    """One authority, a server and a client of it."""

    def __init__(self, folder: Path, name: str = "one") -> None:
        self.pki = Pki(folder / name, datetime.now(UTC))
        self.pki.init(name)
        self.pki.issue(Subject("server", Role.CONTROLLER, ("127.0.0.1",)))
        self.pki.issue(Subject("alice", Role.OPERATOR))

    def paths(self, name: str) -> Paths:
        folder = self.pki.folder
        return Paths(folder / f"{name}.pem", folder / f"{name}.key", folder / "ca.pem")

    def serial(self, name: str) -> int:
        return self.pki.show(name).certificate.serial_number


@pytest.fixture
def party(tmp_path: Path) -> Party:
    return Party(tmp_path)


Call = Callable[[grpc.aio.Channel], Awaitable[bytes]]


async def who(channel: grpc.aio.Channel) -> bytes:
    answer = await channel.unary_unary("/test.Test/Who")(b"", timeout=WITHIN)
    assert isinstance(answer, bytes)
    return answer


@asynccontextmanager
async def grpc_server(of: Credentials) -> AsyncIterator[int]:
    """Answers with the name and role of its client."""

    async def answer(_request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        peer = peer_of(context.auth_context())
        return f"{peer.name} {peer.role}".encode() if peer else b"nobody"

    handler = {"Who": grpc.unary_unary_rpc_method_handler(answer)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", handler),))
    port = server.add_secure_port("127.0.0.1:0", of.grpc_server())
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


def shown(port: int, client: Credentials) -> int:
    """Serial number of the certificate that a listener shows now."""
    with (
        socket.create_connection(("127.0.0.1", port), WITHIN) as plain,
        client.client_context().wrap_socket(plain, server_hostname="127.0.0.1") as stream,
    ):
        found = stream.getpeercert()
        assert found is not None
        return int(str(found["serialNumber"]), 16)


def channel(port: int, of: Credentials) -> grpc.aio.Channel:
    options = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.secure_channel(f"127.0.0.1:{port}", of.grpc_channel(), options)


def test_grpc_new_connections_get_the_new_certificate_and_old_ones_live_on(party: Party) -> None:
    async def body() -> None:
        server, client = Credentials(party.paths("server")), Credentials(party.paths("alice"))
        async with grpc_server(server) as port, channel(port, client) as old:
            assert await who(old) == b"alice operator"
            first = party.serial("server")
            assert await asyncio.to_thread(shown, port, client) == first
            party.pki.renew("server", new_key=True)
            assert await asyncio.to_thread(shown, port, client) == party.serial("server") != first
            assert old.get_state() is grpc.ChannelConnectivity.READY
            assert await who(old) == b"alice operator"
            async with channel(port, client) as new:
                assert await who(new) == b"alice operator"

    asyncio.run(body())


def _trust(party: Party, *others: Party) -> None:
    """Have the party's server take certificates of these authorities and of no other."""
    ca = party.pki.folder / "ca.pem"
    fresh = ca.with_name("fresh")
    fresh.write_bytes(b"".join((other.pki.folder / "ca.pem").read_bytes() for other in others))
    os.replace(fresh, ca)


def test_an_authority_that_is_taken_away_opens_nothing_any_more(party: Party, tmp_path: Path) -> None:
    """Both are trusted while one follows the other."""

    async def body() -> None:
        other = Party(tmp_path, "two")
        own = (party.pki.folder / "ca.pem").read_bytes()
        (tmp_path / "own.pem").write_bytes(own)
        alice = Paths(*[*_files(party, "alice"), tmp_path / "own.pem"])
        bob = Paths(*[*_files(other, "alice"), tmp_path / "own.pem"])
        async with grpc_server(Credentials(party.paths("server"))) as port:
            async with channel(port, Credentials(bob)) as refused:
                with pytest.raises(grpc.aio.AioRpcError):
                    await who(refused)
            _trust(party, party, other)
            async with channel(port, Credentials(bob)) as new:
                assert await who(new) == b"alice operator"
            _trust(party, other)
            async with channel(port, Credentials(alice)) as refused:
                with pytest.raises(grpc.aio.AioRpcError):
                    await who(refused)

    asyncio.run(body())


def _files(party: Party, name: str) -> tuple[Path, Path]:
    paths = party.paths(name)
    return paths.cert, paths.key


def test_a_client_without_a_certificate_is_refused(party: Party) -> None:
    async def body() -> None:
        async with grpc_server(Credentials(party.paths("server"))) as port:
            ca = (party.pki.folder / "ca.pem").read_bytes()
            for made in (
                grpc.aio.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(ca)),
                grpc.aio.insecure_channel(f"127.0.0.1:{port}"),
            ):
                async with made as refused:
                    with pytest.raises(grpc.aio.AioRpcError) as error:
                        await who(refused)
                    assert error.value.code() is grpc.StatusCode.UNAVAILABLE

    asyncio.run(body())


@asynccontextmanager
async def stream_server(of: Credentials) -> AsyncIterator[int]:
    """Answers with the name of its client; an asyncio server, as aiohttp's is."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            writer.write(named_in(writer.get_extra_info("peercert")).name.encode() + b"\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=of.server_context())
    async with server:
        yield server.sockets[0].getsockname()[1]


def test_a_context_follows_the_files_too(party: Party, tmp_path: Path) -> None:
    async def body() -> None:
        client = Credentials(party.paths("alice"))
        async with stream_server(Credentials(party.paths("server"))) as port:
            context = client.client_context()
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            assert await asyncio.to_thread(shown, port, client) == party.serial("server")
            party.pki.renew("server", new_key=True)
            assert await asyncio.to_thread(shown, port, client) == party.serial("server")
            writer.write(b"who\n")
            assert await asyncio.wait_for(reader.readline(), WITHIN) == b"alice\n"
            assert await asyncio.to_thread(_ask, port, context) == b"alice\n"
            _trust(party, Party(tmp_path, "two"))
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.to_thread(_ask, port, context)
            writer.write(b"who\n")
            assert await asyncio.wait_for(reader.readline(), WITHIN) == b"alice\n"
            writer.close()

    asyncio.run(body())


def _ask(port: int, context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", port), WITHIN) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as stream,
    ):
        stream.sendall(b"who\n")
        heard = stream.recv(100)  # with TLS 1.3 a client hears here that its certificate is not taken
        if not heard:
            raise ConnectionResetError
        return heard


def test_files_that_do_not_fit_are_reported_once_and_not_used(party: Party) -> None:
    problems: list[str] = []
    held = Credentials(party.paths("server"), Options("--c", "--k", "--a"), problems.append)
    first, key = held.current(), party.paths("server").key
    shutil.copy(party.paths("alice").key, key)
    assert [held.current() is first for _ in range(3)] == [True] * 3
    (problem,) = problems
    assert problem.startswith(f"--k {key}: is not the key of --c ")
    assert problem.endswith("; the former certificate stays in use")
    key.unlink()
    assert held.current() is first
    assert held.current() is first
    assert problems[1:] == [f"--k {key}: No such file or directory; give a readable PEM file; "
                            "the former certificate stays in use"]  # fmt: skip
    shutil.copy(party.paths("alice").cert, party.paths("server").cert)
    shutil.copy(party.paths("alice").key, key)
    assert held.current().cert == party.paths("alice").cert.read_bytes()
    assert len(problems) == 2


def _spoil(paths: Paths, how: str) -> None:
    match how:
        case "no key":
            paths.key.unlink()
        case "open key":
            paths.key.chmod(0o644)
        case "no pem":
            paths.cert.write_text("hello")
        case "no ca":
            paths.ca.write_text("")


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("no key", r"--key \S+/server\.key: No such file or directory"),
        ("open key", r"--key \S+/server\.key: others can read or write it \(mode 0644\); chmod 600"),
        ("no pem", r"--cert \S+/server\.pem: holds no certificate in PEM"),
        ("no ca", r"--ca \S+/ca\.pem: holds no certificate in PEM"),
    ],
)
def test_files_that_cannot_be_used_are_named(party: Party, how: str, says: str) -> None:
    paths = party.paths("server")
    _spoil(paths, how)
    with pytest.raises(CredentialsError, match=says):
        Credentials(paths)


def test_all_three_options_or_none(party: Party) -> None:
    paths, options = party.paths("server"), Options("--switch-cert", "--switch-key", "--switch-ca")
    assert credentials(None, None, None, options) is None
    with pytest.raises(CredentialsError, match="--switch-ca: missing; TLS needs all of --switch-cert"):
        credentials(paths.cert, paths.key, None, options)
    made = credentials(paths.cert, paths.key, paths.ca, options)
    assert made is not None
    assert made.current().key == paths.key.read_bytes()


def test_a_key_is_not_shown(party: Party) -> None:
    held = Credentials(party.paths("server"))
    assert "PRIVATE" not in repr(held.current())


@pytest.mark.parametrize(
    ("shown_as", "fits"),
    [
        (Named("lb1", True, Role.SWITCH), True),
        (Named("lb1", False, None), True),
        (Named("alice", True, Role.ADMIN), False),
        (Named("alice", True, None), False),
    ],
)
def test_a_certificate_of_ours_is_good_for_its_role_alone(shown_as: Named, fits: bool) -> None:
    assert (not_a(Role.SWITCH, shown_as) is None) is fits


def test_when_certificates_end_is_known_for_as_long_as_they_are_used(party: Party, tmp_path: Path) -> None:
    paths = party.paths("server")
    of = Credentials(paths, Options("--api-cert", "--api-key", "--api-ca"))
    cert, ca = ("--api-cert", str(paths.cert)), ("--api-ca", str(paths.ca))
    ends = certificate_ends()
    assert ends[cert] == party.pki.show("server").certificate.not_valid_after_utc.timestamp()
    assert ends[ca] > ends[cert]
    Pki(party.pki.folder, datetime.now(UTC) + timedelta(days=1)).renew("server")
    of.current()
    assert certificate_ends()[cert] > ends[cert]
    del of
    gc.collect()
    assert cert not in certificate_ends()
