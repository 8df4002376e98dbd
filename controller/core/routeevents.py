"""Events about announcements to routers: see ``events.py``."""

from __future__ import annotations

from collections.abc import Mapping

from controller.core.eventtypes import WHY, Event, Field, Line
from controller.sites.causes import Cause

_SPEAKER = Field("speaker", str, "Name of the speaker.")
_VIP = Field("vip", str, "Name of the VIP.")
_PREFIX = Field("prefix", str, "What routers are told of.")

ROUTES: Mapping[str, Event] = {
    "route_announced": Event(
        "A VIP is announced to routers, or announced otherwise.",
        (
            _SPEAKER,
            _VIP,
            _PREFIX,
            Field("med", int, "BGP's MED."),
            Field("cost", int, "OSPF's metric."),
            Field("why", str, "The conditions, as they are."),
        ),
        line=Line("{speaker} announces {vip} ({prefix})", Cause.PLAN),
    ),
    "route_leaves": Event(
        "Routers are asked to send elsewhere: the VIP is to be withdrawn on purpose.",
        (_SPEAKER, _VIP, _PREFIX, Field("seconds", float, "Until it is withdrawn."), WHY),
        line=Line("{speaker} withdraws {vip} ({prefix}) in {seconds} s: {why}", Cause.DRAINED),
    ),
    "route_withdrawn": Event(
        "A VIP is not announced any more.",
        (_SPEAKER, _VIP, _PREFIX, WHY),
        line=Line("{speaker} withdraws {vip} ({prefix}): {why}", Cause.SWITCHES),
    ),
    "route_dampened": Event(
        "A VIP was withdrawn so often that it is kept back for a while.",
        (
            _SPEAKER,
            _VIP,
            _PREFIX,
            Field("flaps", int, "Withdrawals within `dampening.window`."),
            Field("seconds", float, "For which it is kept back."),
        ),
        line=Line("{speaker} keeps {vip} back for {seconds} s after {flaps} withdrawals", Cause.SWITCHES),
    ),
    "speaker_problem": Event(
        "A speaker's engine is not as it should be: it is not there, or refuses something. It is tried again every "
        "0.5 s.",
        (_SPEAKER, WHY),
        line=Line("{speaker} is not as it should be: {why}", Cause.GONE),
    ),
    "speaker_recovered": Event(
        "A speaker's engine is as it should be again.",
        (_SPEAKER,),
        line=Line("{speaker} is as it should be again", Cause.SYNCED),
    ),
    "speaker_repaired": Event(
        "A speaker's engine had something else configured than was written, and was put right.",
        (
            _SPEAKER,
            Field("daemon", str, "The daemon of the engine."),
            Field("count", int, "Lines that were added, altered or removed."),
            Field(
                "edits",
                list[str],
                "The first of them, with the context that they stand in. Passwords are `***`.",
            ),
        ),
        line=Line("{speaker}: {daemon} was put right, {count} lines", Cause.AUDIT),
    ),
    "speaker_neighbor": Event(
        "A speaker and a router have begun to speak with each other, or have ceased to.",
        (
            _SPEAKER,
            Field("protocol", str, "`bgp`, `ospf`, `ospf6` or `bfd`."),
            Field("neighbor", str, "The router: an address; of OSPF a router id, `%` and the interface."),
            Field("up", bool, "Whether they speak."),
        ),
        line=Line("{speaker}: {protocol} with {neighbor} is {up:up|down}", Cause.STREAM),
    ),
}
