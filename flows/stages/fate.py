"""`fate`: what becomes of a packet that pin or memory gave to a backend which drains or is down.

    normal ─► backend     drain: SYN ─► hash, rest ─► backend     move ─► hash     reset ─► controller

Exceptions (remembered connections whose slot names another backend) are reported here and go on to their backend;
their flows come from ``flows.slots``.
"""

from __future__ import annotations

from controller.spec.switch import BackendSpec, Fate
from flows.actions import Bits, Load, Report
from flows.entries import Flow, flow
from flows.match import Match
from flows.spec import Here
from flows.tables import BACKEND, FLAG_STICKY, FLAG_SYN, FLAGS, POOL, Kind, Meters, Stage

_FORGET = (Load(1, Bits(FLAGS, 2, 1)),)


def static(here: Here) -> list[Flow]:
    """Whatever is not special goes to its backend."""
    placed = here.placed
    return [
        flow(
            placed.table(Stage.FATE),
            0,
            Match(),
            cookie=placed.cookie(Kind.STATIC),
            goto=placed.table(Stage.BACKEND),
        )
    ]


def flows(here: Here, backend: BackendSpec) -> list[Flow]:
    """Flows for one backend of one pool; none while it is normal."""
    if backend.fate is Fate.NORMAL:
        return []
    placed = here.placed
    table = placed.table(Stage.FATE)
    anew = placed.table(Stage.HASH)
    this = Match.of(**{POOL: backend.pool, BACKEND: backend.id})
    static_cookie = placed.cookie(Kind.STATIC)
    if backend.fate is Fate.DRAIN:
        syn = this.plus(**{FLAGS: (FLAG_SYN, FLAG_SYN | FLAG_STICKY)})
        return [flow(table, 30, syn, _FORGET, cookie=static_cookie, goto=anew)]
    if backend.fate is Fate.MOVE:
        return [flow(table, 30, this, _FORGET, cookie=static_cookie, goto=anew)]
    if backend.fate is Fate.RESET:
        syn = this.plus(**{FLAGS: (FLAG_SYN, FLAG_SYN)})
        tell = (Report(placed.meter(Meters.RESETS)),)
        return [
            flow(table, 31, syn, _FORGET, cookie=static_cookie, goto=anew),
            flow(table, 30, this, tell, cookie=placed.cookie(Kind.RESET, backend.id)),
        ]
    return []
