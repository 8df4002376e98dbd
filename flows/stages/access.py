"""`access`: drops packets from sources that a listener's list blocks; the longest prefix that matches counts.

    entry, fragment_* ─► access ─► served ─┬─ blocked ─► dropped, counted
                                           ├─ SYN ─► prefix     other packets ─► pin, or the datapath's hash
                                           └─ fragments ─► fate, or unknown

Only listeners with a list come here, all of their packets, those of established connections among them. ICMP errors
do not: their source is a router's. Both tables came after the others, which kept their numbers: ``served`` resubmits.
"""

from __future__ import annotations

from controller.spec.spread import Spread
from controller.spec.switch import ListenerSpec
from flows.actions import Bits, Load, Resubmit
from flows.entries import Flow, FlowKey, flow
from flows.fields import FRAG_ANY
from flows.match import Match
from flows.spec import FAMILIES, Here, family_of
from flows.stages import fragment, slotted
from flows.tables import FLAG_BLOCKED, FLAG_GATHERED, FLAG_SYN, FLAGS, LISTENER, Kind, Stage

_BLOCKED = Bits(FLAGS, FLAG_BLOCKED.bit_length() - 1, 1)


def flows(here: Here, listener: ListenerSpec) -> list[Flow]:
    """The rules of one listener, and how its packets go on."""
    if not listener.access:
        return []
    placed = here.placed
    kin, table = family_of(listener), placed.table(Stage.ACCESS)
    served, this = placed.table(Stage.SERVED), Match.of(**{LISTENER: listener.id})
    family = Match.of(**{LISTENER: listener.id, "eth_type": kin.eth_type})
    allow = flow(table, 0, this, cookie=placed.cookie(Kind.ALLOW, listener.id), goto=served).body
    mark, blocked = (Load(1, _BLOCKED),), placed.cookie(Kind.BLOCK, listener.id)
    block = flow(table, 0, this, mark, cookie=blocked, goto=served).body
    out = [
        Flow(
            FlowKey(table, 10 + prefix.prefixlen, family.plus(**{kin.src: prefix})),
            allow if allows else block,
        )
        for prefix, allows in listener.access.rules
    ]
    if listener.spread is Spread.DATAPATH:
        cookie = placed.cookie(Kind.STATIC)
        out.append(flow(served, 10, this, slotted.hashes(placed), cookie=cookie))
    return out


def static(here: Here) -> list[Flow]:
    """What is the same for every listener: what no prefix names passes, and goes on where it would without a list."""
    placed = here.placed
    served, cookie = placed.table(Stage.SERVED), placed.cookie(Kind.STATIC)
    drop, both = placed.cookie(Kind.DROP), FLAG_BLOCKED | FLAG_GATHERED
    waited = {FLAGS: (both, both)}

    def goes_on(priority: int, match: Match, to: Stage) -> Flow:
        return flow(served, priority, match, (Resubmit(placed.table(to)),), cookie=cookie)

    return [
        flow(placed.table(Stage.ACCESS), 0, Match(), cookie=cookie, goto=served),
        *(
            flow(served, 40, kin.ip.plus(**waited), (fragment.call_off(here),), cookie=drop)
            for kin in FAMILIES
        ),
        flow(served, 39, Match.of(**{FLAGS: (FLAG_BLOCKED, FLAG_BLOCKED)}), cookie=drop),
        goes_on(30, Match.of(**{FLAGS: (FLAG_SYN, FLAG_SYN)}), Stage.PREFIX),
        goes_on(25, Match.of(**{FLAGS: (FLAG_GATHERED, FLAG_GATHERED)}), Stage.UNKNOWN),
        *(goes_on(20, kin.ip.plus(ip_frag=FRAG_ANY), Stage.FATE) for kin in FAMILIES),
        goes_on(0, Match(), Stage.PIN),
    ]
