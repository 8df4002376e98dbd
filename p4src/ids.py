"""The numbers of ``shared/ids.p4`` for Python; a test compares the two."""

from __future__ import annotations

from enum import IntEnum


class Reason(IntEnum):
    """Why a switch tells the controller something."""

    EXCEPTION = 1
    OVERFLOW = 2
    PIN_SEEN = 3
    PIN_STALE = 4
    RESET = 5
    TOO_BIG = 6
    ERROR_UNKNOWN = 7
    CLOCK = 8
    HELLO = 9
    YOUNG = 10
    FOUND = 11
    CONFLICT = 12
    PROMOTE = 15


class Op(IntEnum):
    """What a packet-out asks for."""

    SEND = 0
    INJECT = 1
    AUTHORIZE = 2
    CLOCK = 3
    ASK = 4


class Drop(IntEnum):
    """Why a packet was dropped."""

    MALFORMED = 0
    NO_LISTENER = 1
    NO_BACKEND = 2
    GUARD = 3
    NO_ROUTE = 4
    FRAGMENT = 5
    MEMORY = 6
    LIMITED = 7
    ANSWER = 8
    RESET = 9
    ERROR = 10
    NO_AUTHORITY = 11
    HELLO = 12
    ACCESS = 13
