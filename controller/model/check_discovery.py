"""Checks of ``discovery``: where it listens, and whether its services lead to something."""

from __future__ import annotations

from ipaddress import ip_address

from controller.model.findings import Findings
from controller.spec.discovery import Discovery, Service, ServiceRoute, Target
from controller.spec.types import Pool


def check_discovery(found: Findings) -> None:
    """Adds what is wrong with it."""
    of = found.intent.discovery
    if of is None:
        return
    _check_listen(found, of)
    pools = {pool.name: pool for pool in found.intent.pools}
    listens: dict[str, Service] = {}
    for service in of.services:
        _check_sites(found, service)
        if service.listen is not None:
            first = listens.setdefault(service.listen, service)
            if first is not service:
                message = f'services "{first.name}" and "{service.name}" both listen at {service.listen}'
                found.add(service, "listen", message, "give each its own address or port")
        for route in service.routes:
            _check_route(found, service, route, pools)


def _check_listen(found: Findings, of: Discovery) -> None:
    host = of.listen.rpartition(":")[0].strip("[]")
    if not of.listen or of.tls is not None or of.insecure or ip_address(host).is_loopback:
        return
    found.add(
        of,
        "listen",
        f"discovery listens at {of.listen}, where others than this machine learn of all servers",
        "give tls: {cert: ..., key: ..., ca: ...}, or allow it with insecure: true",
        unless=[(of, "tls")],
    )


def _check_sites(found: Findings, service: Service) -> None:
    for index, site in enumerate(service.prefer):
        if site in service.prefer[:index]:
            message = f'service "{service.name}" has the site "{site}" twice'
            found.add(service, (("prefer", index),), message, "name each site once")
        elif site not in found.names("site"):
            found.dangling(service, (("prefer", index),), site, "site", f'service "{service.name}"')


def _check_route(found: Findings, service: Service, route: ServiceRoute, pools: dict[str, Pool]) -> None:
    what = f'service "{service.name}"'
    if route.to and not any(target.weight for target in route.to):
        message = f"a route of {what} has no target with a weight"
        found.add(route, "to", message, "give one of them a weight of 1 or more")
    seen: set[tuple[str, str | None]] = set()
    for target in route.to:
        if (target.pool, target.subset) in seen:
            message = f'a route of {what} leads to the pool "{target.pool}" twice'
            found.add(target, ("subset", "pool"), message, "keep one of the two")
        seen.add((target.pool, target.subset))
        if target.pool not in found.names("pool"):
            found.dangling(target, "pool", target.pool, "pool", what)
        elif target.pool in pools:
            _check_target(found, what, target, pools[target.pool])


def _check_target(found: Findings, what: str, target: Target, pool: Pool) -> None:
    if target.subset is None or target.subset in pool.subsets:
        return
    names = ", ".join(pool.subsets)
    right = f"write one of {names}" if names else "leave subset out, or give the pool a split"
    found.add(
        target,
        "subset",
        f'{what} names the subset "{target.subset}" of pool "{pool.name}", which has none of that name',
        right,
        unless=[(pool, "split")],
    )
