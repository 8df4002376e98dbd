"""The way to resolvers is measured by pings and connections, real ones too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address

import pytest

from controller.exits.names import measuring
from controller.exits.names.measuring import Measuring, probes
from controller.exits.names.rtt import Rtts, key_of
from controller.health.prober import Prober, ProberStats
from controller.health.result import Outcome, ProbeResult
from controller.health.targets import Probe
from controller.spec.health import ProbeKind

HERE = ip_address("127.0.0.1")
FAR = ip_address("10.1.0.1")


class Source:
    """Answers what it is asked when the test says so."""

    def __init__(self, take: Callable[[list[ProbeResult]], None]) -> None:
        self.take = take
        self.asked: frozenset[Probe] = frozenset()
        self.runs = False

    async def start(self) -> None:
        self.runs = True

    async def stop(self) -> None:
        self.runs = False

    def set_probes(self, wanted: Iterable[Probe]) -> None:
        self.asked = frozenset(wanted)

    def stats(self) -> ProberStats:
        raise AssertionError


def test_each_resolver_is_pinged_and_connected_to_and_their_number_is_bounded() -> None:
    found = {(each.kind, each.port) for each in probes(["10.1.0.1"])}
    assert found == {(ProbeKind.ICMP, 0), (ProbeKind.TCP, 53)}
    assert len(probes(str(ip_address(number)) for number in range(1, 1000))) == 2 * measuring.MOST


def test_what_answers_is_noted_and_what_does_not_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "LOOK", 0.001)
    rtts, made = Rtts(lambda: 0.0, "east"), list[Source]()
    wanted: list[str] = []

    def make(take: Callable[[list[ProbeResult]], None], _: Callable[[str], None]) -> Source:
        made.append(Source(take))
        return made[0]

    async def play() -> None:
        task = asyncio.create_task(Measuring(rtts, print, make).run(lambda: wanted))
        await asyncio.sleep(0)
        assert not made[0].runs
        wanted.append(str(FAR))
        async with asyncio.timeout(20):
            while len(made[0].asked) != 2:
                await asyncio.sleep(0)
        ping, tcp = sorted(made[0].asked, key=lambda each: each.port)
        made[0].take(
            [ProbeResult(ping, Outcome.PASS, "", 1.0, 1.02), ProbeResult(tcp, Outcome.FAIL, "x", 1.0, 1.9)]
        )
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not made[0].runs

    asyncio.run(play())
    assert rtts.own(key_of(FAR)) == pytest.approx(0.02)


def test_a_resolver_on_this_machine_is_measured_by_real_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "EVERY", 0.1)

    async def play() -> None:
        server = await asyncio.start_server(lambda *_: None, str(HERE), 0)
        monkeypatch.setattr(measuring, "DOMAIN", server.sockets[0].getsockname()[1])
        rtts = Rtts(time.monotonic, "east")
        task = asyncio.create_task(Measuring(rtts, print, Prober).run(lambda: [str(HERE)]))
        async with server, asyncio.timeout(30):
            while rtts.own(key_of(HERE)) is None:
                await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(play())
