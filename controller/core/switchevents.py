"""The journal's events about switches, the fences of edges and P4 switches."""

from __future__ import annotations

from collections.abc import Mapping

from controller.core.eventtypes import ERROR, SWITCH, WHY, Event, Field, Line
from controller.sites.causes import Cause

_PINS = Field(
    "pins",
    int | None,
    "Pins that it was read to hold; null if its program keeps them in another way, so that they cannot be read.",
)
_FULLNAT = Field(
    "fullnat",
    list[str],
    "fullnat listeners: their connections that come to another lb switch now end. Missing if there are none.",
)
_FENCE = (
    Field("switch", str, "The edge."),
    Field("interface", str, "The controller's end of the fence."),
)
_LINK = (
    Field("switch", str, "The switch that receives."),
    Field("port", int, "Its port."),
    Field("to", str, "The switch at the other end."),
    Field(
        "missed",
        int | None,
        "Hellos in a row that did not arrive; null at an Open vSwitch, which says itself that its port is not live.",
    ),
)

SWITCHES: Mapping[str, Event] = {
    "switch_up": Event(
        "A control stream began.",
        (SWITCH,),
        line=Line("{switch}: connected", Cause.STREAM),
    ),
    "switch_down": Event(
        "A control stream ended.",
        (SWITCH,),
        line=Line("{switch}: disconnected", Cause.STREAM),
    ),
    "synced": Event(
        "The switch holds everything that it should.",
        (SWITCH,),
        line=Line("{switch}: synced", Cause.SYNCED),
    ),
    "admitted": Event(
        "Edges use this lb switch from now on.",
        (SWITCH, _FULLNAT),
        line=Line("{switch}: used by edges", Cause.SYNCED, decided=True),
    ),
    "withdrawn": Event(
        "Edges leave this lb switch out until it is admitted again.",
        (SWITCH, WHY, _FULLNAT),
        line=Line("{switch}: left out by edges, {why}", Cause.GONE, decided=True),
    ),
    "switch_absent": Event(
        "A switch was not heard of since the controller started, and counts as gone: nothing is sent to it.",
        (SWITCH,),
        line=Line("{switch}: gone, not heard of since the start", Cause.TIME, decided=True),
    ),
    "hash_differs": Event(
        "The datapath of an lb switch hashes otherwise than it should, or did not answer: new pools do not go by it, "
        "and where one does, edges do not use the switch, unless they do already and it is only silent.",
        (SWITCH, WHY),
        line=Line("{switch}: hashes otherwise, {why}", Cause.HASH),
    ),
    "held": Event(
        "An lb switch is synced, and is admitted once that can do no harm.",
        (SWITCH, WHY),
        line=Line("{switch}: not used by edges yet, {why}", Cause.SWITCHES),
    ),
    "links_down": Event(
        "Links of an lb switch to connected switches did not come up in time; it is admitted without them.",
        (SWITCH, Field("waited", float, "Seconds waited.")),
        line=Line("{switch}: used without links that did not come up in {waited} s", Cause.CABLE),
    ),
    "links_shut": Event(
        "The links of an lb switch to edges could not be opened over its OVSDB, so edges do not use it; tried again "
        "every second.",
        (SWITCH, ERROR),
    ),
    "redials_late": Event(
        "An Open vSwitch could not be made to heed `max_backoff` over its OVSDB: it may take 8 s to find another "
        "controller.",
        (SWITCH, ERROR),
    ),
    "converged": Event(
        "A write ended, and the switch acknowledged it.",
        (
            SWITCH,
            Field("added", int, "Entries added."),
            Field("modified", int, "Entries modified."),
            Field("deleted", int, "Entries deleted."),
            Field("ms", float, "Milliseconds until the acknowledgement."),
        ),
        line=Line(
            "{switch}: written[, {added} added][, {modified} modified][, {deleted} deleted], {ms} ms",
            Cause.PLAN,
            leaves_out=(Cause.PINS,),
            adds_up=True,
        ),
    ),
    "repaired": Event(
        "The audit found entries that are not as they were written, and writes them again.",
        (
            SWITCH,
            Field("missing", int, "Entries that were missing."),
            Field("modified", int, "Entries that were altered."),
            Field("unexpected", int, "Entries of ours that should not be there."),
            Field("what", list[str], "Some of them."),
        ),
        line=Line(
            "{switch}: altered by others, repaired[, {missing} missing][, {modified} modified]"
            "[, {unexpected} unexpected]",
            Cause.AUDIT,
            adds_up=True,
        ),
    ),
    "conflict": Event(
        "Flows of others have the same match and priority as ours in the entry table; theirs stay.",
        (SWITCH, Field("count", int, "How many."), Field("first", str, "One of them.")),
        line=Line("{switch}: {count} flows of others in the way, such as {first}", Cause.AUDIT),
    ),
    "timeouts_set": Event(
        "Conntrack timeouts were set over OVSDB.",
        (SWITCH, Field("zones", int, "Zones that had another timeout.")),
    ),
    "memory_short": Event("Conntrack timeouts could not be set over OVSDB.", (SWITCH, ERROR, WHY)),
    "small_fragments_dropped": Event(
        "The conntrack of an lb switch drops small fragments.",
        (
            SWITCH,
            Field("version", int, "The IP version, 4 or 6."),
            WHY,
            Field("remedy", str, "What to run on the switch."),
        ),
    ),
    "switch_error": Event(
        "A switch refused something or did not answer in time. It is read and tried again.", (SWITCH, ERROR)
    ),
    "refused": Event(
        "A switch refused a message whose answer is not awaited.",
        (Field("switch", str, "The stream."), Field("what", str, "The message and the switch's reason.")),
    ),
    "switch_leaves": Event(
        "The intent no longer names a connected switch: it is emptied once no other switch sends to it.",
        (SWITCH,),
        line=Line("{switch}: leaves the intent", Cause.INTENT),
    ),
    "switch_emptied": Event(
        "A switch that the intent no longer names holds no entries of ours any more; its stream is ended.",
        (SWITCH,),
        line=Line("{switch}: emptied", Cause.INTENT),
    ),
    "switch_twice": Event(
        "Two switches with the same id take turns, or one switch connects again and again.",
        (SWITCH, Field("id", str, "The id, hexadecimal."), WHY),
        line=Line("{switch}: {why}", Cause.STREAM),
    ),
    "stranger": Event(
        "A switch connected that is not in the intent. Nothing is written to it.",
        (
            Field("id", str, "Its datapath id, hexadecimal."),
            Field("address", str, "Where it connected from."),
            WHY,
        ),
    ),
    "stream_refused": Event(
        "A connection to the port for OpenFlow was ended before it was a switch's. Written at once, and then every "
        "60 s with how many there were, for each address and reason.",
        (
            Field("address", str, "Where it came from; `any`: there are too many to name."),
            WHY,
            Field("count", int, "How many there were since the last such event."),
        ),
    ),
    "certificate_unused": Event(
        "Files of a certificate (the options are named) have changed, and cannot be used. The former ones are.",
        (WHY,),
    ),
    "listen_unprotected": Event(
        "Written once at the start: others than this machine reach the port for OpenFlow, and it is without TLS. Any "
        "of them can pose as a switch of the intent.",
        (Field("listen", str, "The address."),),
    ),
}

FENCES: Mapping[str, Event] = {
    "fence_claimed": Event(
        "The controller claims its authority at an edge by BFD: the edge answers for VIPs from now on.",
        _FENCE,
        line=Line("{switch} may answer: authority claimed on {interface}", Cause.AUTHORITY),
    ),
    "fence_silent": Event(
        "The controller claims no authority at an edge any more: the edge does not answer for VIPs, unless another "
        "controller of the site claims it.",
        (*_FENCE, WHY),
        line=Line("{switch} is silent on {interface}: {why}", Cause.AUTHORITY),
    ),
    "fence_unwatched": Event(
        "BFD could not be set at the fence of an edge over OVSDB.",
        (SWITCH, WHY),
        line=Line("{switch}: no BFD at its fence: {why}", Cause.SWITCHES),
    ),
    "fence_open": Event(
        "A port of an edge's fence is live although the controller claims no authority there: the edge does not run "
        "BFD on it, and answers until a hard timeout ends that.",
        (*_FENCE, Field("port", int, "Its OpenFlow number.")),
        line=Line("{switch} answers without authority on {interface}", Cause.AUTHORITY),
    ),
    "fence_problem": Event(
        "There is no speaker for fences; another one is started.",
        (WHY,),
        line=Line("no speaker for fences: {why}", Cause.DEFECT),
    ),
}

P4: Mapping[str, Event] = {
    "unreachable": Event(
        "A P4 switch could not be connected, for another reason than before; tried again.",
        (SWITCH, WHY),
        line=Line("{switch} cannot be reached: {why}", Cause.STREAM),
    ),
    "backup": Event(
        "A P4 switch has another primary controller.",
        (
            SWITCH,
            Field(
                "primary",
                int | None,
                "Term of that controller; null: there is none now, and the switch is claimed again with a greater "
                "term than any that it has seen.",
            ),
        ),
        line=Line("{switch} has another primary controller[, term {primary}]", Cause.DEPOSED),
    ),
    "link_down": Event(
        "Hellos between two P4 switches get lost: one event for each end. Or a port of an Open vSwitch lb switch "
        "towards servers is not live (link or BFD down). Edges leave out an lb switch that does not reach all servers.",
        _LINK,
        line=Line("{switch} port {port} to {to} is down[, {missed} hellos missed]", Cause.CABLE),
    ),
    "link_up": Event(
        "Hellos between two P4 switches arrive again: one event for each end. Or such a port of an Open vSwitch has "
        "been live again for a second.",
        _LINK,
        line=Line("{switch} port {port} to {to} is up", Cause.CABLE),
    ),
    "link_miswired": Event(
        "A hello arrived where the intent has no such cable.",
        (
            Field("switch", str, "The switch that it arrived at."),
            Field("port", int, "The port that it arrived at."),
            Field("sender", str, "The switch that sent it."),
            Field("sender_port", int, "The port that it was sent from."),
        ),
        line=Line("{switch} port {port} hears {sender} port {sender_port}", Cause.CABLE),
    ),
    "pipeline_differs": Event(
        "A P4 switch runs another program. It serves with what it holds until its turn.",
        (SWITCH, Field("cookie", str, "Of its program, hexadecimal; 0: it has none."), _PINS),
        line=Line("{switch} runs another program", Cause.PROGRAM),
    ),
    "push_granted": Event(
        "The turn of a P4 switch: it is emptied and gets the program.",
        (
            SWITCH,
            Field("late", list[str], "Neighbours that may still send to it."),
            Field("unsynced", int, "Pins that not every lb switch holds yet."),
            Field("moving", int, "Slots in transition."),
        ),
        line=Line("{switch} gets the program", Cause.PROGRAM),
    ),
    "pushed": Event(
        "A P4 switch holds everything again, under the new program.",
        (SWITCH, Field("seconds", float, "Seconds since its turn began.")),
        line=Line("{switch} is pushed, after {seconds} s", Cause.PROGRAM),
    ),
    "push_given_up": Event(
        "A P4 switch was not synced or admitted in time, or refused the program. The next one has its turn.",
        (SWITCH, WHY),
        line=Line("the push of {switch} is given up: {why}", Cause.PROGRAM),
    ),
    "push_held": Event(
        "The roll waits: the last switch that serves is not emptied while another one is not synced under the new "
        "program.",
        (WHY,),
        line=Line("the push waits: {why}", Cause.PROGRAM),
    ),
}
