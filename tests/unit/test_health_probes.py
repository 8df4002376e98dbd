"""What each kind of probe finds out, asked of real servers on loopback."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from controller.health import icmp, web
from controller.health.attempt import LINGER_0
from controller.health.engine import Engine
from controller.health.result import Outcome
from controller.health.targets import Probe
from controller.spec.health import ProbeKind

LIMIT = 30.0
"""Seconds after which a test gives up; nothing is expected to come near."""
CLONE_NEWNET = 0x40000000

# Self-signed, for backend.example and 127.0.0.1, valid 2020 to 2120; it serves these tests only.
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgQlzb4iBfdVZMQ2za
EZn4ohtQ9IP2QnFMfnjiZFrS0cShRANCAAT3g3VsXv61RWQ1oZF9v25EZtNPhhYd
SVaImYgWghUpZmBKc9ZxcrIXWxmSE/NOj0yEts2g3lTvK+t5lozmggiO
-----END PRIVATE KEY-----
"""
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBizCCATKgAwIBAgIUeV6djefpsiG0kfXzUsTlvnoow1gwCgYIKoZIzj0EAwIw
GjEYMBYGA1UEAwwPYmFja2VuZC5leGFtcGxlMCAXDTIwMDEwMTAwMDAwMFoYDzIx
MjAwMTAxMDAwMDAwWjAaMRgwFgYDVQQDDA9iYWNrZW5kLmV4YW1wbGUwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAAT3g3VsXv61RWQ1oZF9v25EZtNPhhYdSVaImYgW
ghUpZmBKc9ZxcrIXWxmSE/NOj0yEts2g3lTvK+t5lozmggiOo1QwUjAgBgNVHREE
GTAXgg9iYWNrZW5kLmV4YW1wbGWHBH8AAAEwDwYDVR0TAQH/BAUwAwEB/zAdBgNV
HQ4EFgQUhWfzxWnBPj3r7nPvTaekwcxkiKowCgYIKoZIzj0EAwIDRwAwRAIgaIJ9
v5JQ5diMei4I+q/JFULkQhkXR5ueoSxSpLSmRb0CIFgQXLUoimwy3zh1Z4Hs+xK8
bds18ZhoFtx4AyRQt8tj
-----END CERTIFICATE-----
"""

T = TypeVar("T")
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Answer = tuple[Outcome, str]


def run(main: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(main, LIMIT))


def probe(
    kind: ProbeKind, port: int, address: str = "127.0.0.1", timeout: float = 10.0, **more: Any
) -> Probe:
    return Probe(kind, ip_address(address), port, interval=0.05, timeout=timeout, **more)


def until(engine: Engine, enough: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not enough():
        assert time.monotonic() < end
        engine.turn(time.monotonic() + 0.05)


async def ask(question: Probe) -> Answer:
    """The first result, from an engine in a thread of its own."""

    def work() -> Answer:
        engine = Engine(64)
        engine.add(1, question)
        until(engine, lambda: bool(engine.results))
        ident, outcome, reason, started, finished = engine.results[0]
        assert ident == 1
        assert started <= finished
        return Outcome(outcome), reason

    return await asyncio.to_thread(work)


@asynccontextmanager
async def serving(
    handler: Handler, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    async def safely(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(safely, address, 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]


def http(answer: bytes, seen: list[bytes] | None = None, pieces: int = 1) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(head)
        size = -(-len(answer) // pieces)
        for start in range(0, len(answer), size):
            writer.write(answer[start : start + size])
            await writer.drain()
            await asyncio.sleep(0)

    return handle


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def closed_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(type=kind) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
PASS = (Outcome.PASS, "")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_tcp_passes_when_somebody_listens(address: str) -> None:
    async def main() -> Answer:
        async with serving(silent, address) as port:
            return await ask(probe(ProbeKind.TCP, port, address))

    assert run(main()) == PASS


def test_tcp_fails_when_nobody_listens() -> None:
    assert run(ask(probe(ProbeKind.TCP, closed_port()))) == (Outcome.FAIL, "connect refused")


def test_tcp_fails_in_time_when_nobody_answers() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for client in (first, second):  # the queue has no room left: the next SYN is not answered
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        answer = run(ask(probe(ProbeKind.TCP, full.getsockname()[1], timeout=0.1)))
    assert answer == (Outcome.FAIL, "timeout after 100 ms while connecting")


def test_running_out_of_sockets_is_not_the_servers_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> socket.socket:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "SocketType", none_left)
    assert run(ask(probe(ProbeKind.TCP, 9))) == (Outcome.LOCAL, "cannot probe: too many open files")


def in_a_namespace(work: Callable[[], T]) -> T:
    """What ``work`` returns in a network namespace of its own, in which there is no route."""

    def enter_and_work() -> T:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        return work()

    # A thread of its own: it never comes back from the namespace.
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(enter_and_work).result(LIMIT)


@pytest.mark.needs_root
@pytest.mark.parametrize(
    ("route", "why"),
    [
        ("", "network unreachable"),
        ("unreachable", "no route to host"),
        ("prohibit", "permission denied"),
        ("blackhole", "invalid argument"),
    ],
)
@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
@pytest.mark.parametrize("kind", list(ProbeKind))
def test_a_missing_route_is_no_evidence_against_a_server(
    kind: ProbeKind, address: str, route: str, why: str
) -> None:
    def work() -> tuple[int, str]:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        if route:
            version = "-6" if ":" in address else "-4"
            subprocess.run(["ip", version, "route", "add", route, "default"], check=True)
        engine = Engine(64)
        engine.add(1, probe(kind, 80, address, send=b"x" if kind is ProbeKind.UDP else b""))
        until(engine, lambda: bool(engine.results))
        return engine.results[0][1:3]

    assert in_a_namespace(work) == (Outcome.LOCAL, f"cannot probe: {why}")


HTTP_ROWS = [
    pytest.param({}, OK, PASS, id="plain"),
    pytest.param({"body": "h.llo$"}, OK, PASS, id="body matches"),
    pytest.param(
        {"body": "bye"}, OK, (Outcome.FAIL, "body does not contain 'bye'"), id="body does not match"
    ),
    pytest.param(
        {},
        b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
        (Outcome.FAIL, "status 503 not in 200-399"),
        id="status",
    ),
    pytest.param(
        {"statuses": ((200, 200), (301, 308))},
        b"HTTP/1.1 204 No\r\n\r\n",
        (Outcome.FAIL, "status 204 not in 200, 301-308"),
        id="status set",
    ),
    pytest.param(
        {"body": "grüß"},
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\ngr\xc3\r\n4\r\n\xbc\xc3\x9f!\r\n0\r\n\r\n",
        PASS,
        id="chunked utf-8",
    ),
    pytest.param({}, b"garbage\r\n\r\n", (Outcome.FAIL, "not an HTTP/1 response"), id="garbage"),
    pytest.param({}, b"", (Outcome.FAIL, "closed without response"), id="closed at once"),
    pytest.param({"body": "x"}, OK[:-2], (Outcome.FAIL, "closed within the body"), id="cut short"),
    pytest.param(
        {"body": "end"}, b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 60_000 + b"end", PASS, id="until close"
    ),
    pytest.param(
        {"body": "end"},
        b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 70_000 + b"end",
        (Outcome.FAIL, "body does not contain 'end'"),
        id="match beyond 64 KiB",
    ),
    pytest.param({"body": "hello"}, OK.replace(b"\r\n", b"\n"), PASS, id="bare line feeds"),
]


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize(("more", "answer", "expected"), HTTP_ROWS)
def test_http_judges_status_and_body(
    more: dict[str, Any], answer: bytes, expected: Answer, pieces: int
) -> None:
    async def main() -> Answer:
        async with serving(http(answer, pieces=pieces)) as port:
            return await ask(probe(ProbeKind.HTTP, port, **more))

    assert run(main()) == expected


def resetting(answer: bytes, reads: bool) -> tuple[int, threading.Thread]:
    """A server of one connection that resets it after its answer; it ``reads`` the request first, or not at all."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listening:
            connection, _ = listening.accept()
        if reads:
            connection.recv(65536)
        connection.sendall(answer)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    return listening.getsockname()[1], thread


RESET_ROWS = [
    pytest.param({}, OK, PASS, id="whole head"),
    pytest.param({"body": "hello"}, OK, PASS, id="whole body"),
    pytest.param(
        {"body": "hello"}, b"HTTP/1.0 200 OK\r\n\r\nhello", PASS, id="body that ends with the connection"
    ),
    pytest.param({"body": "hello"}, OK[:-1], (Outcome.FAIL, "connection reset"), id="cut short"),
    pytest.param({}, b"", (Outcome.FAIL, "connection reset"), id="no answer"),
]


@pytest.mark.parametrize("reads", [True, False], ids=["asked", "unasked"])
@pytest.mark.parametrize(("more", "answer", "expected"), RESET_ROWS)
def test_a_reset_after_a_whole_answer_takes_nothing_back(
    more: dict[str, Any], answer: bytes, expected: Answer, reads: bool
) -> None:
    port, thread = resetting(answer, reads)
    engine = Engine(64)
    engine.add(1, probe(ProbeKind.HTTP, port, **more))
    if not reads:
        # The reset is there before the prober looks at its connection for the first time.
        engine.turn(time.monotonic() + 0.05)
        until(engine, lambda: engine.sockets > 0 or bool(engine.results))
        thread.join(LIMIT)
    until(engine, lambda: bool(engine.results))
    thread.join(LIMIT)
    outcome, reason = engine.results[0][1:3]
    assert (outcome, reason.partition(" while ")[0]) == expected


def test_http_sends_path_and_host_over_ipv6() -> None:
    seen: list[bytes] = []

    async def main() -> Answer:
        async with serving(http(OK, seen), "::1") as port:
            return await ask(probe(ProbeKind.HTTP, port, "::1", path="/healthz?a=b", host="shop.example"))

    assert run(main()) == PASS
    assert seen[0].startswith(b"GET /healthz?a=b HTTP/1.1\r\nHost: shop.example\r\n")


def test_http_says_what_a_timeout_interrupted() -> None:
    async def main() -> Answer:
        async with serving(silent) as port:
            return await ask(probe(ProbeKind.HTTP, port, timeout=0.2))

    assert run(main()) == (Outcome.FAIL, "timeout after 200 ms while waiting for the response")


@pytest.mark.parametrize(
    ("more", "trusted", "expected", "name"),
    [
        pytest.param({}, False, PASS, None, id="unverified"),
        pytest.param({"host": "other.example:8443"}, False, PASS, "other.example", id="server name sent"),
        pytest.param({"verify": True}, True, PASS, None, id="verified address"),
        pytest.param({"verify": True, "host": "backend.example"}, True, PASS, "backend.example", id="name"),
        pytest.param(
            {"verify": True, "host": "other.example"},
            True,
            "TLS certificate: Hostname mismatch",
            "other.example",
            id="wrong name",
        ),
        pytest.param(
            {"verify": True}, False, "TLS certificate: self-signed certificate", None, id="not trusted"
        ),
    ],
)
def test_https_verifies_only_when_told_and_sends_the_name(
    more: dict[str, Any],
    trusted: bool,
    expected: Answer | str,
    name: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "key.pem").write_text(KEY)
    (tmp_path / "cert.pem").write_text(CERTIFICATE)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    web._context.cache_clear()
    names: list[str | None] = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    tls.sni_callback = lambda _sock, sent, _context: names.append(sent)

    async def main() -> Answer:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # refused handshakes are wanted
        async with serving(http(OK), tls=tls) as port:
            return await ask(probe(ProbeKind.HTTPS, port, body="hello", **more))

    got = run(main())
    web._context.cache_clear()
    assert names[0] == name
    if isinstance(expected, str):
        assert got[0] is Outcome.FAIL
        assert got[1].startswith(expected)
    else:
        assert got == expected


def test_https_of_a_plain_server_fails_as_tls() -> None:
    async def main() -> Answer:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example ESMTP\r\n")
            await reader.read()

        async with serving(greet) as port:
            return await ask(probe(ProbeKind.HTTPS, port))

    assert run(main()) == (Outcome.FAIL, "TLS: wrong version number")


class Echo(asyncio.DatagramProtocol):
    """Answers with what ``answer`` makes of a request; None: not at all."""

    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        self.answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        answer = self.answer(data)
        if answer is not None:
            self.transport.sendto(answer, addr)


@asynccontextmanager
async def answering(answer: Callable[[bytes], bytes | None], address: str) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Echo(answer), (address, 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"send": b"ping"}, PASS),
        ({}, PASS),
        ({"send": b"ping", "expect": b"pi"}, PASS),
        ({"send": b"ping", "expect": b"po"}, (Outcome.FAIL, "response b'ping' does not begin with b'po'")),
        (
            {"send": b"drop", "timeout": 0.1},
            (Outcome.FAIL, "timeout after 100 ms while waiting for the response"),
        ),
    ],
)
def test_udp_judges_the_response(more: dict[str, Any], expected: Answer, address: str) -> None:
    async def main() -> Answer:
        async with answering(lambda data: None if data == b"drop" else data or b"pong", address) as port:
            return await ask(probe(ProbeKind.UDP, port, address, **more))

    assert run(main()) == expected


def test_udp_fails_at_once_when_the_port_is_unreachable() -> None:
    answer = run(ask(probe(ProbeKind.UDP, closed_port(socket.SOCK_DGRAM), send=b"x")))
    assert answer == (Outcome.FAIL, "port unreachable")


@pytest.mark.needs_root
@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
def test_icmp_passes_when_the_host_answers(address: str) -> None:
    assert run(ask(probe(ProbeKind.ICMP, 0, address))) == PASS


def test_icmp_without_permission_says_so_and_blames_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> socket.socket:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(icmp.EchoSocket, "_open", staticmethod(refused))
    assert run(ask(probe(ProbeKind.ICMP, 0))) == (Outcome.LOCAL, icmp.NOT_PERMITTED)


def test_open_sockets_stay_within_the_limit_and_everyone_gets_a_turn() -> None:
    async def main() -> tuple[int, set[int]]:
        async with answering(lambda data: None, "127.0.0.1") as port:

            def work() -> tuple[int, set[int]]:
                engine, most = Engine(max_open=2), 0
                for ident in range(8):
                    engine.add(ident, probe(ProbeKind.UDP, port, timeout=0.05, send=bytes([ident])))

                def enough() -> bool:
                    nonlocal most
                    most = max(most, engine.sockets)
                    return len({record[0] for record in engine.results}) == 8

                until(engine, enough)
                return most, {record[1] for record in engine.results}

            return await asyncio.to_thread(work)

    assert run(main()) == (2, {Outcome.FAIL})


def test_time_lost_by_the_prober_is_not_held_against_the_server() -> None:
    async def main() -> int:
        async with serving(http(OK)) as port:

            def work() -> int:
                engine = Engine(64)
                engine.add(1, probe(ProbeKind.HTTP, port, timeout=1.0))
                until(engine, lambda: engine.sockets == 1)
                time.sleep(1.5)
                until(engine, lambda: bool(engine.results))
                return engine.results[0][1]

            return await asyncio.to_thread(work)

    assert run(main()) == Outcome.PASS
