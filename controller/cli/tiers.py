"""What a layer-7 tier is by an intent file: the file of a HAProxy, and where a request goes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from controller.cli.codes import Tier
from controller.exits.tier.exit import plans
from controller.exits.tier.render import render
from controller.exits.tier.routing import Request, chosen
from controller.exits.tier.wanted import Marks
from controller.model.errors import ConfigErrors
from controller.model.load import load_intent
from controller.spec import tier as t
from controller.spec.types import Intent


def file_of(path: Path, instance: str) -> Tier:
    """Print the file of an instance. Returns an exit code."""
    intent = _read(path)
    if intent is None:
        return Tier.BAD_INPUT
    for (_, name), plan in plans(intent).items():
        if name == instance:
            print(render(plan.tier, plan.instance, plan.addresses, Marks(plan.leaving)).text, end="")
            return Tier.GOOD
    known = ", ".join(name for _, name in plans(intent))
    print(f"no instance {instance} in {path}; there are {known or 'none'}", file=sys.stderr)
    return Tier.BAD_INPUT


def route_of(path: Path, url: str, headers: Iterable[str], cookies: Iterable[str]) -> Tier:
    """Print which pool a request gets at each front end. Returns an exit code."""
    intent = _read(path)
    if intent is None:
        return Tier.BAD_INPUT
    try:
        request = _request(url, headers, cookies)
    except ValueError as error:
        print(f"evenkeel tier route: {error}", file=sys.stderr)
        return Tier.BAD_INPUT
    found = [line for tier in intent.tiers for line in _lines(tier, request)]
    print("\n".join(text for text, _ in found) or "the intent has no front end of mode http")
    return Tier.GOOD if any(served for _, served in found) else Tier.NO_POOL


def _lines(tier: t.Tier, request: Request) -> Iterator[tuple[str, bool]]:
    pools = {pool.name: pool for pool in tier.pools}
    for frontend in tier.frontends:
        if frontend.mode is not t.ProxyMode.HTTP:
            continue
        name, why = chosen(frontend, request)
        where = f"{tier.name}/{frontend.name}"
        if name is None:
            yield f"{where}: no pool ({why}): 503", False
            continue
        pool = pools[name]
        servers = ", ".join(f"{each.name} {_share(each)}" for each in pool.servers) or "no server: 503"
        yield f"{where}: pool {name} ({why}), by {pool.balance}: {servers}", bool(pool.servers)


def _share(server: t.TierServer) -> str:
    return "drains" if server.drain else f"weight {server.weight}{', backup' if server.backup else ''}"


def _request(url: str, headers: Iterable[str], cookies: Iterable[str]) -> Request:
    """Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f'"{url}" is no URL of http or https')
    return Request(
        parts.hostname,
        f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}",
        dict(_pair(each, ":") for each in headers),
        dict(_pair(each, "=") for each in cookies),
    )


def _pair(text: str, sign: str) -> tuple[str, str]:
    name, found, value = text.partition(sign)
    if not found or not name:
        raise ValueError(f'"{text}": write NAME{sign}VALUE')
    return name.strip(), value.strip()


def _read(path: Path) -> Intent | None:
    try:
        return load_intent(path)
    except ConfigErrors as errors:
        print(errors, file=sys.stderr)
        return None
