"""The intent file that says a generated intent: of each kind of record the keys that the generator uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from controller.spec.types import Backend, Intent, Listener, Pool, Switch, Vip


def text(intent: Intent) -> str:
    """YAML in blocks, a key a line: what is cut off may leave a good file behind."""
    return "\n".join(_lines(intent)) + "\n"


def _lines(intent: Intent) -> Iterator[str]:
    yield "sites:"
    for site in intent.sites:
        yield f"- name: {site.name}"
        yield "  subnets:"
        for subnet in site.subnets:
            yield f"  - name: {subnet.name}"
            yield f"    prefixes: {_list(subnet.prefixes)}"
    yield "switches:"
    for switch in intent.switches:
        yield from _switch(switch)
    yield "pools:"
    for pool in intent.pools:
        yield from _pool(pool)
    yield "vips:" if intent.vips else "vips: []"
    for vip in intent.vips:
        yield from _vip(vip)


def _switch(switch: Switch) -> Iterator[str]:
    yield f"- name: {switch.name}"
    yield f"  kind: {switch.kind}"
    yield f"  id: {switch.id:#x}"
    yield f"  site: {switch.site}"
    yield f"  roles: {_list(switch.roles)}"
    yield f"  mac: {switch.mac}"
    yield "  ports: {" + ", ".join(f"{port.number}: {port.to}" for port in switch.ports) + "}"


def _pool(pool: Pool) -> Iterator[str]:
    yield f"- name: {pool.name}"
    yield f"  max_backends: {pool.max_backends}"
    for key in ("memory_timeout", "transition", "drain_timeout"):
        yield f"  {key}: {getattr(pool, key):g}s"
    yield f"  drain_then: {pool.drain_then}"
    yield f"  panic_threshold: {pool.panic_threshold}"
    yield f"  spill_below: {pool.spill_below}"
    yield f"  zones: {pool.zones}"
    if pool.health is not None:
        yield "  health: {}"
    if pool.backup is not None:
        yield f"  backup: {pool.backup}"
    yield "  backends:" if pool.own else "  backends: []"
    for backend in pool.own:
        yield from _backend(backend)


def _backend(backend: Backend) -> Iterator[str]:
    yield f"  - name: {backend.name}"
    yield f"    addresses: {_list(backend.addresses)}"
    yield f"    mac: {backend.mac}"
    yield f"    weight: {backend.weight}"
    yield f"    group: {backend.group}"
    yield f"    drain: {str(backend.drain).lower()}"
    if backend.zone is not None:
        yield f"    zone: {backend.zone}"


def _vip(vip: Vip) -> Iterator[str]:
    yield f"- name: {vip.name}"
    yield f"  address: {vip.address}"
    yield f"  mac: {vip.mac}"
    yield f"  owners: {_list(vip.owners)}"
    yield "  listeners:" if vip.listeners else "  listeners: []"
    for item in vip.listeners:
        yield from _listener(item)


def _listener(item: Listener) -> Iterator[str]:
    yield f"  - protocol: {item.protocol}"
    yield f"    port: {item.port}"
    yield f"    pool: {item.pool}"
    yield f"    mode: {item.mode}"
    yield f"    backend_port: {item.backend_port}"
    yield f"    affinity: {item.affinity}"


def _list(values: Iterable[object]) -> str:
    return f"[{', '.join(map(str, values))}]"
