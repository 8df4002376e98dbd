"""Resources as rows of tables: what is wanted of them, and how they are. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import ceil
from typing import Any, NamedTuple

from controller.api.names import Kind
from controller.api.v1 import service_pb2 as api
from controller.cli.kinds import short, value
from controller.core.agentwords import ServerStatus, agent_words

Status = Mapping[str, Any]
"""What ``status.json`` holds."""


class Table(NamedTuple):
    """A table of one kind."""

    heads: tuple[str, ...]
    wide: tuple[str, ...]
    """Further ones, for ``-o wide``."""
    row: Callable[[api.Resource, Status], tuple[str, ...]]
    """All cells."""


def table(kind: Kind, resources: Iterable[api.Resource], status: Status, wide: bool) -> tuple[Any, list[Any]]:
    """Heads and rows."""
    made = TABLES[kind]
    heads = (*made.heads, *made.wide) if wide else made.heads
    return heads, [made.row(each, status)[: len(heads)] for each in resources]


def pool_rows(status: Status, pool: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The tables of a pool, by protocol."""
    for key, row in status["pools"].items():
        name, _, protocol = key.rpartition("/")
        if name == pool:
            yield protocol, row


def backend_rows(status: Status, pool: str, backend: str) -> list[Mapping[str, Any]]:
    """How a backend is, for each protocol."""
    return [row["backends"][backend] for _, row in pool_rows(status, pool) if backend in row["backends"]]


def health(rows: Iterable[Mapping[str, Any]]) -> str:
    """The verdict: ``up``, ``down`` or ``unknown``."""
    verdicts = {row["up"] for row in rows}
    return "down" if False in verdicts else "up" if True in verdicts else "unknown"


def weight(row: Mapping[str, Any]) -> str:
    """As the intent has it, and by what it is multiplied."""
    factor = row.get("factor", 1.0)
    return str(row["weight"]) if factor == 1.0 else f"{row['weight']} x {factor:.3g}"


def measured(value: float, scheduler: str) -> str:
    """What a scheduler goes by."""
    return f"{1000 * value:.3g} ms" if scheduler == "response-time" else f"{value:.1f} connections"


def packets(status: Status, pool: str, backend: str) -> dict[str, int]:
    """``packets`` and ``bytes`` that switches counted towards a backend."""
    total = {"packets": 0, "bytes": 0}
    for row in status["listeners"].values():
        if row["pool"].rpartition("/")[0] == pool:
            for what in total:
                total[what] += int(row["backends"].get(backend, {}).get(what, 0))
    return total


def connections(status: Status, pool: str, backend: str) -> Counted | None:
    """Those that are counted towards a backend, over all of its pool's listeners; None: it has none of TCP."""
    rows = [
        row["backends"].get(backend, {})
        for row in status["listeners"].values()
        if row["pool"].rpartition("/")[0] == pool
    ]
    return summed(rows)


def summed(rows: Iterable[Mapping[str, Any]]) -> Counted | None:
    """The connections of what was counted in some places; None: it is not TCP's in any."""
    counted = [row["connections"] for row in rows if row.get("connections")]
    if not counted:
        return None
    keys = ("opened", "ended", "live", "error", "new")
    opened, ended, live, error, new = (sum(each[key] for each in counted) for key in keys)
    return Counted(int(opened), int(ended), live, error, new)


def span(seconds: float | None) -> str:
    """``42s``, ``7m``, ``3h`` or ``2d``."""
    if seconds is None:
        return ""
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "m"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds // 86_400:.0f}d"


def listener(row: Any) -> str:
    """``tcp/80 to web (nat)``."""
    port = f"/{row.port}" if row.HasField("port") else ""
    return f"{row.protocol}{port} to {row.pool} ({row.mode})"


def switch_state(row: Mapping[str, Any] | None) -> str:
    """How a switch is, in words."""
    if row is None:
        return "unknown"
    if not row["connected"]:
        return "away"
    if row["leaving"]:
        return "leaving"
    if not row["synced"]:
        return "not in step"
    return "in use" if row["admitted"] else "in step"


def owner(status: Status, vip: str) -> str:
    """Who answers for a VIP."""
    row = status["vips"].get(vip)
    return "" if row is None else row["owner"] or "none: it moves"


class Counted(NamedTuple):
    """Connections, as counted; see ``ConnectionsStatus``."""

    opened: int
    ended: int
    live: float
    error: float
    new: float

    @property
    def shown(self) -> str:
        """``12 ± 2``."""
        return f"{self.live:.0f} ± {ceil(self.error)}"


def _vip(resource: api.Resource, status: Status) -> tuple[str, ...]:
    vip = resource.vip
    listeners = ", ".join(listener(each) for each in vip.listeners)
    owners = ",".join(vip.owners)
    return vip.name, vip.address, owner(status, vip.name), listeners, vip.mac, owners, str(resource.revision)


def _pool(resource: api.Resource, status: Status) -> tuple[str, ...]:
    pool = resource.pool
    verdicts = [health(backend_rows(status, pool.name, each.name)) for each in pool.backends]
    tables = [row for _, row in pool_rows(status, pool.name)]
    probe = pool.health.type if pool.HasField("health") else ""
    return (
        pool.name,
        str(len(pool.backends)),
        str(verdicts.count("up")),
        str(verdicts.count("down")),
        str(sum(each.drain for each in pool.backends)),
        probe,
        str(sum(row["moving"] for row in tables)),
        str(max((row["slots"] for row in tables), default="")),
        str(sum(row["tracked"] for row in tables)),
        "yes" if any(row["panicked"] for row in tables) else "no",
        pool.memory_timeout,
        str(resource.revision),
    )


def _backend(resource: api.Resource, status: Status) -> tuple[str, ...]:
    real = resource.backend
    pool = resource.name.split("/")[1]
    rows = backend_rows(status, pool, real.name)
    since = [row["since"] for row in rows if row.get("since") is not None]
    return (
        short(resource.name),
        real.address or ",".join(real.addresses),
        str(real.weight) if real.HasField("weight") else "1",
        "/".join(dict.fromkeys(row["state"] for row in rows)) or "unused",
        health(rows),
        span(min(since, default=None)),
        str(sum(row["slots"] for row in rows)),
        str(packets(status, pool, real.name)["packets"]),
        str(real.group),
        real.subset,
        real.zone,
        ", ".join(dict.fromkeys(row["reason"] for row in rows if row["reason"])),
        next((f"{row['factor']:.3g}" for row in rows if "factor" in row), ""),
        next((agent_words(ServerStatus(**row["agent"])) for row in rows if row.get("agent")), ""),
        "" if (counted := connections(status, pool, real.name)) is None else counted.shown,
        str(resource.revision),
    )


def _switch(resource: api.Resource, status: Status) -> tuple[str, ...]:
    switch = resource.switch
    row = status["switches"].get(switch.name)
    count = {} if row is None else row
    return (
        switch.name,
        switch.site,
        switch.kind,
        ",".join(switch.roles),
        switch_state(row),
        str(count.get("entries", "")),
        switch.id,
        str(count.get("repairs", "")),
        str(count.get("problem", "")),
        str(resource.revision),
    )


def _site(resource: api.Resource, status: Status) -> tuple[str, ...]:
    site = resource.site
    row = (status["sites"] or {}).get(site.name)
    fit = "" if row is None else "fit" if row["fit"] else "not fit"
    drained = "drained" if site.name in status["drained_sites"] else "no"
    owned = sum(row["owner"] == site.name for row in status["vips"].values())
    subnets = ",".join(each.name for each in site.subnets)
    agents = ",".join(each.name for each in site.agents)
    return site.name, str(owned), fit, drained, subnets, agents, ",".join(site.bypass), str(resource.revision)


def _zone(resource: api.Resource, status: Status) -> tuple[str, ...]:
    zone = resource.zone
    names = (status.get("exits") or {}).get("names")
    live = [
        name
        for name, row in ({} if names is None else names["items"]).items()
        if row["live"] and (name == zone.name or name.endswith(f".{zone.name}"))
    ]
    return (
        zone.name,
        str(len(zone.services)),
        "" if names is None else str(len(live)),
        str(len(zone.records)),
        "yes" if zone.signed else "no",
        ",".join(each.name for each in zone.servers),
        ",".join(each.name for each in zone.regions),
        str(resource.revision),
    )


TABLES: Mapping[Kind, Table] = {
    Kind.VIP: Table(("name", "address", "owner", "listeners"), ("mac", "owners", "revision"), _vip),
    Kind.POOL: Table(
        ("name", "backends", "up", "down", "draining", "health", "moving"),
        ("slots", "tracked", "panic", "memory", "revision"),
        _pool,
    ),
    Kind.BACKEND: Table(
        ("name", "address", "weight", "state", "health", "for"),
        (
            "slots",
            "packets",
            "group",
            "subset",
            "zone",
            "reason",
            "factor",
            "agent",
            "connections",
            "revision",
        ),
        _backend,
    ),
    Kind.SWITCH: Table(
        ("name", "site", "kind", "roles", "state", "entries"),
        ("id", "repairs", "problem", "revision"),
        _switch,
    ),
    Kind.ZONE: Table(
        ("name", "services", "live", "records", "signed"), ("servers", "regions", "revision"), _zone
    ),
    Kind.SITE: Table(("name", "vips", "fit", "drained", "subnets"), ("agents", "bypass", "revision"), _site),
}


def summary(resource: api.Resource) -> str:
    """A resource in a few words, as it is wanted."""
    of = value(resource)
    kind = resource.WhichOneof("value")
    if kind == "backend":
        words = [of.address or ",".join(of.addresses), f"weight {of.weight if of.HasField('weight') else 1}"]
        return " ".join([*words, "drain"] if of.drain else words)
    if kind == "pool":
        return f"{len(of.backends)} backends, {sum(each.drain for each in of.backends)} drain"
    if kind == "vip":
        return f"{of.address} {', '.join(listener(each) for each in of.listeners)}"
    if kind == "zone":
        return f"{len(of.services)} services, {len(of.records)} records"
    if kind == "switch":
        return f"{of.kind} {of.id} {','.join(of.roles)}"
    return ",".join(each.name for each in of.subnets)
