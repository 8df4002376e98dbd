"""What becomes of a change, as those see it who carry it out. Here nothing is made of it.

    call ─► propose ─┬─ validate
                     ├─ plan
                     ├─ commit ─────── from when it is taken until it is stored
                     └─ acknowledge ── until the last switch that is connected holds it
                          └─ write ─── of each switch

Orders, such as a move of a VIP, have no ``propose``: ``commit`` and ``acknowledge`` are the call's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from types import TracebackType

from controller.spec.types import Switch

CONTEXT = ("traceparent", "tracestate")
"""Metadata of a call that name the span it belongs to, by W3C's recommendation."""
_NOTHING: AbstractContextManager[None] = nullcontext()


class TracedCall:
    """One call, while it is answered."""

    def __enter__(self) -> TracedCall:
        """It begins: what its task, and tasks made by it, do now is its."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """It is answered."""

    def refused(self, code: int, reason: str, text: str) -> None:
        """What it is answered: a status of gRPC, a reason of ours, and words."""


class TracedProposal:
    """One proposal, made of what calls ask for."""

    def __enter__(self) -> TracedProposal:
        """It begins."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """It was taken, or is refused."""

    def step(self, name: str) -> AbstractContextManager[None]:
        """Something that is done for it."""
        return _NOTHING

    def accepted(self, calls: Sequence[TracedCall | None]) -> None:
        """It is what is wanted now, and not stored yet; of these calls alone, if others were refused."""


class Tracing:
    """Told what happens, in the event loop. Must not block, must not raise."""

    def follow(self, connected: Callable[[], Mapping[int, tuple[str, int]]]) -> None:
        """Changes are acknowledged by these from now on: by id, name of each, and the change that it holds."""

    def call(self, path: str, context: Mapping[str, str]) -> TracedCall:
        """A call of something that changes. ``context``: what it carries of ``CONTEXT``."""
        return _CALL

    def proposal(self, calls: Sequence[TracedCall | None]) -> TracedProposal:
        """These are carried out together."""
        return _PROPOSAL

    def asks(self) -> None:
        """Who runs now has changed something that is to be stored."""

    def mark(self) -> int:
        """A batch is made now: what was taken until now is in it."""
        return 0

    def stored(self, mark: int, change: int) -> None:
        """The batch of a mark is stored, and no switch knows of it yet."""

    def write(
        self, switch: Switch, change: int | None, counts: tuple[int, int, int]
    ) -> AbstractContextManager[None]:
        """A switch's entries are written. ``counts``: added, modified, deleted."""
        return _NOTHING

    def followed(self, number: int, change: int) -> None:
        """A switch holds what a change, and those before it, have it hold."""

    def gone(self, number: int) -> None:
        """A switch is no longer connected."""


_CALL, _PROPOSAL = TracedCall(), TracedProposal()
NOT_TRACED = Tracing()
CURRENT: ContextVar[TracedCall | None] = ContextVar("evenkeel_call", default=None)
"""The call that a task works for."""
