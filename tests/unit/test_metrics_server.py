"""The HTTP server of metrics: answers, formats, what it does for many and for slow clients; who may reach it."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from controller.metrics import exposed, server
from controller.metrics.exposed import Exposed
from controller.metrics.observations import Observations
from controller.metrics.options import NOWHERE, Options
from controller.metrics.server import served
from controller.metrics.text import OPEN, PLAIN
from tests.fakes.certificates import Authority
from tests.fakes.core import Said, SetClock, journal, until


class Lead:
    """Leadership to set."""

    def __init__(self) -> None:
        self.name, self.problem, self.until = "west", "", 0.0
        self.leader: str | None = "east"


class Shown(Exposed):
    """What a process shows that serves no switch; counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__(Observations(), SetClock(), lambda: 3)
        self.taken = 0
        self.fails = False

    def figures(self) -> Any:
        self.taken += 1
        if self.fails:
            raise RuntimeError("a defect")
        return super().figures()


Story = Callable[[Shown, int, aiohttp.ClientSession], Awaitable[None]]


def play(story: Story, said: Said | None = None, **options: Any) -> None:
    async def run() -> None:
        shown = Shown()
        book, _ = journal()
        if said is not None:
            book.sink = said
        async with (
            served(shown, book, ("127.0.0.1", 0), **options) as port,
            aiohttp.ClientSession(
                base_url=f"http://127.0.0.1:{port}",
                auto_decompress=False,
                headers={"Accept-Encoding": "identity"},
            ) as client,
        ):
            await story(shown, port, client)

    asyncio.run(asyncio.wait_for(run(), 60))


def test_answers_to_what_is_asked() -> None:
    async def story(shown: Shown, port: int, client: aiohttp.ClientSession) -> None:
        for method, path, status, text in (
            ("GET", "/healthz", 200, "alive\n"),
            ("GET", "/readyz", 503, "starts\n"),
            ("GET", "/", 404, "there are /metrics, /healthz and /readyz\n"),
            ("POST", "/metrics", 405, "only GET and HEAD are answered\n"),
            ("HEAD", "/healthz", 200, ""),
        ):
            async with client.request(method, path) as answer:
                assert (answer.status, await answer.text()) == (status, text), path

    play(story)


def test_readiness_follows_leadership() -> None:
    async def story(shown: Shown, port: int, client: aiohttp.ClientSession) -> None:
        lead = Lead()
        shown.lead = lead
        for leader, problem, status, text in (
            (None, "", 503, "starts\n"),
            ("east", "", 200, "stands by: east leads\n"),
            ("east", "no answer", 503, "the store does not answer: no answer\n"),
            ("west", "", 503, "starts\n"),
        ):
            lead.leader, lead.problem = leader, problem
            async with client.get("/readyz") as answer:
                assert (answer.status, await answer.text()) == (status, text)
        lead.leader = "east"
        async with client.get("/metrics") as answer:
            body = await answer.text()
        for line in (
            "evenkeel_leader 0",
            "evenkeel_ready 1",
            "evenkeel_lease_remaining_seconds 0.0",
            'evenkeel_standby_info{controller="west",leader="east"} 1',
            "evenkeel_events_dropped_total 3",
        ):
            assert f"\n{line}\n" in body

    play(story)


@pytest.mark.parametrize(
    ("accept", "kind", "first"),
    [
        (
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
            OPEN,
            "# TYPE evenkeel_build info",
        ),
        ("*/*", OPEN, "# TYPE evenkeel_build info"),
        ("text/plain; version=0.0.4", PLAIN, "# TYPE evenkeel_build_info gauge"),
    ],
)
def test_the_format_is_the_one_that_the_client_accepts(accept: str, kind: str, first: str) -> None:
    async def story(shown: Shown, port: int, client: aiohttp.ClientSession) -> None:
        async with client.get(
            "/metrics", headers={"Accept": accept, "Accept-Encoding": "identity"}
        ) as answer:
            assert answer.headers["Content-Type"] == kind
            assert (await answer.text()).startswith(first)
        async with client.get("/metrics", headers={"Accept": accept, "Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert gzip.decompress(await answer.read()).decode().startswith(first)

    play(story)


def test_all_who_ask_while_a_text_is_made_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = threading.Event()

    def rendered(figures: object, plain: bool) -> bytes:
        assert made.wait(30)
        return b"text"

    waiting: list[object] = []
    share = server.MetricsServer._made

    def shared(self: server.MetricsServer, form: Any) -> Any:
        waiting.append(form)
        return share(self, form)

    monkeypatch.setattr(exposed, "rendered", rendered)
    monkeypatch.setattr(server.MetricsServer, "_made", shared)

    async def story(shown: Shown, port: int, client: aiohttp.ClientSession) -> None:
        async def ask() -> bytes:
            async with client.get("/metrics") as answer:
                return await answer.read()

        asking = [asyncio.create_task(ask()) for _ in range(20)]
        await until(lambda: len(waiting) == 20, "all have asked")
        async with client.get("/healthz") as answer:
            assert answer.status == 200, "meanwhile others are answered"
        made.set()
        assert set(await asyncio.gather(*asking)) == {b"text"}
        assert shown.taken == 1

    play(story)


def test_a_slow_reader_loses_its_connection_and_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "WITHIN", 1.0)
    monkeypatch.setattr(exposed, "rendered", lambda figures, plain: bytes(1 << 26))

    async def story(shown: Shown, port: int, client: aiohttp.ClientSession) -> None:
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(slow, ("127.0.0.1", port))
            await loop.sock_sendall(slow, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: shown.taken, "it was asked")
            async with client.get("/healthz") as answer:
                assert answer.status == 200
            await asyncio.sleep(1.5 * server.WITHIN)
            received = await _rest(slow)
        length = int(received.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        assert len(received) < length, "the end came before the whole text"

    play(story)


async def _rest(connection: socket.socket) -> bytes:
    """All that still comes before the end."""
    received = b""
    with suppress(ConnectionResetError):
        while part := await asyncio.get_running_loop().sock_recv(connection, 1 << 20):
            received += part
    return received


def test_a_connection_too_many_ends_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 4)

    async def story(shown: Shown, port: int, client: aiohttp.ClientSession) -> None:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        async with client.get("/healthz") as answer:
            assert answer.status == 200
        with suppress(ConnectionResetError):
            assert await silent[0][0].read() == b""
        assert not silent[3][0].at_eof()
        for _, writer in silent:
            writer.close()

    play(story)


def test_a_defect_is_said_and_answered_and_the_next_scrape_is_served() -> None:
    said = Said()

    async def story(shown: Shown, port: int, client: aiohttp.ClientSession) -> None:
        shown.fails = True
        async with client.get("/metrics") as answer:
            assert answer.status == 500
        shown.fails = False
        async with client.get("/metrics") as answer:
            assert answer.status == 200

    play(story, said)
    assert [row["part"] for row in said.rows if row["event"] == "failure"] == ["metrics"]


def test_by_tls_only_those_with_a_certificate_read(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    ours, theirs = authority.sign("controller", "127.0.0.1"), authority.sign("prometheus")
    options = Options("0.0.0.0:9469", ours.cert, ours.key, ours.ca)

    async def story(shown: Shown, port: int, client: aiohttp.ClientSession) -> None:
        context = ssl.create_default_context(cafile=str(ours.ca))
        with pytest.raises(aiohttp.ClientError):
            async with client.get(f"https://127.0.0.1:{port}/healthz", ssl=context) as answer:
                await answer.text()
        context.load_cert_chain(theirs.cert, theirs.key)
        async with client.get(f"https://127.0.0.1:{port}/healthz", ssl=context) as answer:
            assert answer.status == 200

    play(story, tls=options.tls())


SAFE = Options("127.0.0.1:9469")


@pytest.mark.parametrize(
    ("options", "place"),
    [
        (NOWHERE, None),
        (SAFE, ("127.0.0.1", 9469)),
        (replace(SAFE, address="[::1]:1"), ("::1", 1)),
        (replace(SAFE, address="localhost:0"), ("localhost", 0)),
        (replace(SAFE, address="0.0.0.0:9469", insecure=True), ("0.0.0.0", 9469)),
        (Options("10.0.0.1:9469", Path("c"), Path("k")), ("10.0.0.1", 9469)),
    ],
)
def test_places_that_are_safe_or_allowed(options: Options, place: tuple[str, int] | None) -> None:
    assert options.place() == place


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            Options("0.0.0.0:9469"),
            "--metrics 0.0.0.0:9469: whatever reaches this address could read without TLS",
        ),
        (Options("[::]:9469"), "without TLS"),
        (Options("metrics.example:9469"), "without TLS"),
        (Options("9469"), "write ADDRESS:PORT"),
        (Options("127.0.0.1:http"), "write ADDRESS:PORT"),
        (Options("127.0.0.1:65536"), "write ADDRESS:PORT"),
        (Options("127.0.0.1:1", cert=Path("c")), "--metrics-cert and --metrics-key go together"),
        (Options("127.0.0.1:1", ca=Path("c")), "needs --metrics-cert too"),
        (Options(insecure=True), "need --metrics ADDRESS:PORT"),
    ],
)
def test_others_are_refused_with_what_would_be_right(options: Options, says: str) -> None:
    with pytest.raises(ValueError, match=r"^.*--metrics") as error:
        options.place()
    assert says in str(error.value)


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    with pytest.raises(ValueError, match=r"--metrics-cert .*none\.pem"):
        Options("0.0.0.0:1", missing, missing).tls()
