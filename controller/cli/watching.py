"""``evenkeel watch``: what changes, a line each, and where to go on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from google.protobuf.json_format import MessageToDict

from controller.api.names import WHOLE
from controller.api.v1 import service_pb2 as api
from controller.cli.codes import Verb
from controller.cli.columns import console, style
from controller.cli.contexts import BadPlace
from controller.cli.getting import plain_of
from controller.cli.kinds import kind_of, whole_numbers
from controller.cli.place import Chosen
from controller.cli.reaching import failed, opened
from controller.cli.tables import summary
from controller.client import calls
from controller.core.eventwords import what
from controller.sites.timeline import Entry

EVENTS, ALL = "events", "all"


class Follow(NamedTuple):
    """What the options say."""

    after: str = ""
    """REVISION:EVENTS of an earlier watch; empty: begin with all that is."""
    new: bool = False
    """Leave out all that is at the beginning."""
    json_out: bool = False


def watch(chosen: Chosen, kind: str, follow: Follow) -> int:
    """Print what changes until SIGINT. Returns an exit code."""
    at = api.Position()
    try:
        events, kinds = kind in (EVENTS, ALL), _kinds(kind)
        begin = _position(follow.after)
        with opened(chosen) as client:
            client.call(calls.list_page(api.KIND_SITE, "", 1, ""))  # says at once if no controller answers
            stream = client.watch(begin, kinds=kinds, events=events, resources=kind != EVENTS)
            for news in _wanted(stream, follow.new and begin is None):
                at.CopyFrom(news.position)
                _print(news, follow.json_out)
    except KeyboardInterrupt:
        print(f"\ngo on with: evenkeel watch {kind} --after {_text(at)}", file=sys.stderr)
        return Verb.INTERRUPTED
    except Exception as error:
        return failed(error)
    return Verb.DONE


def _kinds(word: str) -> list[Any]:
    if word == EVENTS:
        return []
    return [each.number for each in WHOLE] if word == ALL else [kind_of(word).number]


def _position(text: str) -> api.Position | None:
    if not text:
        return None
    revision, sign, events = text.partition(":")
    if not all(each.isdecimal() and len(each) < 19 for each in (revision, events or "0")) or (
        sign and not events
    ):
        raise BadPlace(f"--after {text}: write REVISION or REVISION:EVENTS, as a watch says when it ends")
    return api.Position(revision=int(revision), event_revision=int(events or 0))


def _text(at: api.Position) -> str:
    return f"{at.revision}:{at.event_revision}"


def _wanted(stream: Iterator[api.WatchResponse], new: bool) -> Iterator[api.WatchResponse]:
    """Without what is at the beginning, which ends with the first bookmark."""
    for news in stream:
        if not new:
            yield news
        elif news.WhichOneof("news") == "bookmark":
            new = False


def _print(news: api.WatchResponse, json_out: bool) -> None:
    kind = str(news.WhichOneof("news"))
    if json_out:
        print(json.dumps({"position": _text(news.position), **_JSON[kind](news)}), flush=True)
        return
    made = _LINES[kind](news)
    if made is not None:
        revision = news.put.revision or news.event.revision or news.position.revision
        console().print(f"{revision:>8}  ", end="", markup=False)
        console().print(f"{made[0]:<8}", end="", style=style(made[0]), markup=False)
        console().print(f"  {made[1]}", markup=False)
        sys.stdout.flush()


def _event_line(news: api.WatchResponse) -> tuple[str, str]:
    event = news.event
    at = datetime.fromtimestamp(event.at).astimezone().strftime("%H:%M:%S.%f")[:-3]
    why = f" ({event.cause})" if event.cause else ""
    return "event", f"{at} {event.controller}: {what(entry_of(event))}{why}"


def entry_of(event: api.Event) -> Entry:
    """An event as the timeline has it. The clock of its machine is not known."""
    fields = whole_numbers(MessageToDict(event.fields))
    boot = f"{event.controller}/{event.number}"
    return Entry(
        event.controller,
        event.number,
        boot,
        0.0,
        event.at,
        event.revision,
        0,
        event.event,
        event.cause,
        fields,
    )


def _event_json(news: api.WatchResponse) -> dict[str, Any]:
    entry = entry_of(news.event)
    head = {"controller": entry.controller, "number": entry.seq, "at": entry.at, "change": entry.change}
    return {"news": "event", **head, "event": entry.event, "cause": entry.cause, "fields": dict(entry.fields)}


_LINES: dict[str, Callable[[api.WatchResponse], tuple[str, str] | None]] = {
    "reset": lambda news: ("reset", f"all that is follows: {news.reset.why}") if news.reset.why else None,
    "put": lambda news: ("put", f"{news.put.name}  {summary(news.put)}"),
    "deleted": lambda news: ("deleted", news.deleted),
    "event": _event_line,
    "bookmark": lambda _: None,
}
_JSON: dict[str, Callable[[api.WatchResponse], dict[str, Any]]] = {
    "reset": lambda news: {"news": "reset", "why": news.reset.why},
    "put": lambda news: {"news": "put", "resource": plain_of(news.put)},
    "deleted": lambda news: {"news": "deleted", "name": news.deleted},
    "event": _event_json,
    "bookmark": lambda _: {"news": "bookmark"},
}
