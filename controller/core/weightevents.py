"""Events about weights, and about what servers say of themselves: see ``events.py``."""

from __future__ import annotations

from collections.abc import Mapping

from controller.core.eventtypes import WHY, Event, Field, Line
from controller.sites.causes import Cause

_POOL = Field("pool", str, "The pool.")
_BACKEND = Field("backend", str, "The backend.")

WEIGHTS: Mapping[str, Event] = {
    "server_says": Event(
        "A server with an agent says something else of itself than before.",
        (
            _POOL,
            _BACKEND,
            Field(
                "says",
                str,
                "All that it has said and not taken back: a share of its weight, `drain`, or why it is down; `ready`: "
                "nothing.",
            ),
        ),
        line=Line("{pool}: {backend} says {says}", Cause.PROBE, decided=True),
    ),
    "slow_start": Event(
        "A backend of a pool with `slow_start` returns: it begins with a part of its weight.",
        (_POOL, _BACKEND, Field("seconds", float, "Until it has all of it.")),
        line=Line(
            "{pool}: {backend} returns, and has all of its weight in {seconds} s", Cause.VERDICT, decided=True
        ),
    ),
    "weights_adapted": Event(
        "The scheduler of a pool changes weights, by what was measured.",
        (
            _POOL,
            Field("scheduler", str, "`least-connections` or `response-time`."),
            Field("count", int, "Backends that have another factor."),
            Field("factors", str, "Those that changed most, and by what their weight is multiplied now."),
        ),
        line=Line("{pool}: weights follow {scheduler}: {factors}", Cause.WEIGHTS, decided=True),
    ),
    "server_silent": Event(
        "A server's agent has not answered for three intervals. What it said last stands.",
        (_POOL, _BACKEND, WHY),
        line=Line("{pool}: the agent of {backend} is silent[, {why}]", Cause.PROBE),
    ),
    "server_heard": Event(
        "A server's agent that was silent answers again.",
        (_POOL, _BACKEND),
        line=Line("{pool}: the agent of {backend} answers again", Cause.PROBE),
    ),
}
