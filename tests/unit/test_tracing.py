"""Spans of a change, from the call that asks for it to the last switch that holds it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import StatusCode

from controller.api.v1 import service_pb2 as api
from controller.cli.saying import Saying
from controller.cli.traces import Traces
from controller.core.switchtask import SwitchTask
from controller.plan.duty import PlanInput
from controller.southbound.errors import WriteRefused
from controller.tracing import spans
from controller.tracing.following import Awaited, Following
from controller.tracing.spans import CHANGE, Spans
from tests.fakes import core
from tests.fakes.api import Face, played, served
from tests.fakes.core import Plain, PlainDriver, Watching, until

PAIR = core.loaded("pair")
S1, S2 = "pools/web/backends/s1", "pools/web/backends/s2"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
WEIGHTS = "/evenkeel.v1.IntentService/SetWeights"


def weights(world: PlanInput) -> Plain:
    """What a switch should hold: a word for each weight of one pool."""
    return frozenset(f"{real.name}={real.weight}" for real in world.intent.pool("web").backends)


class Traced:
    """A controller whose spans are kept, with two switches."""

    def __init__(self, face: Face, kept: InMemorySpanExporter) -> None:
        self.face, self._kept = face, kept
        self.drivers = {name: PlainDriver(_switch(name), weights) for name in ("lb1", "lb2")}

    def connect(self, name: str) -> SwitchTask:
        return self.face.app.fleet.connect(self.drivers[name], Watching())

    async def synced(self) -> None:
        tasks = [self.connect(name) for name in self.drivers]
        await until(lambda: all(task.synced for task in tasks), "synced")
        self._kept.clear()

    def of(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._kept.get_finished_spans() if span.name == name]

    async def one(self, name: str) -> ReadableSpan:
        await until(lambda: self.of(name), name)
        (span,) = self.of(name)
        return span

    async def call(self, context: str = "", **weight: int) -> None:
        request = api.SetWeightsRequest()
        for name, each in weight.items():
            request.weights.add(backend=f"pools/web/backends/{name}", weight=each)
        metadata = (("traceparent", context),) if context else ()
        async with grpc.aio.insecure_channel(f"unix:{self.face.socket}") as channel:
            ask = channel.unary_unary(
                WEIGHTS,
                request_serializer=api.SetWeightsRequest.SerializeToString,
                response_deserializer=api.SetWeightsResponse.FromString,
            )
            await ask(request, metadata=metadata, timeout=20)


def _switch(name: str) -> Any:
    return next(each for each in PAIR.switches if each.name == name)


@asynccontextmanager
async def traced(folder: Path, **how: Any) -> AsyncIterator[Traced]:
    kept = InMemorySpanExporter()
    provider = TracerProvider(**how)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    async with served(folder, intent=PAIR, tracing=Spans(provider.get_tracer("test"))) as face:
        it = Traced(face, kept)
        await it.synced()
        yield it


def about(span: ReadableSpan, key: str) -> Any:
    return (span.attributes or {}).get(key)


def below(span: ReadableSpan) -> int:
    """The span that it belongs to."""
    assert span.parent is not None
    return span.parent.span_id


def test_a_call_is_followed_to_the_last_switch(tmp_path: Path) -> None:
    async def play() -> None:
        async with traced(tmp_path) as it:
            await it.call(f"00-{TRACE}-{PARENT}-01", s1=7)
            acknowledged = await it.one("acknowledge")
            call, propose = await it.one(WEIGHTS[1:]), await it.one("propose")
            validate, plan, commit = [await it.one(name) for name in ("validate", "plan", "commit")]
            writes = it.of("write")
            assert f"{below(call):016x}" == PARENT
            assert below(propose) == call.context.span_id
            assert {below(each) for each in (validate, plan, commit, acknowledged)} == {
                propose.context.span_id
            }
            assert {below(each) for each in writes} == {acknowledged.context.span_id}
            every = (call, propose, validate, plan, commit, acknowledged, *writes)
            assert {f"{each.context.trace_id:032x}" for each in every} == {TRACE}
            revision = it.face.app.state.revision
            assert {about(each, CHANGE) for each in (call, commit, acknowledged, *writes)} == {revision}
            assert {about(each, spans.SWITCH) for each in writes} == {"lb1", "lb2"}
            assert {(about(each, "evenkeel.added"), about(each, "evenkeel.deleted")) for each in writes} == {
                (1, 1)
            }
            assert commit.end_time <= acknowledged.start_time  # type: ignore[operator]
            assert max(each.end_time for each in writes) <= acknowledged.end_time  # type: ignore[operator, type-var]
            assert all(each.status.status_code is StatusCode.UNSET for each in every)

    played(play)


def test_calls_that_share_a_proposal_name_its_span(tmp_path: Path) -> None:
    async def play() -> None:
        async with traced(tmp_path) as it:
            proposals = it.face.server._served.proposals  # type: ignore[union-attr]
            began, gate, before = asyncio.Event(), asyncio.Event(), proposals._propose

            async def held(together: Any) -> None:
                began.set()
                await gate.wait()
                await before(together)

            proposals._propose = held  # type: ignore[method-assign]
            calls = [asyncio.create_task(it.call(s1=12))]
            await began.wait()
            calls += [asyncio.create_task(it.call(s1=n)) for n in range(13, 16)]
            await until(lambda: len(proposals._queue) == 3, "three wait for the first")
            gate.set()
            await asyncio.gather(*calls)
            await until(lambda: len(it.of("acknowledge")) == 2, "both proposals are acknowledged")
            alone, shared = sorted(it.of("propose"), key=lambda span: about(span, "evenkeel.calls"))
            assert (about(alone, "evenkeel.calls"), about(shared, "evenkeel.calls")) == (1, 3)
            by_id = {span.context.span_id: span for span in it.of(WEIGHTS[1:])}
            others = {link.context.span_id for link in shared.links}
            assert others | {below(shared), below(alone)} == by_id.keys()
            named = {link.context.span_id for each in others for link in by_id[each].links}
            assert named == {shared.context.span_id}
            last = it.face.app.state.revision
            assert {about(by_id[each], CHANGE) for each in (*others, below(shared))} == {last}

    played(play)


def test_an_order_has_the_spans_of_a_change(tmp_path: Path) -> None:
    async def play() -> None:
        async with traced(tmp_path) as it:
            await it.face.client.move_vip("shop", "east")
            call, commit, acknowledged = [
                await it.one(name)
                for name in ("evenkeel.v1.OperationService/MoveVip", "commit", "acknowledge")
            ]
            assert {below(commit), below(acknowledged)} == {call.context.span_id}
            assert about(acknowledged, CHANGE) == about(call, CHANGE)

    played(play)


def test_what_is_refused_says_so_and_is_not_followed(tmp_path: Path) -> None:
    async def play() -> None:
        async with traced(tmp_path) as it:
            with pytest.raises(grpc.aio.AioRpcError):
                await it.call(nowhere=7)
            call = await it.one(WEIGHTS[1:])
            assert call.status.status_code is StatusCode.ERROR
            assert about(call, "rpc.grpc.status_code") == grpc.StatusCode.NOT_FOUND.value[0]
            assert about(call, "evenkeel.reason") == "NOT_FOUND"
            assert (it.of("commit"), it.of("acknowledge")) == ([], [])

    played(play)


def test_a_write_that_fails_is_seen_and_the_next_one_ends_the_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.core.switchtask.RETRY", 0.005)

    async def play() -> None:
        async with traced(tmp_path) as it:
            it.drivers["lb1"].does.writes.append(WriteRefused("lb1", ["the table is full"]))
            await it.call(s1=7)
            await it.one("acknowledge")
            failed, good = sorted(
                (each for each in it.of("write") if about(each, spans.SWITCH) == "lb1"),
                key=lambda span: span.start_time or 0,
            )
            assert failed.status.description == "WriteRefused: lb1 refused 1 messages: the table is full"
            assert good.status.status_code is StatusCode.UNSET

    played(play)


def test_a_switch_that_goes_is_waited_for_no_longer(tmp_path: Path) -> None:
    async def play() -> None:
        async with traced(tmp_path) as it:
            stuck = asyncio.Event()
            before = it.drivers["lb1"].write

            async def held(delta: Any, want: Any) -> Any:
                await stuck.wait()
                return await before(delta, want)

            it.drivers["lb1"].write = held  # type: ignore[method-assign]
            await it.call(s1=7)
            await until(lambda: it.of("write"), "the other one is written")
            assert it.of("acknowledge") == []
            it.face.app.fleet.disconnect(_switch("lb1").id)
            assert (await it.one("acknowledge")).status.status_code is StatusCode.UNSET

    played(play)


def test_a_switch_that_takes_a_change_too_late_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "PATIENCE", 0.05)

    async def play() -> None:
        async with traced(tmp_path) as it:

            async def never(delta: Any, want: Any) -> Any:
                await asyncio.Event().wait()

            it.drivers["lb1"].write = never  # type: ignore[method-assign]
            await it.call(s1=7)
            assert (await it.one("acknowledge")).status.description == "not taken by lb1"

    played(play)


def test_what_is_not_sampled_leaves_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        async with traced(tmp_path, sampler=ParentBased(ALWAYS_OFF)) as it:
            await it.call(s1=7)
            await it.call(f"00-{TRACE}-{PARENT}-00", s1=8)
            await it.call("nonsense", s1=9)
            await it.call(f"00-{TRACE}-{PARENT}-01", s1=10)
            await it.one("acknowledge")
            assert len(it.of(WEIGHTS[1:])) == 1

    played(play)


def test_following_waits_for_all_and_gives_up_the_oldest() -> None:
    ended: list[tuple[int, list[str]]] = []

    def end(awaited: Awaited[str]) -> None:
        ended.append((awaited.change, sorted(awaited.switches.values())))

    it = Following[str](end, most=2)
    it.begin(1, "", {})
    first = it.begin(2, "", {1: "a", 2: "b"})
    it.begin(3, "", {1: "a"})
    assert [each.change for each in it.lacked(1, 2)] == [2]
    it.taken(2, 2)
    it.taken(1, 3)
    assert ended == [(1, []), (2, []), (3, [])]
    it.give_up(first)
    for change in (4, 5, 6):
        it.begin(change, "", {1: "a"})
    assert ended[3:] == [(4, ["a"])]
    it.gone(1)
    assert (ended[4:], len(it)) == ([(5, []), (6, [])], 0)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:4317",
        "http://127.0.0.1",
        "ftp://a:1",
        "http://a:99999",
        "http://a:1/v1/traces",
        "http://:1",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"write http://HOST:PORT, or https://HOST:PORT for TLS") as caught:
        Traces(url, "here", Saying(core.journal()[0]))
    assert str(caught.value).startswith(f"--traces {url}: ")


def test_without_the_extra_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch, "controller.tracing.spans", "controller.tracing.export", "opentelemetry")
    for name in ("opentelemetry", "opentelemetry.exporter.otlp.proto.grpc.trace_exporter"):
        monkeypatch.setitem(sys.modules, name, None)
    saying = Saying(core.journal()[0])
    with pytest.raises(ValueError, match=r"pip install 'evenkeel\[otel\]'"):
        Traces("http://127.0.0.1:4317", "here", saying)
    assert Traces(None, "here", saying).counts() == {}


def _without(monkeypatch: pytest.MonkeyPatch, *parts: str) -> None:
    for name in _named(sys.modules, parts):
        monkeypatch.delitem(sys.modules, name)


def _named(names: Iterable[str], parts: tuple[str, ...]) -> list[str]:
    return [name for name in names if any(name == part or name.startswith(f"{part}.") for part in parts)]
