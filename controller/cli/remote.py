"""Orders to the controllers of a context: requests and answers of the control socket, as calls of the API."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from controller.api.v1 import service_pb2 as api
from controller.cli.codes import Asked, Verb
from controller.cli.place import Place
from controller.cli.reaching import client_of, failed
from controller.client import Client, calls

TIMEOUT = 25.0
"""Seconds for an order: longer than a controller gives it."""
LOOK = 5.0
"""Seconds in which a controller that leads is found."""
_CODES = {Verb.NO_ANSWER: Asked.NO_ANSWER, Verb.BAD_INPUT: Asked.NO_ANSWER, Verb.NOT_STORED: Asked.NOT_STORED}
_ACTIONS = {
    "plan": api.RehashRequest.ACTION_PLAN,
    "begin": api.RehashRequest.ACTION_BEGIN,
    "cancel": api.RehashRequest.ACTION_CANCEL,
}


def carry_out(place: Place, request: Mapping[str, str], said: Callable[[Mapping[str, Any]], str]) -> Asked:
    """Have an order carried out, and print what ``said`` makes of the answer, or why it was not."""
    try:
        with client_of(place, TIMEOUT) as client:
            client.call(calls.list_page(api.KIND_SITE, "", 1, ""), LOOK)
            answer = _ORDERS[request["command"]](client, request)
    except Exception as error:
        return _CODES.get(failed(error), Asked.REFUSED)
    print(said(answer))
    sys.stdout.flush()
    return Asked.DONE


def _move(client: Client, request: Mapping[str, str]) -> dict[str, Any]:
    made = client.move_vip(request["vip"], request.get("site", ""))
    return {"vips": list(made.vips), "revision": made.outcome.revision}


def _site(client: Client, request: Mapping[str, str]) -> dict[str, Any]:
    call = client.drain_site if request["action"] == "drain" else client.undrain_site
    return {"revision": call(request["site"]).revision}


def _failback(client: Client, request: Mapping[str, str]) -> dict[str, Any]:
    made = client.failback(request["pool"], request.get("backend", ""))
    return {"writer": made.writer, "revision": made.outcome.revision}


def _rehash(client: Client, request: Mapping[str, str]) -> dict[str, Any]:
    made = client.rehash(request["pool"], _ACTIONS[request["action"]])
    return {"revision": made.outcome.revision, "plan": [_plan(each) for each in made.plans]}


def _plan(row: api.RehashPlan) -> dict[str, Any]:
    return {
        "key": row.table,
        "before": row.before,
        "after": row.after,
        "slots": row.slots,
        "turns_in": row.turns_in if row.HasField("turns_in") else None,
        "waits_for": row.waits_for,
        "memory": row.memory,
        "young": row.young,
    }


def _claim(client: Client, _: Mapping[str, str]) -> dict[str, Any]:
    client.claim_without_quorum()
    return {}


_ORDERS: dict[str, Callable[[Client, Mapping[str, str]], dict[str, Any]]] = {
    "move": _move,
    "site": _site,
    "failback": _failback,
    "rehash": _rehash,
    "claim": _claim,
}
