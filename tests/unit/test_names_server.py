"""A name server with its sockets: it answers while its tables change, and bears clients over TCP that do not behave."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import pytest

from controller.exits.names.serve import server as module
from controller.exits.names.serve.cookies import Cookies
from controller.exits.names.serve.keys import new_key, remove_key
from controller.exits.names.serve.limiting import Limits
from controller.exits.names.serve.server import NameServer, Options
from controller.exits.names.serve.signing import DAY
from controller.exits.names.serve.tcp import Bounds
from controller.exits.names.serve.tree import Tables
from tests.fakes.core import SetClock
from tests.unit.zones import ORIGIN, SECRET, Steered, content, question, shown, www

WITHIN = 20.0


def played(test: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(3 * WITHIN):
            await test

    asyncio.run(bounded())


class Served:
    """A name server on a free port of loopback."""

    def __init__(self, port: int, server: NameServer, clock: SetClock) -> None:
        self.port, self.server, self.clock = port, server, clock
        self.made: asyncio.Queue[Tables] = asyncio.Queue()
        server.on_tables = self.made.put_nowait

    async def put(self, **balanced: Steered) -> None:
        """Serve a content, and wait until it is."""
        self.server.put(content(False, 1, **balanced))
        await asyncio.wait_for(self.made.get(), WITHIN)

    async def udp(self, query: dns.message.Message) -> dns.message.Message:
        """Ask by UDP."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to:
            to.setblocking(False)
            to.connect(("127.0.0.1", self.port))
            to.send(query.to_wire())
            return dns.message.from_wire(await asyncio.wait_for(loop.sock_recv(to, 4096), WITHIN))

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection."""
        return await asyncio.open_connection("127.0.0.1", self.port)


def framed(query: dns.message.Message) -> bytes:
    """As it is sent over TCP."""
    octets = query.to_wire()
    return len(octets).to_bytes(2) + octets


async def taken(reader: asyncio.StreamReader) -> dns.message.Message:
    """The next answer."""
    size = int.from_bytes(await asyncio.wait_for(reader.readexactly(2), WITHIN))
    return dns.message.from_wire(await reader.readexactly(size))


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Served]:
    """Meanwhile."""
    clock = SetClock()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    chosen = Options((("127.0.0.1", port),), limits=Limits(0), **options)
    server = NameServer(chosen, Cookies(SECRET), clock)
    await server.start()
    running = asyncio.create_task(server.run())
    try:
        yield Served(port, server, clock)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await server.stop()


def test_before_it_knows_anything_it_refuses_and_then_it_answers() -> None:
    async def test() -> None:
        async with serving() as it:
            assert (await it.udp(question("www"))).rcode() == dns.rcode.REFUSED
            await it.put()
            assert shown((await it.udp(question("www"))).answer) == {"www A 198.51.100.1"}
            await it.put(www_A=Steered((www("198.51.100.7"),)))
            assert shown((await it.udp(question("www"))).answer) == {"www A 198.51.100.7"}

    played(test())


def test_many_questions_on_one_connection_are_answered_in_order() -> None:
    async def test() -> None:
        async with serving() as it:
            await it.put()
            reader, writer = await it.open()
            queries = [
                question(("www", "text", "big")[at % 3], "TXT" if at % 3 else "A") for at in range(300)
            ]
            writer.write(b"".join(framed(each) for each in queries))
            for each in queries:
                assert each.is_response(await taken(reader))
            octets = framed(question("www"))
            for octet in octets:
                writer.write(bytes((octet,)))
                await writer.drain()
            assert shown((await taken(reader)).answer) == {"www A 198.51.100.1"}
            writer.write(framed(question("text", "TXT")))
            writer.write_eof()
            assert (await taken(reader)).answer
            assert await asyncio.wait_for(reader.read(), WITHIN) == b""
            writer.close()

    played(test())


def test_a_client_that_does_not_read_waits_and_others_are_served() -> None:
    async def test() -> None:
        async with serving() as it:
            await it.put()
            reader, writer = await it.open()
            flood = 1000 * framed(question("big", "TXT"))
            writer.write(flood)
            for _ in range(20):
                assert (await it.udp(question("www"))).answer
            for _ in range(1000):
                await taken(reader)
            writer.close()

    played(test())


def test_connections_that_ask_nothing_are_closed() -> None:
    async def test() -> None:
        async with serving(bounds=Bounds(idle=0.05)) as it:
            await it.put()
            reader, writer = await it.open()
            writer.write(b"\0\x20abc")
            with suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), WITHIN) == b""
            writer.close()
            assert it.server.counters.connections == 0

    played(test())


@pytest.mark.parametrize("octets", [b"\0\0", b"\0\5hello", b"\0\x0c\0\1\x80" + bytes(9)])
def test_who_does_not_speak_dns_is_cut_off(octets: bytes) -> None:
    async def test() -> None:
        async with serving() as it:
            reader, writer = await it.open()
            writer.write(octets)
            with suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), WITHIN) == b""
            writer.close()

    played(test())


def test_with_too_many_connections_the_one_that_was_idle_for_longest_makes_room() -> None:
    async def test() -> None:
        async with serving(bounds=Bounds(connections=3, each=10)) as it:
            await it.put()
            opened = []
            for _ in range(3):
                reader, writer = await it.open()
                writer.write(framed(question("www")))
                await taken(reader)
                opened.append((reader, writer))
            opened[0][1].write(framed(question("www")))
            await taken(opened[0][0])
            reader, writer = await it.open()
            writer.write(framed(question("www")))
            assert (await taken(reader)).answer
            with suppress(ConnectionError):
                assert await asyncio.wait_for(opened[1][0].read(), WITHIN) == b""
            opened[0][1].write(framed(question("www")))
            assert (await taken(opened[0][0])).answer
            assert it.server.counters.refused == 1
            for _, each in (*opened, (reader, writer)):
                each.close()

    played(test())


def test_one_address_has_few_connections() -> None:
    async def test() -> None:
        async with serving(bounds=Bounds(each=2)) as it:
            await it.put()
            first, second = await it.open(), await it.open()
            for _, writer in (first, second):
                writer.write(framed(question("www")))
            for reader, _ in (first, second):
                await taken(reader)
            reader, third = await it.open()
            with suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), WITHIN) == b""
            for writer in (first[1], second[1], third):
                writer.close()

    played(test())


def test_how_far_a_client_is_comes_from_its_connection() -> None:
    async def test() -> None:
        async with serving() as it:
            found: list[tuple[str, float]] = []
            it.server._streams.measured = lambda host, took: found.append((host, took))
            reader, writer = await it.open()
            writer.write(framed(question("www")))
            await taken(reader)
            writer.close()
            ((host, took),) = found
            assert host == "127.0.0.1"
            assert 0 < took < WITHIN

    played(test())


def test_questions_are_answered_while_large_tables_are_made() -> None:
    """The old answer or the new one, and the turns in between are what the loop has for others."""

    async def test() -> None:
        async with serving() as it:
            await it.put()
            many = {f"n{number}_A": Steered((www("198.51.100.9"),)) for number in range(3000)}
            it.server.put(content(False, 1, www_A=Steered((www("198.51.100.9"),)), **many))
            before = 0
            while it.made.empty():
                answer = shown((await it.udp(question("www"))).answer)
                before += answer == {"www A 198.51.100.1"}
            assert before > 3
            assert shown((await it.udp(question("www"))).answer) == {"www A 198.51.100.9"}

    played(test())


def test_keys_and_time_make_other_signatures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK", 0.02)
    new_key(tmp_path, ORIGIN)

    async def test() -> None:
        async with serving(keys=tmp_path) as it:
            it.server.put(content(signed=True))
            await asyncio.wait_for(it.made.get(), WITHIN)
            first = it.server.signatures
            it.clock.unix += 8 * DAY
            await asyncio.wait_for(it.made.get(), WITHIN)
            assert it.server.signatures == 2 * first
            second = new_key(tmp_path, ORIGIN)
            await asyncio.wait_for(it.made.get(), WITHIN)
            assert it.server.signatures > 3 * first - 5
            assert len((await it.udp(question("", "DNSKEY"))).answer[0]) == 2
            (tmp_path / second.file).chmod(0o644)
            while not it.server.key_problem:
                await asyncio.sleep(0.01)
            assert "chmod 600" in it.server.key_problem
            assert len((await it.udp(question("", "DNSKEY"))).answer[0]) == 2
            (tmp_path / second.file).chmod(0o600)
            remove_key(tmp_path, ORIGIN, second.tag)
            await asyncio.wait_for(it.made.get(), WITHIN)
            assert len((await it.udp(question("", "DNSKEY"))).answer[0]) == 1
            assert not it.server.key_problem

    played(test())


def test_an_address_that_is_taken_is_named() -> None:
    async def test() -> None:
        async with serving() as it:
            other = NameServer(Options((("127.0.0.1", it.port),)), Cookies(SECRET), SetClock())
            with pytest.raises(OSError, match=f"127.0.0.1 port {it.port}: Address already in use"):
                await other.start()

    played(test())


def test_several_may_share_an_address_where_that_is_asked_for() -> None:
    async def test() -> None:
        async with serving(shared=True) as it:
            other = NameServer(Options((("127.0.0.1", it.port),), shared=True), Cookies(SECRET), SetClock())
            await other.start()
            await other.stop()

    played(test())


def test_tables_that_are_replaced_are_freed_at_once() -> None:
    async def test() -> None:
        gc.disable()
        try:
            async with serving() as it:
                await it.put()
                old = weakref.ref(it.server.responder.tables.zones[b"\7example\3net\0"])
                await it.udp(question("www"))
                await it.put(www_A=Steered((www("198.51.100.7"),)))
                await it.udp(question("www"))
                assert old() is None
        finally:
            gc.enable()

    played(test())
