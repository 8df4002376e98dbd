"""Messages and errors of OpenFlow as people read them."""

from __future__ import annotations

from flows import messages
from flows.diff import describe
from flows.entries import FlowKey
from flows.fields import Malformed
from flows.match import unpack_match
from flows.messages import FLOW_MOD, GROUP_MOD, METER_MOD

_NAMES = {FLOW_MOD: "flow", GROUP_MOD: "group", METER_MOD: "meter"}


def describe_message(message: bytes) -> str:
    """A message of ours as people read it."""
    if len(message) < 16:
        return "a message that it does not name"
    kind = message[1]
    if kind == messages.PACKET_OUT:
        return "packet out"
    if kind != FLOW_MOD:
        number = int.from_bytes(message[12:16], "big")
        return f"{_NAMES.get(kind, f'message {kind}')} {number}"
    try:
        match, _ = unpack_match(message, 48)
    except (KeyError, Malformed):
        return "flow (truncated)"
    return f"flow {describe(FlowKey(message[24], int.from_bytes(message[30:32], 'big'), match))}"


_ERRORS = {
    1: "bad request",
    2: "bad action",
    3: "bad instruction",
    4: "bad match",
    5: "flow mod failed",
    6: "group mod failed",
    12: "meter mod failed",
}
_CODES = {(5, 1): "table full", (5, 3): "overlap", (6, 1): "invalid group", (12, 4): "out of meters"}


def error_name(kind: int, code: int) -> str:
    """An OpenFlow 1.3 error in words."""
    words = _CODES.get((kind, code))
    return f"{_ERRORS.get(kind, f'error type {kind}')} ({words or f'code {code}'})"
