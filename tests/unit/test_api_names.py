"""The service for name servers: what they are sent, when, and what they may say."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from controller.api import nameservers
from controller.api.v1 import service_pb2 as api
from controller.cli.nameserver import inputs_of
from controller.client import ApiError
from controller.exits.names.inputs import Inputs
from controller.exits.names.memory import Memory
from controller.exits.names.serve.following import News
from controller.spec.names import Candidate, NameServer, Policy, Service, Zone
from tests.fakes import core
from tests.fakes.api import Face, message, played, served

PLAIN = core.loaded("pair")
WITHIN = 30.0


def zone(address: str) -> Zone:
    service = Service("www", (Candidate("a", address=ip_address(address)),), policies=(Policy.ROUND_ROBIN,))
    return Zone("example.net", (NameServer("ns1", (ip_address("192.0.2.1"),)),), services=(service,))


def intent(address: str) -> object:
    return replace(PLAIN, zones=(zone(address),))


async def told(face: Face, *, until: str) -> api.FollowNamesResponse:
    """The first message of a kind."""
    async with asyncio.timeout(WITHIN):
        async for each in face.client.follow_names("ns1"):
            if each.WhichOneof("what") == until:
                return each
    raise AssertionError


def address_in(each: api.FollowNamesResponse) -> str:
    (found,) = inputs_of(each.inputs).zones[0].services[0].candidates
    return str(found.address)


def test_a_name_server_is_sent_what_is_and_then_what_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nameservers, "BEAT", 0.05)

    async def play() -> None:
        async with served(tmp_path, intent=intent("198.51.100.1")) as face:  # type: ignore[arg-type]
            seen: list[str] = []
            async with asyncio.timeout(WITHIN):
                async for each in face.client.follow_names("ns1"):
                    kind = each.WhichOneof("what")
                    if kind == "inputs":
                        seen.append(address_in(each))
                        if len(seen) == 2:
                            break
                    elif kind == "same" and len(seen) == 1:
                        changed = message(intent("198.51.100.2"))  # type: ignore[arg-type]
                        await face.client.apply(changed)
            assert seen == ["198.51.100.1", "198.51.100.2"]

    played(play)


def test_without_zones_it_is_told_so(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PLAIN) as face:
            await told(face, until="none")

    played(play)


def test_what_is_sent_compiles_to_what_the_controller_has(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=intent("198.51.100.1")) as face:  # type: ignore[arg-type]
            sent = inputs_of((await told(face, until="inputs")).inputs)
            from controller.exits.names.compiling import compiled

            content = compiled(sent, Memory(lambda: 0.0))
            assert ("www.example.net.", "A") in content.zones["example.net."].balanced

    played(play)


def test_a_report_reaches_the_exit_and_one_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=intent("198.51.100.1")) as face:  # type: ignore[arg-type]
            await face.client.report_names("east", {"192.0.2.0/24": 0.01}, ["192.0.2.7"])
            with pytest.raises(ApiError, match="seconds, asked"):
                await face.client.report_names("east", {"nonsense": 0.01}, [])

    played(play)


def test_followers_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nameservers, "FOLLOWERS", 0)

    async def play() -> None:
        async with served(tmp_path, intent=PLAIN) as face:
            stream = face.server._served.names.follow(api.FollowNamesRequest())  # type: ignore[union-attr]
            with pytest.raises(Exception, match="follow already"):
                await anext(stream)

    played(play)


@pytest.mark.parametrize("octets", [b"", b"no zlib", nameservers.octets(Inputs(1, (), {}))[:-3]])
def test_octets_that_are_cut_or_nonsense_are_refused(octets: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are zlib's
        inputs_of(octets)


def test_news_without_octets_are_no_zones() -> None:
    assert News(1).octets is None
    assert not News(1).none
