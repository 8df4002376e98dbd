"""The journal's events: every name with its meaning and its fields. The reference is generated from this, and a test
compares it with what the code writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Field(NamedTuple):
    """A key of an event."""

    name: str
    type: object
    """Its Python type: str, int, float, bool, a list of one of them, or one of them or None."""
    meaning: str


class Event(NamedTuple):
    """A kind of event."""

    meaning: str
    fields: tuple[Field, ...] = ()


HEAD = (
    Field("t", float, "Seconds of the monotonic clock: what durations are computed from."),
    Field("at", float, "Unix time, for people."),
    Field(
        "change",
        int,
        "Revision of the last commit to the store before the event. Missing in `events_dropped`, which the log itself "
        "writes.",
    ),
    Field("event", str, "The name."),
)
"""Fields of every event."""

_SWITCH = Field("switch", str, "Name of the switch.")
_WHY = Field("why", str, "The reason, in words.")
_ERROR = Field("error", str, "What went wrong, in words.")
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

PROGRAM: Mapping[str, Event] = {
    "started": Event(
        "The controller is ready for switches.",
        (
            Field(
                "listen",
                str,
                "Address and port for OpenFlow; missing in an os-ken process, which listens itself.",
            ),
            Field("term", int, "The term with which switches are claimed; it grows with every start."),
        ),
    ),
    "stopped": Event("The controller ends because of a signal."),
    "failure": Event(
        "A defect in the controller. It goes on; please report it.",
        (
            Field("error", str, "The exception."),
            Field("place", str, "File and line where it was raised."),
            Field("switch", str, "The switch or stream concerned, if one is."),
            Field("report", str, "Kind of the message from a switch that was being handled, if one was."),
            Field("part", str, "Part of the controller, if it was not about a switch or a file."),
            Field("file", str, "The file concerned, if one is."),
            Field("command", str, "The command concerned, if one is."),
        ),
    ),
    "events_dropped": Event(
        "Standard output took no lines for a while, and events were lost.",
        (Field("count", int, "Events lost since the start."),),
    ),
    "store_failed": Event(
        "The store cannot be written. Nothing changes on switches until it can; tried again every 0.5 s.",
        (_ERROR,),
    ),
    "store_recovered": Event("The store can be written again, and all that has changed meanwhile is stored."),
    "store_taken": Event(
        "Another controller has written to the same store. This one ends, with code 4; switches keep what they hold.",
        (_ERROR,),
    ),
}

LEADING: Mapping[str, Event] = {
    "standby": Event(
        "Another controller leads: this one serves nothing, and waits. Also when it waits for yet another one.",
        (Field("controller", str, "This one."), Field("leader", str, "The one that leads.")),
    ),
    "leads": Event(
        "This controller leads, and begins to serve; or its leadership, which had lapsed, stands again.",
        (
            Field("controller", str, "This one."),
            Field("after", str | None, "The one that was silent for too long; null: none led."),
        ),
    ),
    "leadership_lapsed": Event(
        "The leadership of this controller could not be renewed in time, so another one may claim it. It goes on with "
        "what was stored, until the store says who leads.",
        (_WHY,),
    ),
    "leadership_lost": Event(
        "Another controller leads in the place of this one, which ends, with code 4. Switches keep what they hold.",
        (Field("leader", str, "The one that leads."),),
    ),
    "leadership_released": Event("This controller has ended its leadership: the next one begins at once."),
}

SERVICE: Mapping[str, Event] = {
    "paused": Event(
        "The controller stood still (stopped, suspended, held up): `keep_for` of servers that are down begins again "
        "with the next probe that fails.",
        (
            Field("seconds", float, "For how long."),
            Field(
                "worked",
                float,
                "Seconds of processor time that it used meanwhile. About as many: it held itself up. Few: it was "
                "stopped, or the machine had no time for it.",
            ),
        ),
    ),
    "probing_problem": Event("Probing is disturbed: verdicts stand still.", (_WHY,)),
    "writer": Event(
        "Another backend is the one writer of a pool with `failover`.",
        (
            Field("pool", str, "Key of the pool."),
            Field("backend", str | None, "The writer; null: none."),
            Field("former", str | None, "The one before; null: none."),
        ),
    ),
    "command": Event(
        "A command came over the control socket, and was answered.",
        (
            Field("command", str, "Its name; empty if it could not be read."),
            Field("ok", bool, "Whether it was carried out and stored."),
            Field("refused", list[str], "Why it was refused, if it was."),
            Field("not_stored", str, "Why it is not stored, if that failed."),
            Field("writer", str, "Of `failback`: the writer now."),
            Field("revision", int, "Of `failback`: the commit that holds it."),
        ),
    ),
    "control_failed": Event(
        "The control socket could not be made; the controller goes on without it.",
        (Field("file", str, "The socket."), _ERROR),
    ),
    "intent_accepted": Event(
        "The intent changed.",
        (Field("pools", int, "Pools that it has."), Field("vips", int, "VIPs that it has.")),
    ),
    "intent_refused": Event(
        "The file is not accepted, and the last good intent stays in force: it has errors, would break connections or "
        "remove everything, or needs more ids than are free.",
        (Field("errors", list[str], "Each reason, with what would be right."),),
    ),
    "verdict": Event(
        "A backend went up or down.",
        (
            Field("pool", str, "The pool."),
            Field("backend", str, "The backend."),
            Field("up", bool, "Whether it is up now."),
            Field("reason", str, "What the last probe found."),
        ),
    ),
    "table": Event(
        "A pool has a new table.",
        (
            Field(
                "pool",
                str,
                "Pool and protocol, such as `web/tcp`; after the listener, if the table is its own.",
            ),
            Field("revision", int, "Counts the tables of this pool."),
            Field("moving", int, "Slots in transition."),
            Field("serving", int, "Backends that have slots."),
            Field("panicked", bool, "Whether so many backends are down that health is ignored."),
        ),
    ),
    "pool_size_kept": Event(
        "`max_backends` asks for another number of slots; the pool keeps the one that it has.",
        (
            Field("pool", str, "Pool and protocol."),
            Field("slots", int, "Slots that it keeps."),
            _WHY,
        ),
    ),
    "spread_kept": Event(
        "A pool in use would have another `spread` if it were new; it keeps what it has until `evenkeel rehash`.",
        (
            Field("pool", str, "Pool and protocol."),
            Field("spread", str, "What it has: `own`, `datapath` or `bits`."),
            Field("asked", str, "What it would have."),
        ),
    ),
    "rehash_begun": Event(
        "All connections of a pool are pinned, so that its slots can be taken otherwise.",
        (Field("pool", str, "Pool and protocol."), Field("spread", str, "From what slots are taken now.")),
    ),
    "rehash_ended": Event(
        "The slots of a pool are taken otherwise, or the rehash was cancelled.",
        (
            Field("pool", str, "Pool and protocol."),
            Field("spread", str, "From what slots are taken now."),
            Field(
                "former",
                str,
                "From what they were taken; the same: it was cancelled, or nothing was to change.",
            ),
        ),
    ),
    "listener_drains": Event(
        "A listener was removed. It accepts nothing new, and its connections stay for `drain_timeout`.",
        (Field("listener", str, "The listener, such as `shop/tcp/80`."),),
    ),
    "listener_returned": Event(
        "A listener that drained is in the intent again.", (Field("listener", str, "The listener."),)
    ),
    "listener_gone": Event(
        "A removed listener has drained: it is removed from the switches.",
        (Field("listener", str, "The listener."),),
    ),
    "ordered": Event(
        "An operator moved VIPs, or withdrew that.",
        (
            Field("vips", list[str], "All VIPs of the group."),
            Field("site", str | None, "Where they are to be owned; null: where the intent has them."),
        ),
    ),
    "site_drained": Event(
        "An operator drained a site: it owns nothing until it is undrained.",
        (Field("site", str, "The site."),),
    ),
    "site_undrained": Event("An operator ended that.", (Field("site", str, "The site."),)),
    "vip_moves": Event(
        "A VIP belongs to another site: its former owner's switches are made silent first.",
        (
            Field("vip", str, "The VIP."),
            Field("site", str, "Its new home."),
            Field("former", str, "The site that owned it."),
        ),
    ),
    "vip_moved": Event(
        "A VIP has a new owner, whose edges begin to answer and announce it.",
        (
            Field("vip", str, "The VIP."),
            Field("site", str, "The owner."),
            Field("former", str, "The site that owned it before."),
            Field("unowned_ms", float, "Milliseconds for which no site owned it."),
        ),
    ),
    "memory_turned": Event(
        "A VIP's memory on Open vSwitch has a new generation.",
        (
            Field("vip", str, "The VIP."),
            Field("generation", int, "How many there were before; it grows by one."),
        ),
    ),
}

SWITCHES: Mapping[str, Event] = {
    "switch_up": Event("A control stream began.", (_SWITCH,)),
    "switch_down": Event("A control stream ended.", (_SWITCH,)),
    "synced": Event("The switch holds everything that it should.", (_SWITCH,)),
    "admitted": Event("Edges use this lb switch from now on.", (_SWITCH, _FULLNAT)),
    "withdrawn": Event(
        "Edges leave this lb switch out until it is admitted again.", (_SWITCH, _WHY, _FULLNAT)
    ),
    "hash_differs": Event(
        "The datapath of an lb switch hashes otherwise than it should, or did not answer: new pools do not go by it, "
        "and where one does, edges do not use the switch.",
        (_SWITCH, _WHY),
    ),
    "held": Event("An lb switch is synced, and is admitted once that can do no harm.", (_SWITCH, _WHY)),
    "links_down": Event(
        "Links of an lb switch to connected switches did not come up in time; it is admitted without them.",
        (_SWITCH, Field("waited", float, "Seconds waited.")),
    ),
    "links_shut": Event(
        "The links of an lb switch to edges could not be opened over its OVSDB, so edges do not use it; tried again "
        "every second.",
        (_SWITCH, _ERROR),
    ),
    "converged": Event(
        "A write ended, and the switch acknowledged it.",
        (
            _SWITCH,
            Field("added", int, "Entries added."),
            Field("modified", int, "Entries modified."),
            Field("deleted", int, "Entries deleted."),
            Field("ms", float, "Milliseconds until the acknowledgement."),
        ),
    ),
    "repaired": Event(
        "The audit found entries that are not as they were written, and writes them again.",
        (
            _SWITCH,
            Field("missing", int, "Entries that were missing."),
            Field("modified", int, "Entries that were altered."),
            Field("unexpected", int, "Entries of ours that should not be there."),
            Field("what", list[str], "Some of them."),
        ),
    ),
    "conflict": Event(
        "Flows of others have the same match and priority as ours in the entry table; theirs stay.",
        (_SWITCH, Field("count", int, "How many."), Field("first", str, "One of them.")),
    ),
    "timeouts_set": Event(
        "Conntrack timeouts were set over OVSDB.",
        (_SWITCH, Field("zones", int, "Zones that had another timeout.")),
    ),
    "memory_short": Event("Conntrack timeouts could not be set over OVSDB.", (_SWITCH, _ERROR, _WHY)),
    "small_fragments_dropped": Event(
        "The conntrack of an lb switch drops small fragments.",
        (
            _SWITCH,
            Field("version", int, "The IP version, 4 or 6."),
            _WHY,
            Field("remedy", str, "What to run on the switch."),
        ),
    ),
    "switch_error": Event(
        "A switch refused something or did not answer in time. It is read and tried again.", (_SWITCH, _ERROR)
    ),
    "refused": Event(
        "A switch refused a message whose answer is not awaited.",
        (Field("switch", str, "The stream."), Field("what", str, "The message and the switch's reason.")),
    ),
    "switch_leaves": Event(
        "The intent no longer names a connected switch: it is emptied once no other switch sends to it.",
        (_SWITCH,),
    ),
    "switch_emptied": Event(
        "A switch that the intent no longer names holds no entries of ours any more; its stream is ended.",
        (_SWITCH,),
    ),
    "switch_twice": Event(
        "Two switches with the same id take turns, or one switch connects again and again.",
        (_SWITCH, Field("id", str, "The id, hexadecimal."), _WHY),
    ),
    "stranger": Event(
        "A switch connected that is not in the intent. Nothing is written to it.",
        (
            Field("id", str, "Its datapath id, hexadecimal."),
            Field("address", str, "Where it connected from."),
            _WHY,
        ),
    ),
}

FENCES: Mapping[str, Event] = {
    "fence_claimed": Event(
        "The controller claims its authority at an edge by BFD: the edge answers for VIPs from now on.",
        _FENCE,
    ),
    "fence_silent": Event(
        "The controller claims no authority at an edge any more: the edge does not answer for VIPs, unless another "
        "controller of the site claims it.",
        (*_FENCE, _WHY),
    ),
    "fence_unwatched": Event("BFD could not be set at the fence of an edge over OVSDB.", (_SWITCH, _WHY)),
    "fence_open": Event(
        "A port of an edge's fence is live although the controller claims no authority there: the edge does not run "
        "BFD on it, and answers until a hard timeout ends that.",
        (*_FENCE, Field("port", int, "Its OpenFlow number.")),
    ),
    "fence_problem": Event("There is no speaker for fences; another one is started.", (_WHY,)),
}

P4: Mapping[str, Event] = {
    "unreachable": Event(
        "A P4 switch could not be connected, for another reason than before; tried again.", (_SWITCH, _WHY)
    ),
    "backup": Event(
        "A P4 switch has another primary controller.",
        (
            _SWITCH,
            Field(
                "primary",
                int | None,
                "Term of that controller; null: there is none now, and the switch is claimed again with a greater "
                "term than any that it has seen.",
            ),
        ),
    ),
    "link_down": Event(
        "Hellos between two P4 switches get lost: one event for each end. Or a port of an Open vSwitch lb switch "
        "towards servers is not live (link or BFD down). Edges leave out an lb switch that does not reach all servers.",
        _LINK,
    ),
    "link_up": Event(
        "Hellos between two P4 switches arrive again: one event for each end. Or such a port of an Open vSwitch has "
        "been live again for a second.",
        _LINK,
    ),
    "link_miswired": Event(
        "A hello arrived where the intent has no such cable.",
        (
            Field("switch", str, "The switch that it arrived at."),
            Field("port", int, "The port that it arrived at."),
            Field("sender", str, "The switch that sent it."),
            Field("sender_port", int, "The port that it was sent from."),
        ),
    ),
    "pipeline_differs": Event(
        "A P4 switch runs another program. It serves with what it holds until its turn.",
        (_SWITCH, Field("cookie", str, "Of its program, hexadecimal; 0: it has none."), _PINS),
    ),
    "push_granted": Event(
        "The turn of a P4 switch: it is emptied and gets the program.",
        (
            _SWITCH,
            Field("late", list[str], "Neighbours that may still send to it."),
            Field("unsynced", int, "Pins that not every lb switch holds yet."),
            Field("moving", int, "Slots in transition."),
        ),
    ),
    "pushed": Event(
        "A P4 switch holds everything again, under the new program.",
        (_SWITCH, Field("seconds", float, "Seconds since its turn began.")),
    ),
    "push_given_up": Event(
        "A P4 switch was not synced or admitted in time, or refused the program. The next one has its turn.",
        (_SWITCH, _WHY),
    ),
    "push_held": Event(
        "The roll waits: the last switch that serves is not emptied while another one is not synced under the new "
        "program.",
        (_WHY,),
    ),
}

EVENTS: Mapping[str, Event] = {**PROGRAM, **LEADING, **SERVICE, **SWITCHES, **FENCES, **P4}
"""All events by name."""
