"""Spans by OpenTelemetry's API. Imported only where they are asked for: its packages are the extra ``otel``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import Token
from dataclasses import dataclass
from types import TracebackType

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from controller.spec.types import Switch
from controller.tracing.base import CURRENT, TracedCall, TracedProposal, Tracing
from controller.tracing.following import Awaited, Following

PATIENCE = 60.0
"""Seconds after which a switch that has not taken a change is waited for no longer."""
LINKS = 128
"""Spans that one names besides its parent, at most."""
CHANGE, SWITCH = "evenkeel.change", "evenkeel.switch"
_CONTEXT = TraceContextTextMapPropagator()


class Call(TracedCall):
    """A span of gRPC's server."""

    def __init__(self, tracer: Tracer, path: str, context: Mapping[str, str]) -> None:
        _, service, method = path.split("/")
        about = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
        parent = _CONTEXT.extract(context)
        self.span = tracer.start_span(
            path[1:], parent, SpanKind.SERVER, about, record_exception=False, set_status_on_exception=False
        )
        self._token: Token[TracedCall | None] | None = None

    def __enter__(self) -> Call:
        """It is the one that this task works for."""
        self._token = CURRENT.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """It is answered."""
        if self._token is not None:
            CURRENT.reset(self._token)
        if error is not None:
            _failed(self.span, error)
        self.span.end()

    def refused(self, code: int, reason: str, text: str) -> None:
        """With gRPC's status."""
        self.span.set_attributes({"rpc.grpc.status_code": code, "evenkeel.reason": reason})
        self.span.set_status(Status(StatusCode.ERROR, text))


@dataclass(frozen=True)
class _Taken:
    """What is wanted, and not stored yet."""

    number: int
    parent: Span
    commit: Span
    calls: tuple[Span, ...]


class Proposal(TracedProposal):
    """A span below that of its first call, which the others name."""

    def __init__(self, spans: Spans, calls: Sequence[Call]) -> None:
        first, others = calls[0].span, calls[1:]
        self._spans = spans
        links = [Link(each.span.get_span_context()) for each in others[:LINKS]]
        about = {"evenkeel.calls": len(calls)}
        self._span = spans.tracer.start_span(
            "propose", set_span_in_context(first), links=links, attributes=about
        )
        own = self._span.get_span_context()
        for each in others:
            each.span.add_link(own)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """With the error that ended it."""
        if error is not None:
            _failed(self._span, error)
        self._span.end()

    def step(self, name: str) -> AbstractContextManager[None]:
        """A span below."""
        return _during(self._spans.tracer.start_span(name, set_span_in_context(self._span)))

    def accepted(self, calls: Sequence[TracedCall | None]) -> None:
        """The commit begins."""
        self._spans.take(self._span, _recording(calls))


class Spans(Tracing):
    """Makes them."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
        self._connected: Callable[[], Mapping[int, tuple[str, int]]] = dict
        self._taken: list[_Taken] = []
        self._number = 0
        self._following: Following[tuple[Span, asyncio.TimerHandle | None]] = Following(_acknowledged)

    def follow(self, connected: Callable[[], Mapping[int, tuple[str, int]]]) -> None:
        """What is not stored by now is none of theirs."""
        self._connected, self._taken = connected, []

    def call(self, path: str, context: Mapping[str, str]) -> Call:
        """Its span, below that of who calls."""
        return Call(self.tracer, path, context)

    def proposal(self, calls: Sequence[TracedCall | None]) -> TracedProposal:
        """One that is kept if a call's is."""
        found = _recording(calls)
        return Proposal(self, found) if found else TracedProposal()

    def asks(self) -> None:
        """A call's own task has changed something."""
        calls = _recording([CURRENT.get()])
        if calls:
            self.take(calls[0].span, calls)

    def take(self, parent: Span, calls: Sequence[Call]) -> None:
        """It is to be stored."""
        self._number += 1
        commit = self.tracer.start_span("commit", set_span_in_context(parent))
        self._taken.append(_Taken(self._number, parent, commit, tuple(each.span for each in calls)))

    def mark(self) -> int:
        """Of the last one that was taken."""
        return self._number

    def stored(self, mark: int, change: int) -> None:
        """Switches are to follow."""
        found = [each for each in self._taken if each.number <= mark]
        self._taken = [each for each in self._taken if each.number > mark]
        for each in found:
            for span in (each.commit, *each.calls):
                span.set_attribute(CHANGE, change)
            each.commit.end()
            self._follow(each.parent, change)

    def _follow(self, parent: Span, change: int) -> None:
        span = self.tracer.start_span("acknowledge", set_span_in_context(parent), attributes={CHANGE: change})
        switches = {number: name for number, (name, holds) in self._connected().items() if holds < change}
        span.set_attribute("evenkeel.switches", len(switches))
        timer: list[Awaited[tuple[Span, asyncio.TimerHandle | None]]] = []
        handle = None
        if switches:
            loop = asyncio.get_running_loop()
            handle = loop.call_later(PATIENCE, lambda: self._following.give_up(timer[0]))
        timer.append(self._following.begin(change, (span, handle), switches))

    @contextmanager
    def _written(self, switch: Switch, change: int, counts: tuple[int, int, int]) -> Iterator[None]:
        *others, last = (each.told[0] for each in self._following.lacked(switch.id, change))
        about: dict[str, str | int] = {SWITCH: switch.name, "evenkeel.kind": switch.kind, CHANGE: change}
        about |= zip(("evenkeel.added", "evenkeel.modified", "evenkeel.deleted"), counts, strict=True)
        links = [Link(each.get_span_context()) for each in others[-LINKS:]]
        parent: Context = set_span_in_context(last)
        with _during(self.tracer.start_span("write", parent, SpanKind.CLIENT, about, links)):
            yield

    def write(
        self, switch: Switch, change: int | None, counts: tuple[int, int, int]
    ) -> AbstractContextManager[None]:
        """Below the newest change that the switch takes by it; those before it are named."""
        if change is None or next(self._following.lacked(switch.id, change), None) is None:
            return nullcontext()
        return self._written(switch, change, counts)

    def followed(self, number: int, change: int) -> None:
        """The last one ends the change's span."""
        self._following.taken(number, change)

    def gone(self, number: int) -> None:
        """It is waited for no longer."""
        self._following.gone(number)


def _recording(calls: Sequence[TracedCall | None]) -> list[Call]:
    return [each for each in calls if isinstance(each, Call) and each.span.is_recording()]


def _acknowledged(awaited: Awaited[tuple[Span, asyncio.TimerHandle | None]]) -> None:
    span, timer = awaited.told
    if timer is not None:
        timer.cancel()
    if awaited.switches:
        names = ", ".join(sorted(awaited.switches.values()))
        span.set_status(Status(StatusCode.ERROR, f"not taken by {names}"))
    span.end()


def _failed(span: Span, error: BaseException) -> None:
    span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))


@contextmanager
def _during(span: Span) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        _failed(span, error)
        raise
    finally:
        span.end()
