"""The journal's events about VIPs and the sites that own them."""

from __future__ import annotations

from collections.abc import Mapping

from controller.core.eventtypes import Event, Field, Line
from controller.sites.causes import Cause

_VIP = Field("vip", str, "The VIP.")
_SITE = Field("site", str, "The site.")
_MAC = Field("mac", str, "The MAC that it says the VIP has.")

VIPS: Mapping[str, Event] = {
    "site_unfit": Event(
        "A site cannot serve VIPs: those that it owns move to other sites of their `owners`, if these are fit.",
        (_SITE, Field("why", str, "What it lacks.")),
        line=Line("site {site} cannot serve: {why}", Cause.SWITCHES),
    ),
    "site_fit": Event(
        "A site can serve VIPs again.",
        (_SITE,),
        line=Line("site {site} can serve", Cause.SWITCHES),
    ),
    "vip_moves": Event(
        "A VIP belongs to another site: its former owner's switches are made silent first.",
        (
            _VIP,
            Field("site", str, "Its new home; empty: no site can have it."),
            Field("former", str, "The site that owned it."),
            Field("why", str, "The cause, with the values that decide."),
        ),
        line=Line("VIP {vip}: moves from {former}[ to {site}][, {why}]", Cause.HOME, decided=True),
    ),
    "vip_moved": Event(
        "A VIP has a new owner, whose edges begin to answer and announce it.",
        (
            _VIP,
            Field("site", str, "The owner."),
            Field("former", str, "The site that owned it before."),
            Field("unowned_ms", float, "Milliseconds for which no site owned it."),
        ),
        line=Line(
            "VIP {vip}: owned by {site}[, before by {former}], unowned for {unowned_ms} ms",
            Cause.SILENT,
            decided=True,
            adds_up=True,
        ),
    ),
    "vip_conflict": Event(
        "Another host says that it has a VIP. The VIP is announced again at once, and as often as that goes on.",
        (
            _VIP,
            _MAC,
            Field(
                "server", str, "The backend that has this MAC, as POOL/BACKEND; empty: none of the intent."
            ),
            Field("switch", str, "The edge that heard it."),
        ),
        line=Line("VIP {vip} is claimed by {mac}[, server {server}], heard by {switch}", Cause.CONFLICT),
    ),
    "vip_conflict_ended": Event(
        "A host that said it had a VIP has been silent for a minute.",
        (
            _VIP,
            _MAC,
            Field("frames", int, "Frames that said so and were reported, 50 a second and switch at most."),
            Field("lasted", float, "Seconds between the first and the last of them."),
        ),
        line=Line("VIP {vip} is not claimed by {mac} any more", Cause.TIME),
    ),
}
