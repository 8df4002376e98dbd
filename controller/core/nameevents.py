"""Events about names that are balanced: see ``events.py``."""

from __future__ import annotations

from collections.abc import Mapping

from controller.core.eventtypes import Event, Field, Line
from controller.sites.causes import Cause

NAMES: Mapping[str, Event] = {
    "name_answers": Event(
        "Other addresses than before may be answered for a name: candidates came, went, live or do not. What follows "
        "from times and counts of connections alone is not said.",
        (
            Field("name", str, "The name."),
            Field("answers", list[str], "Candidates that may be answered, to some client at least."),
            Field("before", list[str], "Those that could be answered before."),
            Field("why", str, "Why candidates do not live, of those of which that is new; empty: none."),
        ),
        line=Line("{name}: answers {answers}[, {why}]", Cause.VERDICT),
    ),
}
