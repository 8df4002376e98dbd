"""Events about a layer-7 tier: see ``events.py``."""

from __future__ import annotations

from collections.abc import Mapping

from controller.core.eventtypes import WHY, Event, Field, Line
from controller.sites.causes import Cause

_TIER = Field("tier", str, "The tier.")
_INSTANCE = Field("instance", str, "The HAProxy.")

TIERS: Mapping[str, Event] = {
    "tier_changed": Event(
        "A HAProxy was changed through its runtime API; its file was written before.",
        (
            _TIER,
            _INSTANCE,
            Field("commands", int, "Commands that it was sent."),
            Field("what", str, "The servers that they are about, at most eight."),
        ),
        line=Line("{tier}/{instance}: {what}", Cause.PLAN),
    ),
    "tier_reloaded": Event(
        "A HAProxy runs with another configuration. Connections of the former process stay with it.",
        (_TIER, _INSTANCE, WHY, Field("seconds", float, "From the command until the new process was read.")),
        line=Line("{tier}/{instance}: reloaded, {why}", Cause.PLAN),
    ),
    "tier_repaired": Event(
        "A HAProxy or its file was found other than written, and is repaired.",
        (_TIER, _INSTANCE, Field("what", str, "What differed.")),
        line=Line("{tier}/{instance}: repaired, {what}", Cause.AUDIT),
    ),
    "tier_problem": Event(
        "A HAProxy is not, or cannot be made, what it should be. It is tried again; the rest goes on.",
        (_TIER, _INSTANCE, WHY),
        line=Line("{tier}/{instance}: {why}", Cause.GONE),
    ),
    "tier_recovered": Event(
        "A HAProxy with a problem is as it should be.",
        (_TIER, _INSTANCE),
        line=Line("{tier}/{instance}: is as it should be", Cause.SYNCED),
    ),
    "tier_drained": Event(
        "The backend that a HAProxy is drains, and the last of its clients' connections has ended.",
        (_TIER, _INSTANCE),
        line=Line("{tier}/{instance}: drained", Cause.PLAN),
    ),
}
