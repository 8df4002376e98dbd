"""What to tell a HAProxy so that it becomes what it should be: nothing, commands, or a reload. Pure.

The file is written before: a server that is added by a command and not in the file would vanish with the next reload. A
server that leaves gets weight 0 first, and is deleted once it has no session. One that cannot leave or come by command
takes a reload: its sessions then end in the former process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from controller.exits.tier.parse import Has, ServerHas
from controller.exits.tier.wanted import (
    DRAIN_SERVER,
    DRAIN_SWITCH,
    PoolWanted,
    ServerRef,
    ServerWanted,
    Wanted,
)


@dataclass(frozen=True)
class Reload:
    """The file has to be read again."""

    why: str


@dataclass(frozen=True)
class Commands:
    """Of the runtime API, in order."""

    lines: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    """What they change, in words."""
    last: tuple[str, ...] = ()
    """For servers that take nothing and have no session any more: they are deleted. That may have to be tried again."""
    waits: tuple[ServerRef, ...] = ()
    """Servers that are to leave and have sessions."""


def diff(wanted: Wanted, has: Has) -> Reload | Commands:
    """From what a worker has to what it should."""
    if has.digest != wanted.digest:
        return Reload(
            "it was made of another configuration" if has.digest else "it was not made of a file of ours"
        )
    by_pool: dict[str, dict[str, ServerHas]] = {}
    for (pool, name), server in has.servers.items():
        by_pool.setdefault(pool, {})[name] = server
    lines: list[str] = []
    about: list[str] = []
    last: list[str] = []
    waits: list[ServerRef] = []
    for name, of in wanted.pools.items():
        there = by_pool.get(name, {})
        if not of.grows and there.keys() != of.servers.keys():
            return Reload(f"pool {name} has other servers, which takes a reload there")
        for said, words in _pool(name, of, there):
            lines += said
            about.append(words)
        for gone in sorted(there.keys() - of.servers.keys()):
            where, had = f"{name}/{gone}", there[gone]
            if had.weight > 0 and not had.maint:
                lines.append(f"set server {where} weight 0")
                about.append(f"{where} leaves")
                waits.append((name, gone))
            elif (name, gone) in has.counted and has.counted[name, gone].sessions > 0:
                waits.append((name, gone))
            else:
                last += [*([] if had.maint else [f"set server {where} state maint"]), f"del server {where}"]
    return Commands(tuple(lines), tuple(about), tuple(last), tuple(waits))


def _pool(name: str, pool: PoolWanted, there: Mapping[str, ServerHas]) -> Iterator[tuple[list[str], str]]:
    for server, wanted in pool.servers.items():
        where = f"{name}/{server}"
        had = there.get(server)
        if had is None:
            yield _add(where, wanted), f"{where} is new"
            continue
        lines = list(_change(where, wanted, had, pool.weighs))
        if lines:
            yield lines, _words(where, lines)


def _words(where: str, lines: list[str]) -> str:
    if where == f"{DRAIN_SWITCH}/{DRAIN_SERVER}":
        return "clients are asked to go" if lines[-1].endswith("ready") else "clients may stay"
    before = len(f"set server {where} ")
    return f"{where}: {', '.join(line[before:] for line in lines)}"


def _add(where: str, of: ServerWanted) -> list[str]:
    host = f"[{of.address}]" if ":" in of.address else of.address
    lines = [f"add server {where} {host}:{of.port} weight {of.weight} {of.options}"]
    if of.checked:
        lines.append(f"enable health {where}")
    if not of.maint:
        lines.append(f"enable server {where}")
    return lines


def _change(where: str, of: ServerWanted, had: ServerHas, weighs: bool) -> Iterator[str]:
    if (ip_address(of.address), of.port) != (_address(had.address), had.port):
        yield f"set server {where} addr {of.address} port {of.port}"
    if weighs and of.weight != had.weight:
        yield f"set server {where} weight {of.weight}"
    if of.maint and not had.maint:
        yield f"set server {where} state maint"
    if not of.maint and (had.maint or had.drain):
        yield f"set server {where} state ready"


def _address(text: str) -> object:
    """An address that can be compared; a text that is none equals none."""
    try:
        return ip_address(text)
    except ValueError:
        return text
