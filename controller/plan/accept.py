"""Another intent takes the place of the present one: names change, listeners change pools or begin to drain. Pure.

renamed VIPs (by address), switches (by id) ─► ids, tables and turns go by the new names
a listener with another pool ─► a state that begins with what it has, and becomes that pool's
a listener that is no more   ─► a state that begins with what it has, without servers: it drains
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from controller.plan.carried import refit
from controller.plan.ids import Space
from controller.plan.pool import PoolState
from controller.plan.tables import Retained, Tables, own_key, served, shared_key
from controller.spec.types import Intent, Listener, Pool, Vip


def accept(tables: Tables, old: Intent, new: Intent, now: float) -> Tables:
    """The tables once ``new`` takes the place of ``old``; ``advance`` follows before they are used."""
    was = served(old, tables)
    tables = _rename(tables, was, new)
    was = _renamed(was, renames(was, new))
    wanted = {item.name: (vip, item) for vip in new.vips for item in vip.listeners}
    before = {item.name: (vip, item) for vip in was.vips for item in vip.listeners}
    pools, bound, retained = dict(tables.pools), dict(tables.bound), dict(tables.retained)
    former = {**tables.former, **_resolved(was)}
    keys: dict[tuple[str, str], str] = {}
    for name, (vip, item) in before.items():
        if name not in wanted and name not in retained:
            retained[name] = Retained(replace(vip, listeners=(item,)), now)
            key = keys.setdefault((bound.get(name, ""), ""), f"{own_key(item)} drains")
            _rebind(pools, bound, item, item, key, item.pool)
    for name, (_, item) in wanted.items():
        returns = retained.pop(name, None) is not None
        _bind(pools, bound, keys, item, before.get(name), returns)
    writers = _inherited(tables.writers, new, {n: item.pool for n, (_, item) in before.items()})
    return replace(tables, pools=pools, bound=bound, retained=retained, former=former, writers=writers)


def _inherited(writers: Mapping[str, str], new: Intent, before: Mapping[str, str]) -> Mapping[str, str]:
    """A pool under another name keeps its writer. ``before``: listener -> pool that served it."""
    out = dict(writers)
    for item in new.listeners():
        writer = writers.get(before.get(item.name, ""))
        if writer is not None and item.pool not in out:
            out[item.pool] = writer
    return writers if out == writers else out


def renames(old: Intent, new: Intent) -> dict[str, str]:
    """VIPs of ``old`` that have another name in ``new`` (known by their address), or whose name is another's now."""
    by_address = {vip.address: vip.name for vip in new.vips}
    taken = {vip.name: vip.address for vip in new.vips}
    out = {}
    for vip in old.vips:
        if vip.address in by_address:
            if by_address[vip.address] != vip.name:
                out[vip.name] = by_address[vip.address]
        elif vip.name in taken:
            out[vip.name] = f"{vip.name}~{vip.address}"
    return out


def switch_renames(old: Intent, new: Intent) -> dict[str, str]:
    """Switches that have another name in ``new``, known by their ids."""
    pairs = ((switch.name, new.switch(switch.id)) for switch in old.switches)
    return {name: now.name for name, now in pairs if now is not None and now.name != name}


def _rename(tables: Tables, old: Intent, new: Intent) -> Tables:
    vips, switches = renames(old, new), switch_renames(old, new)
    if not vips and not switches:
        return tables
    listeners = {
        item.name: replace(item, vip=vips[vip.name]).name
        for vip in old.vips
        if vip.name in vips
        for item in vip.listeners
    }
    ids = tables.ids.renamed(Space.VIP, vips)
    for space in (Space.LISTENER, Space.LOCAL4, Space.LOCAL6):
        ids = ids.renamed(space, listeners)
    for space, names in ((Space.METER, listeners), (Space.GROUP, switches), (Space.POOL, listeners)):
        ids = ids.renamed(space, _first_word(ids.ids(space), names))
    pools = {_first(key, listeners): state for key, state in tables.pools.items()}
    bound = {listeners.get(name, name): _first(key, listeners) for name, key in tables.bound.items()}
    retained = {
        listeners.get(name, name): replace(each, vip=_renamed_vip(each.vip, vips))
        for name, each in tables.retained.items()
    }
    of_vips = {vips.get(name, name): turn for name, turn in tables.turns.items()}
    return replace(tables, ids=ids, pools=pools, bound=bound, retained=retained, turns=of_vips)


def _first_word(names: Mapping[str, int], words: Mapping[str, str]) -> dict[str, str]:
    """Names that begin with one of these words, and how they are called now."""
    out = {name: _first(name, words) for name in names}
    return {old: new for old, new in out.items() if old != new}


def _first(name: str, words: Mapping[str, str]) -> str:
    head, space, rest = name.partition(" ")
    return f"{words.get(head, head)}{space}{rest}" if space else name


def _renamed(intent: Intent, names: Mapping[str, str]) -> Intent:
    return replace(intent, vips=tuple(_renamed_vip(vip, names) for vip in intent.vips)) if names else intent


def _renamed_vip(vip: Vip, names: Mapping[str, str]) -> Vip:
    name = names.get(vip.name)
    if name is None:
        return vip
    return replace(vip, name=name, listeners=tuple(replace(item, vip=name) for item in vip.listeners))


def _resolved(intent: Intent) -> dict[str, Pool]:
    """Pools whose probes name the port that they fell back to."""
    ports: dict[str, list[tuple[int, int]]] = {}
    for item in intent.listeners():
        ports.setdefault(item.pool, []).append((item.port, item.backend_port))
    out = {}
    for pool in intent.pools:
        check = pool.health
        if check is not None and check.port is None and pool.name in ports:
            check = replace(check, port=min(ports[pool.name])[1])
        out[pool.name] = replace(pool, health=check)
    return out


def _bind(
    pools: dict[str, PoolState],
    bound: dict[str, str],
    keys: dict[tuple[str, str], str],
    item: Listener,
    before: tuple[Vip, Listener] | None,
    returns: bool,
) -> None:
    """Say which state serves a listener of the intent.

    ``keys``: of the states that are made by this edit, by the state that they begin with and the pool that they become:
    listeners that go the same way share one. ``returns``: it was drained until now.
    """
    shared = shared_key(item)
    if before is None or item.name not in bound:
        bound[item.name] = shared
        return
    was, old = before[1], bound[item.name]
    stays = was.pool == item.pool and pools[old].name == item.pool
    if stays and not returns:
        return
    others = {key for name, key in bound.items() if name != item.name}
    if stays and old not in others:
        return
    own = shared if shared not in pools and shared not in others else own_key(item)
    _rebind(pools, bound, was, item, keys.setdefault((old, item.pool), own), was.pool)


def _rebind(
    pools: dict[str, PoolState], bound: dict[str, str], was: Listener, item: Listener, key: str, origin: str
) -> None:
    """Give a listener another state, which begins with what it has."""
    old = bound.get(was.name)
    state = pools.get(old or "")
    if state is None:
        return
    pools[key] = refit(state, item.pool, origin)
    bound[item.name] = key
    if old is not None and old != key and old not in bound.values():
        pools.pop(old, None)
