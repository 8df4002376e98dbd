"""``evenkeel rehash``: take the slots of a pool in use otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from controller.cli.asking import carry_out
from controller.cli.place import Place
from controller.plan.pins import LIMIT


def rehash(place: Place, pool: str, action: str) -> int:
    """``action``: ``begin``, ``plan`` or ``cancel``. Returns an exit code."""
    request = {"command": "rehash", "pool": pool, "action": action}
    return carry_out(place, request, lambda answer: "\n".join(_said(pool, action, answer)))


def _said(pool: str, action: str, answer: Mapping[str, Any]) -> Iterator[str]:
    if action == "cancel":
        yield f"pool {pool}: stays as it is, change {answer['revision']}"
    for each in answer.get("plan", ()):
        yield from _lines(pool, each)
    if action == "begin":
        yield f"begun, change {answer['revision']}; evenkeel status shows how far it is"


def _lines(pool: str, plan: Mapping[str, Any]) -> Iterator[str]:
    """One state of the pool: what is done, how long it takes, what it costs."""
    seconds, memory, young = plan["turns_in"], plan["memory"], plan["young"]
    yield f"{plan['key']}: {plan['slots']} slots, from {plan['before']} to {plan['after']}"
    yield f"  1. every slot is tracked, for {memory:.0f} s and longer: what is alive speaks, and gets a pin"
    yield f"  2. {_when(seconds)} slots are taken by {plan['after']}; it waits for this: {plan['waits_for']}"
    yield f"  3. slots stay tracked for {memory:.0f} s more"
    yield f"  costs one pin for each connection that is alive then; a controller holds {LIMIT} pins"
    yield f"  if there is no room, nothing is changed before there is, or until: evenkeel rehash {pool} --cancel"
    yield (
        f"  at risk until it is over: connections younger than {young:.0f} s whose packets come to another lb switch"
    )


def _when(seconds: float | None) -> str:
    return "when switches are ready" if seconds is None else f"in {seconds:.0f} s"
