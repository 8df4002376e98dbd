"""``evenkeel plan``, ``explain`` and ``drill`` by the API: of controllers of a context, or of this machine's socket."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from controller.api.answers import explanation, preview
from controller.api.v1 import service_pb2 as api
from controller.cli import codes, explain, explainname, plan, resourcefiles
from controller.cli.batches import Step, edited, places
from controller.cli.codes import Verb
from controller.cli.drill import Spans, interruptible, report
from controller.cli.kinds import whole_numbers
from controller.cli.output import Output
from controller.cli.place import Chosen, Place
from controller.cli.reaching import client_of, failed, opened
from controller.cli.resourcefiles import Whole
from controller.cli.spans import seconds
from controller.cli.watching import entry_of
from controller.client import ApiError, Client
from controller.core.drilling import LOOK, ORDERED, Interrupted
from controller.core.explaining import WITHIN
from controller.model.errors import ConfigErrors
from controller.sites.base import StoreError
from controller.sites.timeline import Entry

TIMEOUT = 10.0
"""Seconds for a call that is answered at once."""
_STAGES = {
    api.DrillResponse.STAGE_ORDERED: "ordered to {site}",
    api.DrillResponse.STAGE_THERE: "at {site}",
    api.DrillResponse.STAGE_WITHDRAWN: "the order is withdrawn",
    api.DrillResponse.STAGE_BACK: "back at {former}",
}
_DRILLS = {
    "DRILL_FAILED": codes.Drill.FAILED,
    "ORDER_REFUSED": codes.Drill.FAILED,
    "DENIED": codes.Drill.FAILED,
    "NOT_FOUND": codes.Drill.FAILED,
    "DRILL_LEFT": codes.Drill.LEFT,
}


def plan_by_api(chosen: Chosen, file: Path, entries: int, output: Output) -> codes.Plan:
    """Print what applying a file would do: an intent, or resources. Returns an exit code."""
    where: Callable[[str], str] = str
    try:
        found = resourcefiles.read(file)
        with opened(chosen) as client:
            if isinstance(found, Whole):
                where, what = found.where, found.document
            else:
                steps = [Step(each.name, each.resource, each.expected) for each in found]
                where = places(client, steps, {each.name: each.where for each in found})
                what = edited(client, steps).document
            made = client.plan(what, entries)
    except ConfigErrors as errors:
        print(errors, file=sys.stderr)
        return codes.Plan.BAD_INPUT
    except Exception as error:
        code = failed(error, where)
        return codes.Plan.NO_ANSWER if code is Verb.NO_ANSWER else codes.Plan.BAD_INPUT
    return plan.shown(preview(made), str(file), output)


def explain_by_api(
    place: Place, source: str, target: str, udp: bool, flags: str | None, switch: str | None, output: Output
) -> codes.Explain:
    """Print where a connection goes. Returns an exit code."""
    try:
        with client_of(place, WITHIN + TIMEOUT) as client:
            made = client.explain(source, target, udp=udp, flags=flags, switch=switch or "")
    except Exception as error:
        code = failed(error)
        return codes.Explain.NO_ANSWER if code is Verb.NO_ANSWER else codes.Explain.BAD_INPUT
    return explain.shown(explanation(made), output)


def explain_name_by_api(place: Place, asked: explainname.Asked, output: Output) -> codes.ExplainName:
    """Print how a name is answered. Returns an exit code."""
    try:
        with client_of(place, TIMEOUT) as client:
            made = client.explain_name(
                asked.name, kind=asked.type, client=asked.client or "", resolver=asked.resolver or ""
            )
    except Exception as error:
        code = failed(error)
        return codes.ExplainName.NO_ANSWER if code is Verb.NO_ANSWER else codes.ExplainName.BAD_INPUT
    return explainname.shown(whole_numbers(made), output)


def drill_by_api(place: Place, vip: str, site: str, spans: Spans) -> codes.Drill:
    """Have a drill carried out, and print its timeline. Returns an exit code."""
    try:
        stay, within = seconds("--stay", spans.stay), seconds("--within", spans.within)
        with client_of(place, TIMEOUT) as client:
            return _drilled(client, vip, site, stay, within)
    except ValueError as error:  # of a span, or the place
        print(error, file=sys.stderr)
    except Exception as error:
        failed(error)
    return codes.Drill.NO_ANSWER


def _drilled(client: Client, vip: str, site: str, stay: float, within: float) -> codes.Drill:
    began, last, code = time.time(), api.DrillResponse(), codes.Drill.DONE
    try:
        with interruptible():
            for last in client.drill(vip, site, stay, within):
                said = _STAGES[last.stage].format(site=site, former=last.former)
                print(f"{', '.join(last.vips)}: {said}", file=sys.stderr)
    except Interrupted:
        code = codes.Drill.INTERRUPTED if _withdrawn(client, vip, within) else codes.Drill.LEFT
    except ApiError as error:
        failed(error)
        code = _DRILLS.get(error.reason, codes.Drill.NO_ANSWER)
        if code is codes.Drill.NO_ANSWER and last.vips:
            code = codes.Drill.LEFT
    if code is codes.Drill.LEFT:
        print(f"the order still stands; end it: evenkeel move {vip}", file=sys.stderr)
    if last.vips:
        back = last.former if code is codes.Drill.DONE else ""
        report(lambda: _events(client, began), last.vips, began, back)
    return code


def _withdrawn(client: Client, vip: str, within: float) -> bool:
    """Whether the controller, which sees that we are gone, has withdrawn its order."""
    end = time.monotonic() + within
    try:
        while client.status()["vips"].get(vip, {}).get("cause") in ORDERED:
            if time.monotonic() > end:
                return False
            time.sleep(LOOK)
    except ApiError as error:
        failed(error)
        return False
    return True


def _events(client: Client, since: float) -> list[Entry]:
    """Raises StoreError."""
    try:
        return [entry_of(each) for each in client.timeline(since)]
    except ApiError as error:
        raise StoreError(str(error)) from None
