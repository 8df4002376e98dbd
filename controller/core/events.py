"""The journal's events: every name with its meaning and its fields. The reference is generated from this, and a test
compares it with what the code writes. Those with a ``line`` are of the timeline too.
"""

from __future__ import annotations

from collections.abc import Mapping

from controller.core.agentevents import AGENTS
from controller.core.discoveryevents import DISCOVERY
from controller.core.eventtypes import ERROR, WHY, Event, Field, Line
from controller.core.nameevents import NAMES
from controller.core.nameserverevents import NAMESERVERS
from controller.core.routeevents import ROUTES
from controller.core.switchevents import FENCES, P4, SWITCHES
from controller.core.tierevents import TIERS
from controller.core.vipevents import VIPS
from controller.core.weightevents import WEIGHTS
from controller.sites.causes import Cause

HEAD = (
    Field("t", float, "Seconds of the monotonic clock: what durations are computed from."),
    Field("at", float, "Unix time, for people."),
    Field(
        "change",
        int,
        "Revision of the store that the event belongs to: of the last commit before it, of the plan in `converged`, of "
        "the register in events about leadership. Missing in `events_dropped`, which the log itself writes.",
    ),
    Field("event", str, "The name."),
    Field("cause", str, "Why, in one word of a closed list; in events of the timeline only."),
)
"""Fields of every event."""
DIGEST = Field(
    "digest",
    str | None,
    "SHA-256 of the intent file's bytes, as `sha256sum` prints it: which text is meant. Null: the intent is not from a "
    "file, or the file is no text.",
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
        line=Line("serves switches, term {term}", Cause.STARTED),
    ),
    "stopped": Event(
        "The controller ends because of a signal.",
        line=Line("ends", Cause.SIGNAL),
    ),
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
        line=Line("a defect: {error}[ at {place}][, in {part}][, switch {switch}]", Cause.DEFECT),
    ),
    "events_dropped": Event(
        "Standard output took no lines for a while, and events were lost.",
        (Field("count", int, "Events lost since the start."),),
    ),
    "timeline_failed": Event(
        "Events could not be added to the timeline in the store. It goes on without that; up to 1,000 wait, and it is "
        "tried again every 2 s.",
        (ERROR,),
    ),
    "timeline_recovered": Event(
        "Events are added to the timeline again.",
        (Field("lost", int, "Events that it misses, since more than 1,000 waited."),),
        line=Line("the timeline can be written again[, {lost} events are missing]", Cause.STORE),
    ),
    "store_failed": Event(
        "The store cannot be written. Tables do not change until it can, or until `ahead`; tried again every 0.5 s.",
        (ERROR,),
        line=Line("the store cannot be written: {error}", Cause.STORE),
    ),
    "store_recovered": Event(
        "The store can be written again, and all that has changed meanwhile is stored.",
        line=Line("the store can be written again", Cause.STORE),
    ),
    "ahead": Event(
        "What has changed is carried out although it cannot be stored. It is kept beside the state file until it is.",
        (Field("values", int, "Stored values that differ from what the store has."),),
        line=Line("goes on without the store, {values} values ahead of it", Cause.STORE),
    ),
    "ahead_barred": Event(
        "The store cannot be written, and this controller may not go on without it. It goes on as soon as it may.",
        (WHY,),
        line=Line("does not go on without the store: {why}", Cause.STORE),
    ),
    "ahead_taken": Event(
        "This controller had carried out what it could not store when it ended; it begins from there.",
        (Field("values", int, "Stored values that differ from what the store has."),),
        line=Line("takes {values} values from beside its state file", Cause.STORE),
    ),
    "ahead_dropped": Event(
        "This controller had carried out what it could not store when it ended, and another one has led since.",
        (Field("values", int, "Stored values that were ahead of the store."), WHY),
        line=Line("drops {values} values from beside its state file: {why}", Cause.STORE),
    ),
    "store_taken": Event(
        "Another controller has written to the same store. This one ends, with code 4; switches keep what they hold.",
        (ERROR,),
        line=Line("another controller wrote to the store: {error}", Cause.DEPOSED),
    ),
}

LEADING: Mapping[str, Event] = {
    "standby": Event(
        "Another controller leads: this one serves nothing, and waits. Also when it waits for yet another one.",
        (Field("controller", str, "This one."), Field("leader", str, "The one that leads.")),
        line=Line("stands by: {leader} leads", Cause.LED),
    ),
    "leads": Event(
        "This controller leads, and begins to serve; or its leadership, which had lapsed, stands again.",
        (
            Field("controller", str, "This one."),
            Field("after", str | None, "The one that was silent for too long; null: none led."),
        ),
        line=Line("leads[, {after} was silent for too long]", Cause.CLAIMED_FREE),
    ),
    "leadership_lapsed": Event(
        "The leadership of this controller could not be renewed in time, so another one may claim it. It goes on with "
        "what was stored, until the store says who leads.",
        (WHY,),
        line=Line("its leadership could not be renewed: {why}", Cause.LAPSED),
    ),
    "leadership_lost": Event(
        "Another controller leads in the place of this one, which ends, with code 4. Switches keep what they hold.",
        (Field("leader", str, "The one that leads."),),
        line=Line("ends: {leader} leads in its place", Cause.DEPOSED),
    ),
    "leadership_released": Event(
        "This controller has ended its leadership: the next one begins at once.",
        line=Line("gives leadership up", Cause.RELEASED),
    ),
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
        line=Line("stood still for {seconds} s", Cause.PAUSE),
    ),
    "probing_problem": Event(
        "Probing is disturbed: verdicts stand still.",
        (WHY,),
        line=Line("probing is disturbed: {why}", Cause.PROBE),
    ),
    "writer": Event(
        "Another backend is the one writer of a pool with `failover`.",
        (
            Field("pool", str, "Key of the pool."),
            Field("backend", str | None, "The writer; null: none."),
            Field("former", str | None, "The one before; null: none."),
        ),
        line=Line("{pool}: [the writer is {backend}][, before it {former}]", Cause.VERDICT, decided=True),
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
    "access_unused": Event(
        "The file of roles or of tokens has changed, and cannot be used. What it said before is in force.",
        (Field("why", str, "What is wrong, with file and line."),),
    ),
    "audit_failed": Event(
        "The audit log cannot be written: changes are refused until it can be. Written once until then.",
        (Field("why", str, "The reason."),),
    ),
    "traces_failed": Event(
        "Spans cannot be sent. Nothing else waits for them. Written once until they can be.", (WHY,)
    ),
    "traces_sent": Event("Spans are taken again."),
    "control_failed": Event(
        "The control socket could not be made; the controller goes on without it.",
        (Field("file", str, "The socket."), ERROR),
    ),
    "intent_accepted": Event(
        "The intent changed.",
        (
            Field("pools", int, "Pools that it has."),
            Field("vips", int, "VIPs that it has."),
            DIGEST,
        ),
        line=Line("intent accepted: {vips} VIPs, {pools} pools", Cause.INTENT, decided=True),
    ),
    "override": Event(
        "An operator set disruption budgets aside for one edit, which is accepted.",
        (
            Field("reason", str, "The operator's."),
            Field("broken", list[str], "What the budgets say of the edit."),
        ),
        line=Line("budgets set aside: {reason}", Cause.OPERATOR, decided=True),
    ),
    "slots_held": Event(
        "A pool's budget holds back slots that health would move to a backend: they wait for room.",
        (Field("pool", str, "Pool and protocol."), Field("slots", int, "How many wait.")),
        line=Line("{pool}: {slots} slots wait for the budget", Cause.VERDICT, decided=True),
    ),
    "slots_released": Event(
        "The budget holds back no slot of a pool any more.",
        (
            Field("pool", str, "Pool and protocol."),
            Field("slots", int, "How many had waited as of the last table."),
        ),
        line=Line("{pool}: no slot waits for the budget any more", Cause.TIME, decided=True),
    ),
    "intent_refused": Event(
        "The file is not accepted, and the last good intent stays in force: it has errors, would break connections or "
        "a disruption budget, would remove everything, or needs more ids than are free.",
        (Field("errors", list[str], "Each reason, with what would be right."), DIGEST),
        line=Line("intent refused: {errors}", Cause.INTENT),
    ),
    "verdict": Event(
        "A backend went up or down.",
        (
            Field("pool", str, "The pool."),
            Field("backend", str, "The backend."),
            Field("up", bool, "Whether it is up now."),
            Field("reason", str, "What the last probe found."),
        ),
        line=Line("{pool}: {backend} {up:up|down}[, {reason}]", Cause.PROBE, decided=True),
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
            Field("moved", int, "Slots that another backend serves than before."),
            Field("moving", int, "Slots in transition."),
            Field("serving", int, "Backends that have slots."),
            Field("panicked", bool, "Whether so many backends are down that health is ignored."),
        ),
        line=Line(
            "{pool}: table {revision}, {moved} slots moved, {serving} backends serve[, {moving} slots in transition]"
            "{panicked:, health is ignored|}",
            Cause.TIME,
            decided=True,
        ),
    ),
    "groups": Event(
        "Other priority groups of a pool serve: it goes to its backup, or returns from it. Not when the intent makes "
        "the pool, and not for a pool with `failover`.",
        (
            Field("pool", str, "Pool and protocol; after the listener, if the table is its own."),
            Field(
                "serving", list[int], "The groups that get new connections now; none: all backends are down."
            ),
            Field("former", list[int], "Those that did before."),
            Field("why", str, "What lives of them, in words."),
        ),
        line=Line(
            "{pool}: [served by groups {serving}][, before by {former}]: {why}", Cause.VERDICT, decided=True
        ),
    ),
    "pool_size_kept": Event(
        "`max_backends` asks for another number of slots; the pool keeps the one that it has.",
        (
            Field("pool", str, "Pool and protocol."),
            Field("slots", int, "Slots that it keeps."),
            WHY,
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
        line=Line("{pool}: rehash begun, slots by {spread}", Cause.OPERATOR, decided=True),
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
        line=Line("{pool}: rehash ended, slots by {spread}, before by {former}", Cause.TIME, decided=True),
    ),
    "listener_drains": Event(
        "A listener was removed. It accepts nothing new, and its connections stay for `drain_timeout`.",
        (Field("listener", str, "The listener, such as `shop/tcp/80`."),),
        line=Line("{listener} drains", Cause.INTENT, decided=True),
    ),
    "listener_returned": Event(
        "A listener that drained is in the intent again.",
        (Field("listener", str, "The listener."),),
        line=Line("{listener} is back", Cause.INTENT, decided=True),
    ),
    "listener_gone": Event(
        "A removed listener has drained: it is removed from the switches.",
        (Field("listener", str, "The listener."),),
        line=Line("{listener} has drained", Cause.TIME, decided=True),
    ),
    "ordered": Event(
        "An operator moved VIPs, or withdrew that.",
        (
            Field("vips", list[str], "All VIPs of the group."),
            Field("site", str | None, "Where they are to be owned; null: where the intent has them."),
        ),
        line=Line("ordered: {vips}[ at {site}]", Cause.OPERATOR, decided=True),
    ),
    "site_drained": Event(
        "An operator drained a site: it owns nothing until it is undrained.",
        (Field("site", str, "The site."),),
        line=Line("site {site} drained", Cause.OPERATOR, decided=True),
    ),
    "site_undrained": Event(
        "An operator ended that.",
        (Field("site", str, "The site."),),
        line=Line("site {site} undrained", Cause.OPERATOR, decided=True),
    ),
    "claimed_without_store": Event(
        "An operator confirmed that no other controller leads: VIPs of several owners are answered for without the "
        "store.",
        (Field("why", str, "Why the store does not answer."),),
        line=Line("answers without the store by an operator's word[: {why}]", Cause.FORCED),
    ),
    "claim_ended": Event(
        "The store answers again: leadership is by its register as before.",
        line=Line("leads by the store again", Cause.FORCE_ENDED),
    ),
    "intent_kept": Event(
        "This controller begins to lead, and its file is not the stored intent, which stays in force.",
        (Field("file", str, "The file."), Field("why", str, "What is so, and what to do.")),
        line=Line("the stored intent stays in force, not {file}: {why}", Cause.INTENT),
    ),
    "memory_turned": Event(
        "A VIP's memory on Open vSwitch has a new generation.",
        (
            Field("vip", str, "The VIP."),
            Field("generation", int, "How many there were before; it grows by one."),
        ),
    ),
}

EVENTS: Mapping[str, Event] = {
    **PROGRAM,
    **LEADING,
    **SERVICE,
    **VIPS,
    **SWITCHES,
    **FENCES,
    **P4,
    **AGENTS,
    **NAMESERVERS,
    **WEIGHTS,
    **DISCOVERY,
    **ROUTES,
    **NAMES,
    **TIERS,
}
"""All events by name."""
