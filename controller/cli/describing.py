"""``evenkeel describe``: a resource as it is wanted, how it is, and what happened to it last."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from controller.api.names import Kind
from controller.api.v1 import service_pb2 as api
from controller.cli import columns
from controller.cli.codes import Verb
from controller.cli.contexts import BadPlace
from controller.cli.getting import yaml_of
from controller.cli.kinds import asked, kind_of_name, said, short, value, whole_numbers
from controller.cli.place import Chosen
from controller.cli.reaching import failed, opened
from controller.cli.tables import (
    Status,
    backend_rows,
    connections,
    health,
    owner,
    packets,
    pool_rows,
    span,
    summed,
    switch_state,
    weight,
)
from controller.cli.timelinetext import lines
from controller.cli.watching import entry_of
from controller.client import Client
from controller.core.agentwords import ServerStatus, agent_words
from controller.sites.timeline import Entry

EVENTS = 10
"""Events that are shown, the last ones."""
VERDICT = ("slots", "state", "health", "for", "reason")
Lines = Iterator[str | Text]


def describe(chosen: Chosen, kind: str, names: Sequence[str]) -> int:
    """Print all that is known of resources. Returns an exit code."""
    try:
        wanted = [name for each in asked(kind, list(names)) for name in each.names]
        if not wanted:
            raise BadPlace(f"evenkeel describe {kind}: name what to describe")
        with opened(chosen) as client:
            for number, name in enumerate(wanted):
                if number:
                    print()
                _describe(client, client.get(name))
    except Exception as error:
        return failed(error)
    return Verb.DONE


def _describe(client: Client, resource: api.Resource) -> None:
    to = columns.console()
    status = whole_numbers(client.status())
    for line in (*_wanted(resource), *_BY_KIND[kind_of_name(resource.name)](resource, status)):
        to.print(line, markup=False)
    found = _events(client, resource)
    to.print(f"Last events: {'' if found else 'none'}".rstrip())
    for each in lines(found) if found else ():
        to.print(f"  {each}", markup=False)


def _wanted(resource: api.Resource) -> Lines:
    yield f"Name:      {resource.name}"
    yield f"Id:        {resource.id}"
    yield f"Revision:  {resource.revision}"
    yield "Wanted:"
    yield from (f"  {line}" for line in yaml_of(said(value(resource))).splitlines())


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Lines:
    yield f"{title}:{'' if rows else ' none'}"
    if rows:
        yield from columns.lines(heads, rows, "  ")


def _pool(resource: api.Resource, status: Status) -> Lines:
    name = resource.pool.name
    for protocol, row in pool_rows(status, name):
        yield f"Table {protocol}:"
        yield f"  {row['slots']} slots, {row['moving']} moving, {row['tracked']} tracked, revision {row['revision']}"
        if row["tracked"]:
            yield f"  settles {_when(row['settles_in'])}: {row['settles_after']}"
        if row["panicked"]:
            yield "  health is ignored: too much of the pool is down (panic_threshold)"
        if row.get("writer"):
            yield f"  writer {row['writer']}"
        rows = [(real, weight(each), *_verdict(each)) for real, each in row["backends"].items()]
        yield from columns.lines(("backend", "weight", *VERDICT), rows, "  ")
    yield f"Used by:   {', '.join(_users(status, name)) or 'no listener'}"


def _verdict(row: Mapping[str, Any]) -> tuple[str, ...]:
    return str(row["slots"]), row["state"], health([row]), span(row["since"]), row["reason"]


def _weights(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Lines:
    """What a weight is made of, where that is not the intent alone, and what the server's agent says."""
    for _, row in rows:
        if row.get("factor_why"):
            yield f"{weight(row)}: {row['factor_why']}"
        if row.get("agent"):
            yield f"agent: {agent_words(ServerStatus(**row['agent']))}"


def _counted(backend: str, count: Mapping[str, Any]) -> tuple[str, ...]:
    of_tcp = summed([count])
    live = "" if of_tcp is None else of_tcp.shown
    return backend, str(count.get("packets", 0)), str(count.get("bytes", 0)), live


def _users(status: Status, pool: str) -> list[str]:
    return [name for name, row in status["listeners"].items() if row["pool"].rpartition("/")[0] == pool]


def _when(seconds: float | None) -> str:
    return "later" if seconds is None else f"in {span(seconds)}"


def _backend(resource: api.Resource, status: Status) -> Lines:
    pool, name = short(resource.name).split("/")
    rows = [
        (protocol, row["backends"][name])
        for protocol, row in pool_rows(status, pool)
        if name in row["backends"]
    ]
    shown = [(protocol, str(row["id"]), *_verdict(row)) for protocol, row in rows]
    yield from _table("Tables", ("protocol", "id", *VERDICT), shown)
    yield from (f"Weight:    {each}" for each in dict.fromkeys(_weights(rows)))
    count = packets(status, pool, name)
    yield f"Counted:   {count['packets']} packets, {count['bytes']} bytes towards it"
    if (counted := connections(status, pool, name)) is not None:
        yield (
            f"TCP:       {counted.shown} connections live, {counted.new:.1f} new per second; "
            f"{counted.opened} opened, {counted.ended} ended"
        )
    if not backend_rows(status, pool, name):
        yield "No table holds it: no listener leads to its pool"


def _vip(resource: api.Resource, status: Status) -> Lines:
    name = resource.vip.name
    row = status["vips"].get(name)
    yield f"Owner:     {owner(status, name) or 'not known'}"
    if row is not None:
        yield f"Belongs:   {row['belongs'] or 'nowhere'}: {row['why']}"
    rows = [
        (listener, each["pool"], "yes" if each["draining"] else "no", *_counted(backend, count))
        for listener, each in status["listeners"].items()
        if listener.split("/")[0] == name
        for backend, count in (each["backends"] or {"": {}}).items()
    ]
    yield from _table(
        "Listeners", ("listener", "table", "draining", "backend", "packets", "bytes", "live"), rows
    )


def _switch(resource: api.Resource, status: Status) -> Lines:
    row: Mapping[str, Any] | None = status["switches"].get(resource.switch.name)
    yield f"State:     {switch_state(row)}"
    if row is None:
        return
    for key in ("entries", "repairs", "writes", "unsent"):
        if key in row:
            yield f"{key.capitalize() + ':':<11}{row[key]}"
    if row.get("problem"):
        yield f"Problem:   {row['problem']}"
    for each in row.get("conflicts") or ():
        yield f"Conflict:  {each}"
    links = [
        (port, each["to"], "up" if each["up"] else "down", str(each["missed"]))
        for port, each in (row.get("links") or {}).items()
    ]
    if links:
        yield from _table("Links", ("port", "to", "state", "missed"), links)
    for interface, fence in (row.get("fence") or {}).items():
        claim = "claimed" if fence["claim"] else f"silent: {fence['why']}"
        yield f"Fence:     {interface}: {claim}"


def _site(resource: api.Resource, status: Status) -> Lines:
    name = resource.site.name
    owned = [vip for vip, row in status["vips"].items() if row["owner"] == name]
    yield f"Owns:      {', '.join(owned) or 'nothing'}"
    yield f"Drained:   {'yes' if name in status['drained_sites'] else 'no'}"
    row = (status["sites"] or {}).get(name)
    if row is None:
        yield "Fit:       not judged: the store is of one machine, so no VIP moves by itself"
        return
    yield f"Fit:       {'no' if row['fit_for'] is None else 'for ' + span(row['fit_for'])}"
    yield from (f"  {each}: {text}" for each, text in row["conditions"].items())


def _zone(resource: api.Resource, status: Status) -> Lines:
    names = (status.get("exits") or {}).get("names")
    items: Mapping[str, Any] = {} if names is None else names["items"]
    zone = resource.zone.name
    rows = [
        (name, row["answers"], f"{row['live']} of {row['candidates']}", row.get("not live") or "")
        for name, row in items.items()
        if name == zone or name.endswith(f".{zone}")
    ]
    yield from _table("Names", ("name", "answers", "live", "not live"), rows)


_BY_KIND = {
    Kind.POOL: _pool,
    Kind.BACKEND: _backend,
    Kind.VIP: _vip,
    Kind.SWITCH: _switch,
    Kind.SITE: _site,
    Kind.ZONE: _zone,
}


def _events(client: Client, resource: api.Resource) -> list[Entry]:
    """The last events that name it."""
    kind, name = kind_of_name(resource.name), short(resource.name)
    pool, _, own = name.rpartition("/")
    last: deque[Entry] = deque(maxlen=EVENTS)
    for event in client.timeline():
        entry = entry_of(event)
        if _names(entry, kind, pool, own):
            last.append(entry)
    return list(last)


def _names(entry: Entry, kind: Kind, pool: str, name: str) -> bool:
    """Whether an event is about a resource; pools are named with their protocol, several VIPs in a list."""
    found = entry.fields.get(kind.field)
    if kind is Kind.BACKEND:
        return found == name and str(entry.fields.get("pool", pool)).split("/")[0] == pool
    if kind is Kind.POOL:
        return str(found).split("/")[0] == name
    several = entry.fields.get(f"{kind.field}s")
    return found == name or (isinstance(several, list) and name in several)
