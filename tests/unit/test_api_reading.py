"""What the API shows: resources by name, by page and by filter, watches that resume, status, timeline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from controller.api import feeds, watching
from controller.api.feeds import Feed, Step
from controller.api.v1 import service_pb2 as api
from controller.client import ApiError
from controller.client.calls import Call
from tests.fakes import core
from tests.fakes.api import Face, message, played, served
from tests.fakes.stores import MemoryStore

PAIR = core.loaded("pair")
S1, S2 = "pools/web/backends/s1", "pools/web/backends/s2"


@pytest.mark.parametrize(
    ("kind", "where", "names"),
    [
        (api.KIND_SITE, "", ["sites/east"]),
        (api.KIND_BACKEND, "", [S1, S2, "pools/web/backends/s3"]),
        (api.KIND_BACKEND, "weight=2", [S1]),
        (api.KIND_BACKEND, "weight!=2, name=s*", [S2, "pools/web/backends/s3"]),
        (api.KIND_BACKEND, "addresses=fd00*::12", [S2]),
        (api.KIND_SWITCH, "roles=lb", ["switches/lb1", "switches/lb2"]),
        (api.KIND_SWITCH, "ports.1=lb1", ["switches/edge1", "switches/leaf1"]),
        (api.KIND_POOL, "health.type=http,backends.drain=false", ["pools/web"]),
        (api.KIND_VIP, "name=vips/shop*,listeners.mode=dr", ["vips/shop", "vips/shop6"]),
        (api.KIND_VIP, "address=10.9.*", []),
    ],
)
def test_resources_are_listed_by_kind_and_filter(
    tmp_path: Path, kind: Any, where: str, names: list[str]
) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            assert [each.name async for each in face.client.list(kind, where)] == names
            by_page = [each.name async for each in face.client.list(kind, where, page_size=1)]
            assert by_page == names

    played(play)


@pytest.mark.parametrize(
    ("request_", "field", "text"),
    [
        (api.ListRequest(), "kind", "write one of KIND_SITE"),
        (
            api.ListRequest(kind=api.KIND_VIP, filter="weight=1"),
            "filter",
            'no field "weight"; known there: name',
        ),
        (api.ListRequest(kind=api.KIND_VIP, filter="weight"), "filter", "write FIELD=VALUE"),
        (api.ListRequest(kind=api.KIND_VIP, page_size=-1), "page_size", "write 1 to 1000"),
        (api.ListRequest(kind=api.KIND_VIP, page_token="x"), "page_token", "begin without one"),
        (api.GetRequest(name="pool/web"), "name", "write sites/NAME"),
        (api.GetRequest(name="pools/web/backends/"), "name", "write sites/NAME"),
        (api.DrainRequest(), "backends", "is empty; write pools/NAME/backends/NAME"),
        (api.DrainRequest(backends=["pools/web"]), "backends[0]", "write pools/NAME/backends/NAME"),
        (api.DrainRequest(backends=[S1, S1]), "backends[1]", "again, after backends[0]"),
        (api.DrainRequest(backends=[S1], request_id="x" * 65), "request_id", "at most 64"),
        (api.ApplyRequest(), "what", "set one of them"),
        (api.ApplyRequest(resource=api.Resource(name="vips/a")), "resource", "has none of site"),
        (
            api.ApplyRequest(resource=api.Resource(pool={"name": "a"}, name="pools/b")),
            "resource.name",
            "one name in both",
        ),
        (
            api.ApplyRequest(resource=api.Resource(backend={"name": "a"})),
            "resource.name",
            "a backend is in a pool",
        ),
        (api.RehashRequest(pool="web"), "action", "write ACTION_PLAN"),
        (api.ClaimWithoutQuorumRequest(), "confirmed", "confirm that no other"),
        (api.WatchRequest(no_resources=True), "no_resources", "then set events"),
        (api.WatchRequest.FromString(b"\x12\x01\x63"), "kinds[0]", "write one of KIND_SITE"),
    ],
)
def test_a_wrong_field_of_a_request_is_named(tmp_path: Path, request_: Any, field: str, text: str) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            name = type(request_).__name__.removesuffix("Request")
            call: Any = Call(name, request_, getattr(api, f"{name}Response"))
            asked = anext(face.client._stream(call, 5.0)) if name == "Watch" else face.client.call(call)
            with pytest.raises(ApiError) as caught:
                await asked
            assert (caught.value.code, caught.value.reason) == (
                grpc.StatusCode.INVALID_ARGUMENT,
                "INVALID_ARGUMENT",
            )
            assert caught.value.violations[0][0] == field
            assert text in caught.value.violations[0][1]

    played(play)


async def until(stream: AsyncIterator[api.WatchResponse], *kinds: str) -> list[api.WatchResponse]:
    """Messages up to the first of one of these kinds."""
    found = []
    async for each in stream:
        found.append(each)
        if each.WhichOneof("news") in kinds:
            return found
    raise AssertionError("the watch ended")


def said(messages: list[api.WatchResponse]) -> list[str]:
    return [each.put.name or each.deleted or str(each.WhichOneof("news")) for each in messages]


def test_a_watch_begins_with_everything_and_goes_on_with_what_changes(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            stream = face.client.watch(kinds=[api.KIND_POOL, api.KIND_BACKEND])
            first = await until(stream, "bookmark")
            names = ["reset", "pools/web", S1, S2, "pools/web/backends/s3", "bookmark"]
            assert said(first) == names
            assert first[1].put == await face.client.get("pools/web")
            done = await face.client.set_weights({S2: 5})
            news = [*await until(stream, "put"), *await until(stream, "put")]
            assert said(news) == ["pools/web", S2]
            assert news[1].put.backend.weight == 5
            assert [each.position.revision for each in news][1:] == [done.revision]
            assert news[0].position.revision < done.revision  # it is one step: half of it is no position
            assert {each.put.revision for each in news} == {done.revision}
            await face.client.delete(S2)
            assert said([*await until(stream, "put"), *await until(stream, "deleted")]) == ["pools/web", S2]
            await stream.aclose()  # type: ignore[attr-defined]

    played(play)


def test_a_watch_resumes_with_what_came_after_its_position_and_nothing_else(tmp_path: Path) -> None:
    async def play() -> None:
        store = MemoryStore()
        async with served(tmp_path, store, intent=PAIR) as face:
            at = (await until(face.client.watch(), "bookmark"))[-1].position
            await face.client.set_weights({S1: 5})
            await face.client.delete("vips/shop6")
            await face.client.set_weights({S1: 6})
            news = await until(face.client.watch(at), "bookmark")
            assert said(news) == ["pools/web", "vips/shop6", "pools/web", "bookmark"]
            assert [each.put.pool.backends[0].weight for each in news if each.put.name] == [5, 6]
            end = news[-1].position
            assert said(await until(face.client.watch(end), "bookmark")) == ["bookmark"]
        # What another controller has of it is the store: it says everything, so that nothing is missed.
        async with served(tmp_path, store) as face:
            again = await until(face.client.watch(at), "bookmark")
            assert said(again)[0] == "reset"
            assert "vips/shop6" not in said(again)

    played(play)


def test_a_slow_reader_is_cut_off_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "WAITING", 4)

    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            watches = face.server._served.watches  # type: ignore[union-attr]
            stream = watches.watch(api.WatchRequest(kinds=[api.KIND_BACKEND]))
            at = (await until(stream, "bookmark"))[-1].position
            for weight in range(10, 20):
                await face.client.set_weights({S1: weight})
            with pytest.raises(Exception, match="resume with the last position"):
                async for _ in stream:
                    pass
            weights = []
            async for each in watches.watch(api.WatchRequest(after=at, kinds=[api.KIND_BACKEND])):
                if each.WhichOneof("news") == "bookmark":
                    break
                weights.append(each.put.backend.weight)
            assert weights == list(range(10, 20))

    played(play)


def test_the_client_goes_on_with_a_watch_that_was_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "WAITING", 2)

    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            seen: list[int] = []

            async def read() -> None:
                async for each in face.client.watch(kinds=[api.KIND_BACKEND]):
                    if each.put.name == S1:
                        seen.append(each.put.backend.weight)
                        await asyncio.sleep(0.01)
                    if seen and seen[-1] == 59:
                        return

            reading = asyncio.create_task(read())
            for weight in range(10, 60):
                await face.client.set_weights({S1: weight})
            await reading
            assert [each for each in seen if each >= 10] == list(range(10, 60))

    played(play)


def test_there_are_bookmarks_when_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BOOKMARK", 0.05)

    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            stream = face.client.watch(kinds=[api.KIND_SITE])
            await until(stream, "bookmark")
            done = await face.client.set_weights({S1: 5})  # nothing that this watch is told
            while (await until(stream, "bookmark"))[-1].position.revision < done.revision:
                pass
            await stream.aclose()  # type: ignore[attr-defined]

    played(play)


async def _events(face: Face, after: api.Position | None, event: str) -> list[api.WatchResponse]:
    found = []
    async for each in face.client.watch(after, events=True, resources=False):
        if each.WhichOneof("news") == "event":
            found.append(each)
        if each.event.event == event:
            break
    return found


def test_events_of_the_timeline_are_watched_and_resumed(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=core.loaded("two-site")) as face:
            east = face.app.state.stored.sites[0].name
            await face.client.drain_site(east)
            first = await _events(face, None, "site_drained")
            assert first[-1].event.fields["site"] == east
            await face.client.undrain_site(east)
            rest = await _events(face, first[-1].position, "site_undrained")
            numbers = [each.event.number for each in (*first, *rest)]
            assert sorted(set(numbers)) == list(range(1, max(numbers) + 1))

    played(play)


def test_the_timeline_is_read_and_filtered(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=core.loaded("two-site")) as face:
            east = face.app.state.stored.sites[0].name
            await face.client.drain_site(east)
            await _events(face, None, "site_drained")
            every = [each async for each in face.client.timeline()]
            drained = next(each for each in every if each.event == "site_drained")
            assert (drained.cause, drained.fields["site"]) == ("operator", east)
            assert drained.revision > 0
            later = [each async for each in face.client.timeline(since=drained.at + 3600)]
            assert later == []

    played(play)


def test_the_status_is_that_of_the_status_file(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            await face.client.set_weights({S1: 5})
            shown = await face.client.status()
            assert shown.keys() == face.app.snapshot().as_json().keys()
            assert shown["switches"]["lb1"]["connected"] is False
            assert shown["pools"]["web/tcp"]["backends"]["s1"]["weight"] == 5.0

    played(play)


def test_a_feed_keeps_so_many_rows_and_knows_from_where_on() -> None:
    feed: Feed[Step] = Feed(10, most=3, sizes=100)
    assert feed.after(10) == []
    assert feed.after(9) is None
    for revision in range(11, 16):
        feed.add(Step(revision, ()))
    assert feed.after(12) == [Step(13, ()), Step(14, ()), Step(15, ())]
    assert feed.after(11) is None
    assert feed.after(16) is None


def test_a_whole_document_passes_while_a_watch_is_open(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path) as face:
            stream = face.client.watch()
            assert said(await until(stream, "bookmark")) == ["reset", "bookmark"]
            await face.client.apply(message(PAIR))
            seen: list[str] = []
            while "vips/files6" not in seen:
                seen += said(await until(stream, "put", "bookmark"))
            assert len(seen) == 14
            await stream.aclose()  # type: ignore[attr-defined]

    played(play)
