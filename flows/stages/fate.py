"""`fate`: what becomes of a packet that pin or memory gave to a backend.

    normal ─► backend     drain: SYN ─► hash, rest ─► backend     move ─► hash     reset ─► controller
    no backend of the listener's pool ─► hash, as if nothing were remembered

A mark outlives what it names: the listener may have another pool since, or the backend another number. Such a mark
says nothing, so the slot decides, and its decision replaces the mark. What a backend gives away is also decided by
the slot, but is never one of the connections that the slot's former backend still has.

Exceptions (remembered connections whose slot names another backend) are reported here and go on to their backend;
their flows come from ``flows.slots``.
"""

from __future__ import annotations

from controller.spec.switch import BackendSpec, Fate
from flows.actions import Bits, Load, Report
from flows.entries import Flow, flow
from flows.match import Match
from flows.order import GIVES_AWAY, KEEPS
from flows.spec import Here
from flows.tables import BACKEND, FLAG_STICKY, FLAG_SYN, FLAGS, POOL, Kind, Meters, Stage

_FORGET = (Load(1, Bits(FLAGS, 2, 1)),)
_RELEASED = (*_FORGET, Load(1, Bits(FLAGS, 6, 1)))


def static(here: Here) -> list[Flow]:
    """What is remembered of no backend of the pool is forgotten."""
    placed = here.placed
    cookie, decides = placed.cookie(Kind.STATIC), placed.table(Stage.HASH)
    return [flow(placed.table(Stage.FATE), 0, Match(), _FORGET, cookie=cookie, goto=decides)]


def keeps(here: Here, backend: BackendSpec) -> Flow:
    """A backend of the pool gets what is remembered for it."""
    placed = here.placed
    this = Match.of(**{POOL: backend.pool, BACKEND: backend.id})
    cookie = placed.cookie(Kind.STATIC)
    return flow(placed.table(Stage.FATE), KEEPS, this, cookie=cookie, goto=placed.table(Stage.BACKEND))


def special(here: Here, backend: BackendSpec) -> list[Flow]:
    """Flows that come before, of a backend that drains or is down; none while it is normal."""
    placed = here.placed
    table = placed.table(Stage.FATE)
    decides = placed.table(Stage.HASH)
    this = Match.of(**{POOL: backend.pool, BACKEND: backend.id})
    static_cookie = placed.cookie(Kind.STATIC)
    if backend.fate is Fate.DRAIN:
        syn = this.plus(**{FLAGS: (FLAG_SYN, FLAG_SYN | FLAG_STICKY)})
        return [flow(table, GIVES_AWAY, syn, _RELEASED, cookie=static_cookie, goto=decides)]
    if backend.fate is Fate.MOVE:
        return [flow(table, GIVES_AWAY, this, _RELEASED, cookie=static_cookie, goto=decides)]
    if backend.fate is Fate.RESET:
        syn = this.plus(**{FLAGS: (FLAG_SYN, FLAG_SYN)})
        tell = (Report(placed.meter(Meters.RESETS)),)
        return [
            flow(table, GIVES_AWAY + 1, syn, _RELEASED, cookie=static_cookie, goto=decides),
            flow(table, GIVES_AWAY, this, tell, cookie=placed.cookie(Kind.RESET, backend.id)),
        ]
    return []
