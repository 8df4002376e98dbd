"""Whether the services of a zone can be carried out: their candidates, and what each policy goes by."""

from __future__ import annotations

from collections.abc import Iterator

from controller.model.counting import is_counted
from controller.model.dnsvalues import label
from controller.model.findings import Findings
from controller.model.units import format_duration
from controller.spec.health import ProbeKind
from controller.spec.names import APEX, COUNTS, ORDERS, Candidate, NoneLive, Policy, Service, Zone
from controller.spec.types import Listener, Vip


def check_service(found: Findings, zone: Zone, service: Service) -> None:
    """One of them."""
    vips = {vip.name: vip for vip in reversed(found.intent.vips)}
    if not service.candidates and "candidate" not in found.source.dropped:
        hint = "add candidates: [{vip: shop}]"
        found.add(service, "candidates", f"{_called(zone, service)} has no candidate", hint)
    names: set[str] = set()
    for candidate in service.candidates:
        if candidate.name in names:
            message = f'{_called(zone, service)} has two candidates "{candidate.name}"'
            found.add(candidate, ("name", "vip", "address"), message, "give one of them another name")
        names.add(candidate.name)
        _check_candidate(found, zone, service, candidate, vips)
    _check_chain(found, zone, service)
    _check_grounds(found, zone, service, vips)
    _check_health(found, zone, service, vips)
    _check_other_records(found, zone, service)


def listeners_of(vip: Vip, port: int | None) -> list[Listener]:
    """Listeners of a VIP that a service means."""
    return [each for each in vip.listeners if port in (None, each.port)]


def _called(zone: Zone, service: Service) -> str:
    return f'service "{zone.whole(service.name)[:-1]}"'


def _check_candidate(
    found: Findings, zone: Zone, service: Service, candidate: Candidate, vips: dict[str, Vip]
) -> None:
    what = f'candidate "{candidate.name}" of {_called(zone, service)}'
    vip = None if candidate.vip is None else vips.get(candidate.vip)
    if candidate.vip is not None and vip is None and candidate.vip not in found.names("vip"):
        found.dangling(candidate, "vip", candidate.vip, "vip", what)
    if candidate.vip is not None and candidate.site is not None:
        hint = "leave site out: a VIP is of the site that owns it at the time"
        found.add(candidate, "site", f"{what} is a VIP and has a site", hint)
    own = candidate.address if vip is None else vip.address
    if candidate.public is not None and own is not None and candidate.public.version != own.version:
        message = f"{what} has the public address {candidate.public}, and itself {own}"
        found.add(
            candidate, "public", message, "give one of the same IP version", [(vip, "address")] if vip else []
        )
    if vip is not None and service.port is not None and not listeners_of(vip, service.port):
        message = f'{what}: VIP "{vip.name}" has no listener on port {service.port}'
        found.add(service, "port", message, "add one, or name the port of one that it has")
    known = {region.name for region in zone.regions}
    for region in candidate.regions:
        if region not in known and region not in found.names("region"):
            found.dangling(candidate, "regions", region, "region", what)
        elif region not in known:
            message = f'{what} names the region "{region}", which is of another zone'
            found.add(candidate, "regions", message, f'add it to the regions of zone "{zone.name}"')


def _check_chain(found: Findings, zone: Zone, service: Service) -> None:
    what, chain = _called(zone, service), service.policies
    if not chain:
        found.add(service, "policies", f"{what} has no policy", "leave policies out, or name some: [health]")
    for index, policy in enumerate(chain):
        if policy in chain[:index]:
            message = f"{what} has the policy {policy} twice"
            found.add(service, ("policies",), message, "keep one of the two")
        elif policy is Policy.HEALTH and index:
            message = f"{what} has health after {chain[0]}, which may leave none but those that do not live"
            found.add(service, ("policies",), message, "put health first")
        elif policy in ORDERS and index < len(chain) - 1:
            message = f"{what} has {chain[index + 1]} after {policy}, which puts what is left in an order"
            found.add(service, ("policies",), message, f"put {policy} last, or leave it out")
    if service.health is not None and Policy.HEALTH not in chain:
        message = f"{what} has health, and no policy health that goes by it"
        found.add(service, ("health", "policies"), message, "add health to the policies")
    if service.otherwise is not None:
        _check_otherwise(found, zone, service)


def _check_otherwise(found: Findings, zone: Zone, service: Service) -> None:
    what = _called(zone, service)
    target = zone.whole(service.otherwise or "")
    if Policy.HEALTH not in service.policies:
        message = f"{what} leads to another name when no candidate lives, and has no policy health"
        found.add(service, "otherwise", message, "add health to the policies")
    if service.name == APEX or zone.whole(service.name) == zone.origin:
        message = f"{what} is the zone itself, which cannot have a CNAME"
        found.add(service, "otherwise", message, "leave otherwise out")
    if target == zone.whole(service.name):
        found.add(service, "otherwise", f"{what} leads to itself", "name another name")
    if found.given(service, "none_live") and service.none_live is NoneLive.NONE:
        message = f"{what} has both none_live: none and otherwise"
        found.add(service, "otherwise", message, "keep one of the two")


def _check_grounds(found: Findings, zone: Zone, service: Service, vips: dict[str, Vip]) -> None:
    what, chain = _called(zone, service), service.policies
    if Policy.REGION in chain and not zone.regions:
        message = f'{what} has the policy region, and zone "{zone.name}" has no regions'
        found.add(service, ("policies",), message, "add regions: [{name: eu, prefixes: [192.0.2.0/24]}]")
    ours = [vips[c.vip] for c in service.candidates if c.vip in vips]
    if (Policy.ACTIVE_SERVERS in chain or COUNTS & set(chain)) and not ours:
        policy = next(each for each in chain if each is Policy.ACTIVE_SERVERS or each in COUNTS)
        message = f"{what} has the policy {policy}, and no candidate that is a VIP of this file"
        found.add(service, ("policies",), message, "leave it out: nothing is known of servers of others")
    for policy in chain:
        if policy in COUNTS:
            _check_counts(found, service, what, policy, ours)
    if Policy.RTT in chain and not _measured(found, zone, service):
        message = f"{what} has the policy rtt, and no name server says at which site of a candidate it is"
        found.add(service, ("policies",), message, f'give the servers of zone "{zone.name}" a site')
    shares = [each.weight for each in service.candidates]
    if (Policy.WEIGHT in chain or Policy.ROUND_ROBIN in chain) and shares and not any(shares):
        found.add(
            service, ("policies",), f"{what}: all candidates have weight 0", "give one of them a weight"
        )
    _check_site_weights(found, zone, service)


def _check_site_weights(found: Findings, zone: Zone, service: Service) -> None:
    what = _called(zone, service)
    if service.site_weights and Policy.SITE_WEIGHT not in service.policies:
        message = f"{what} has site_weights, and no policy site-weight that goes by them"
        found.add(service, "site_weights", message, "add site-weight to the policies")
    known = found.names("site") | {each.site for each in service.candidates if each.site is not None}
    for site, _ in service.site_weights:
        if site not in known:
            found.dangling(service, "site_weights", site, "site", what)
    weights = dict(service.site_weights)
    if service.site_weights and all(weights.get(site, 1) == 0 for site in known):
        found.add(service, "site_weights", f"{what}: all sites have weight 0", "give one of them a weight")


def _measured(found: Findings, zone: Zone, service: Service) -> bool:
    sites: set[str] = {each.site for each in service.candidates if each.site is not None}
    for vip in found.intent.vips:
        if any(each.vip == vip.name for each in service.candidates):
            sites.update(vip.owners)
    return any(server.site in sites for server in zone.servers)


def _check_counts(found: Findings, service: Service, what: str, policy: Policy, vips: list[Vip]) -> None:
    for name in dict.fromkeys(item.pool for vip in vips for item in listeners_of(vip, service.port)):
        pool = next((each for each in found.intent.pools if each.name == name), None)
        if pool is None:
            continue
        if pool.capacity is None:
            message = f'{what} has the policy {policy}, and pool "{name}" has no capacity'
            found.add(
                pool, "capacity", message, "add capacity: 10000 to the pool, the connections that it can take"
            )
        if not is_counted(found, pool):
            message = (
                f'{what} has the policy {policy}, and nothing counts the connections of pool "{name}": no TCP listener '
                "leads to it, and its servers do not say"
            )
            found.add(pool, "agent", message, "add agent: {type: http, port: ...} to the pool")


def _check_health(found: Findings, zone: Zone, service: Service, vips: dict[str, Vip]) -> None:
    what, check = _called(zone, service), service.health
    if check is None:
        for candidate in service.candidates:
            if candidate.address is not None and Policy.HEALTH in service.policies:
                message = (
                    f'candidate "{candidate.name}" of {what} is not ours, and nothing tells whether it lives'
                )
                hint = "add health: {type: tcp, port: ...} to the service, or leave policy health out"
                found.add(candidate, "address", message, hint, [(service, "health"), (service, "policies")])
        return
    if check.timeout > check.interval:
        message = (
            f"the probes of {what} have a timeout of {format_duration(check.timeout)}, longer than their interval "
            f"{format_duration(check.interval)}"
        )
        found.add(check, ("timeout", "interval"), message, "shorten timeout or lengthen interval")
    if check.kind is ProbeKind.ICMP or check.port is not None or service.port is not None:
        return
    for candidate in service.candidates:
        ports = {item.port for item in vips[candidate.vip].listeners} if candidate.vip in vips else set()
        if len(ports) != 1 and not (candidate.vip is not None and candidate.vip not in vips):
            message = f'{what} does not say which port of candidate "{candidate.name}" is probed'
            found.add(check, "port", message, "add port to its health, or to the service")
            return


def _check_other_records(found: Findings, zone: Zone, service: Service) -> None:
    what = _called(zone, service)
    if service.srv:
        for candidate in _unlike_labels(service):
            message = f'candidate "{candidate.name}" of {what} cannot be a name in SRV records'
            hint = "give it a name of letters, digits and -"
            found.add(candidate, ("name", "vip", "address"), message, hint)


def _unlike_labels(service: Service) -> Iterator[Candidate]:
    return (each for each in service.candidates if not label(each.name.lower()))
