"""Tables, registers, flags, priorities and cookies of the OpenFlow pipeline: each number once.

    entry ─ prefix ─ guard ─ pin ─ pinned ─ memory ─ recall_* ─ unknown ─ hash ─ spread ─ slot ─ commit ────┐
      │               │       │  └───────────────┴─ fate ──────┴────────────────────────────────────────────┤
      ├───────────────┴─ (the datapath hashes) ─ slotted ─ pin                                              │
      │                       unknown ─ unknown_prefix ─ unknown (of listeners with rates of prefixes)      │
      ├─ access ─ served ─ prefix, pin ... (of listeners with an access list; fragments: fate, unknown)     │
      │                                                                                 backend ─ nexthop ◄─┘
      ├─ fragment_* ─ fragment ─ fate, or as new: hash ─ gathered ─ unknown ─ hash ... commit (with all the others)
      ├─ icmp_* ─ icmp_out ─ backend
      ├─ slot ─ a group (on an edge)
      └─ answer_fragment, answer_local ─ answer_fragment_vip ─ answer_fragment_port ─ tables of others

A goto only leads forward, so the numbers follow this order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from controller.spec.types import OpenFlowPlacement
from flows.actions import Bits
from flows.messages import COOKIE_SHIFT


class Stage(IntEnum):
    """Our tables, counted from ``placement.tables_from``."""

    FRAGMENT_NOW = 0
    FRAGMENT_NEW = 1
    FRAGMENT = 2
    PREFIX = 3
    GUARD = 4
    PIN = 5
    PIN_RETRACTED = 6
    PINNED = 7
    MEMORY = 8
    RECALL_NOW = 9
    RECALL_BEFORE = 10
    RECALL_NEW = 11
    FATE = 12
    GATHERED = 13
    UNKNOWN = 14
    HASH = 15
    SPREAD = 16
    SLOT = 17
    COMMIT = 18
    ICMP_NOW = 19
    ICMP_BEFORE = 20
    ICMP_NEW = 21
    ICMP_OUT = 22
    BACKEND = 23
    FRAGMENT_SOURCE = 24
    NEXTHOP = 25
    ANSWER_FRAGMENT = 26
    ANSWER_LOCAL = 27
    ANSWER_FRAGMENT_VIP = 28
    ANSWER_FRAGMENT_PORT = 29
    ADVERT = 30
    SLOTTED = 31
    """Behind all others of its time, which so kept their numbers; it resubmits to ``PIN``."""
    ACCESS = 32
    SERVED = 33
    """These came later still; it resubmits to where packets go without an access list."""
    UNKNOWN_PREFIX = 34
    """And this; it resubmits to ``UNKNOWN``."""


COUNT = len(Stage)

BACKEND = "reg0"
LISTENER = "reg1"
POOL = "reg2"
SLOT = "reg3"
FLAGS = "reg4"
PIN = "reg5"
TUNNEL = "reg6"
SOURCE_PORT = "reg7"
MARK = "reg10"
VIP = "reg11"
TRACK = "reg12"
"""What goes into ct_label beside the listener, in its place there."""
CLAIMED = "reg15"

NO_SLOT = 0x10000
"""In SLOT: the backend came from a pin, not from a slot."""
SLOT_IN_MARK = 0x20000
"""In SLOT: the backend came from memory, and ct_mark names the slot."""

FLAG_SYN, FLAG_STICKY, FLAG_FORGET, FLAG_LARGE = 1, 2, 4, 8
FLAG_RETRACTED, FLAG_GATHERED, FLAG_RELEASED, FLAG_TRIAL = 16, 32, 64, 128
"""RELEASED stands with FORGET, which has the decision replace what was remembered: the connection's backend gave it
away, so it is none of those that the slot's former backend still has."""
FLAG_REMEMBER, FLAG_AHEAD, FLAG_DECIDED, FLAG_AGE, FLAG_OLD = 256, 512, 1024, 2048, 4096
FLAG_BLOCKED, FLAG_METERED = 8192, 16384
"""REMEMBER: whatever the slot. AHEAD: while the slot is looked up before memory; DECIDED: it was. AGE: while it is
looked up whether what is remembered is OLD. BLOCKED: by the listener's access list. METERED: by the
rate of its source's prefix."""
FLAG_HEARD = 65536
"""Of what is said about a VIP's MAC: it was looked at."""

CLASS, FOUND, PERIOD = (16, 3), (19, 1), (20, 3)
"""Lowest bit and number of bits in TRACK and ct_label; the listener's number stands below."""


def mask(bits: tuple[int, int]) -> int:
    """The mask of bits that are named so."""
    low, count = bits
    return ((1 << count) - 1) << low


ZONE_NOW = Bits("reg8", 0, 16)
ZONE_BEFORE = Bits("reg8", 16, 16)
ZONE_NEW = Bits("reg9", 0, 16)


class Priority(IntEnum):
    """Priorities in the entry table, counted from ``placement.priority``."""

    REST = 0
    ANSWER = 40
    LOCAL = 45
    """Before ``ANSWER``: a server of nat listeners also answers local addresses, from the same port or in fragments."""
    FRAGMENT = 50
    LISTENER = 60
    SYN = 61
    ICMP = 70
    BYPASS = 80
    QUESTION = 85
    RESPOND = 90
    IMPROPER = 91
    """Before ``RESPOND``, which takes a question from whatever address."""
    PROBE = 92
    CONFLICT = 94
    OURS = 95
    """Before ``CONFLICT``: what is said of a VIP by its own MAC."""


class Kind(IntEnum):
    """What a flow is for, in bits 40-47 of its cookie; a packet-in tells its reason by it."""

    STATIC = 0
    LISTENER = 1
    PIN = 2
    EXCEPTION = 3
    PIN_SEEN = 4
    RESET = 5
    ICMP_UNKNOWN = 6
    ICMP_KNOWN = 7
    TOO_BIG = 8
    SLOT = 9
    TRANSITION = 10
    RESPOND = 11
    BACKEND = 12
    DROP = 13
    LEARNED = 14
    PIN_STALE = 15
    YOUNG = 16
    FRAGMENT_SHORT = 17
    TRACKED = 18
    BASE = 19
    FORMER = 20
    AGED = 21
    HOME = 22
    HASH = 23
    FRAGMENT_UNKNOWN = 24
    BLOCK = 25
    ALLOW = 26
    OPENS = 27
    ENDS = 28
    """Of these two and ``BACKEND`` the packets of a backend; ``OPENS`` counts SYNs, ``ENDS`` FINs and RSTs."""
    CONFLICT = 29


@dataclass(frozen=True)
class Cookie:
    """A cookie of ours: whose, what for, and which."""

    owner: int
    kind: Kind
    id: int = 0

    @property
    def value(self) -> int:
        """The 64 bits on the wire."""
        return self.owner << COOKIE_SHIFT | self.kind << 40 | self.id

    @staticmethod
    def parse(value: int) -> Cookie | None:
        """The cookie, or None if its kind is none of ours."""
        kind = value >> 40 & 0xFF
        if kind not in Kind._value2member_map_:
            return None
        return Cookie(value >> COOKIE_SHIFT, Kind(kind), value & 0xFFFFFFFFFF)


class Meters(IntEnum):
    """Meters that every lb switch has, counted from ``placement.meters_from``; guards follow.

    Those that answer for VIPs have ``CONFLICTS``.
    """

    REPORTS = 0
    RESETS = 1
    ICMP = 2
    YOUNG = 3
    CONFLICTS = 4
    GUARDS = 16


MOST_GROUPS = 1 << 16
"""Group ids that are ours, from ``placement.groups_from`` on."""
ANSWERS, PASSES, ANNOUNCES = MOST_GROUPS - 1, MOST_GROUPS - 2, MOST_GROUPS - 3
"""Groups of an edge with a fence, counted from there as well: who answers for VIPs, what becomes of a question when no
answer may be given here, and who announces them."""
FENCE_GROUPS = 3
"""How many these are; an edge's ways come before."""
MOST_METERS = 10_000
"""Meter ids that are ours, from ``placement.meters_from`` on."""
MOST_GUARDS = MOST_METERS - Meters.GUARDS - 1
"""Highest number of a guard; they count from 1."""
MOST_ACCESS = 16_384
"""Prefixes of access lists, of all listeners together."""
REPORT_RATE, RESET_RATE, ICMP_RATE, YOUNG_RATE, CONFLICT_RATE = 500, 200, 100, 100, 50
"""Packets per second that may reach the controller for each reason.

Young connections have a meter of their own: where a busy slot moves, their many packets must not keep exceptions from
being heard, which are in danger for longer.
"""


class ZoneBase(IntEnum):
    """Conntrack zones, counted from ``placement.zones_from``; VIPs come first, by number."""

    BACKENDS = 18_000
    """Shared by backends for fragments to them."""
    FRAGMENTS = 19_997
    """Three, to gather fragments and for those of nat answers."""
    FULLNAT = 20_000
    """One for each listener number."""


ZONES_PER_VIP = 8
BACKEND_ZONES = 1_000
MOST_VIPS = ZoneBase.BACKENDS // ZONES_PER_VIP - 1
"""VIP numbers count from 1, and the last one's zones end below those of backends."""


@dataclass(frozen=True)
class Placed:
    """The pipeline placed on one switch: absolute table numbers and cookies."""

    place: OpenFlowPlacement

    def table(self, stage: Stage) -> int:
        """Absolute number of a stage's table."""
        return self.place.tables_from + stage

    @property
    def entry(self) -> int:
        """Number of the entry table."""
        return self.place.entry_table

    def priority(self, what: Priority) -> int:
        """Absolute priority in the entry table."""
        return self.place.priority + what

    def cookie(self, kind: Kind, number: int = 0) -> int:
        """A cookie of ours."""
        return Cookie(self.place.cookie, kind, number).value

    def meter(self, number: int) -> int:
        """Absolute meter id."""
        return self.place.meters_from + number

    @property
    def tables(self) -> tuple[int, ...]:
        """All tables that may hold flows of ours."""
        return (self.entry, *(self.table(stage) for stage in Stage))
