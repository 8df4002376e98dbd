"""The policies that leave candidates out, by what is known and by who asks. Pure; docs/names.md has the formulas.

Each is handed the candidates that the policies before it left, and says which stay and why. What it knows nothing
about stays. One that would leave nothing is passed over (``chain.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from controller.exits.names.candidates import Fact, Facts
from controller.spec.names import Policy, Service


@dataclass(frozen=True)
class Where:
    """The asker, as far as policies go by it."""

    region: str = ""
    """Empty: in none."""
    rtts: Mapping[str, float] = field(default_factory=dict)
    """Seconds from each site; sites of which nothing is known are not in it."""


NOWHERE = Where()


class Judged(NamedTuple):
    """What a policy says."""

    kept: Facts
    why: Mapping[str, str]
    """Of each candidate that it was handed: on what grounds it stays or goes."""


Narrow = Callable[[Service, Facts, Where], Judged]


def health(_service: Service, given: Facts, _where: Where) -> Judged:
    """Those that live: no probe says otherwise, nor does their site."""
    return _those(given, lambda each: not each.dead, lambda each: each.dead or _alive(each))


def region(_service: Service, given: Facts, where: Where) -> Judged:
    """Those that serve the asker's region."""
    if not where.region:
        return Judged(given, {each.name: "the asker is in no region" for each in given})
    return _those(
        given,
        lambda each: where.region in each.regions,
        lambda each: f"serves {', '.join(sorted(each.regions)) or 'no region'}",
    )


def session_threshold(service: Service, given: Facts, _where: Where) -> Judged:
    """Those whose pool has fewer connections than a share of what it can take."""
    return _those(
        given,
        lambda each: (used := _used(each)) is None or used < service.threshold,
        lambda each: _sessions(each, f"limit {service.threshold:.0%}"),
    )


def active_servers(_service: Service, given: Facts, _where: Where) -> Judged:
    """Those with the most servers that live."""
    known = [each.state.servers for each in given if each.state.servers is not None]
    most = max(known, default=0)
    return _those(
        given,
        lambda each: each.state.servers is None or each.state.servers == most,
        lambda each: "not known" if each.state.servers is None else f"{each.state.servers} live",
    )


def rtt(service: Service, given: Facts, where: Where) -> Judged:
    """Those at the sites that are nearest to the asker, or as good as nearest."""
    known = [where.rtts[each.site] for each in given if each.site in where.rtts]
    if not known:
        return Judged(given, {each.name: "not measured" for each in given})
    limit = min(known) + service.rtt_within
    return _those(
        given,
        lambda each: where.rtts.get(each.site, limit + 1.0) <= limit,
        lambda each: f"{where.rtts[each.site] * 1000:.1f} ms" if each.site in where.rtts else "not measured",
    )


def available_sessions(_service: Service, given: Facts, _where: Where) -> Judged:
    """Those whose pool can take the most connections more."""
    free = {each.name: _free(each) for each in given}
    most = max((each for each in free.values() if each is not None), default=0)
    return _those(
        given,
        lambda each: free[each.name] in (None, most),
        lambda each: "not known" if free[each.name] is None else f"{free[each.name]} free",
    )


def preference(_service: Service, given: Facts, _where: Where) -> Judged:
    """Those that the administrator prefers most."""
    most = max((each.preference for each in given), default=0)
    return _those(given, lambda each: each.preference == most, lambda each: f"preference {each.preference}")


NARROWS: Mapping[Policy, Narrow] = {
    Policy.HEALTH: health,
    Policy.REGION: region,
    Policy.SESSION_THRESHOLD: session_threshold,
    Policy.ACTIVE_SERVERS: active_servers,
    Policy.RTT: rtt,
    Policy.AVAILABLE_SESSIONS: available_sessions,
    Policy.PREFERENCE: preference,
}
"""Those that leave the same for the same state and asker."""


def site_shares(service: Service, given: Facts) -> dict[str, int]:
    """Weights of the sites that have a candidate (``site-weight``); where all have 0, each has 1."""
    found = {each.site: service.site_weight(each.site) for each in given}
    return found if any(found.values()) else dict.fromkeys(found, 1)


def shares(given: Facts) -> tuple[int, ...]:
    """Weights of candidates (``weight``, ``round-robin``); where all have 0, each has 1."""
    found = tuple(each.weight for each in given)
    return found if any(found) else (1,) * len(found)


def _those(given: Facts, keeps: Callable[[Fact], bool], why: Callable[[Fact], str]) -> Judged:
    return Judged(tuple(each for each in given if keeps(each)), {each.name: why(each) for each in given})


def _alive(fact: Fact) -> str:
    probed = {True: "probes: up", None: "not probed"}[fact.state.up or None]
    where = f"at {fact.site}" if fact.site else "at no site of ours"
    behind = "" if fact.state.servers is None else f", {fact.state.servers} live servers"
    return f"{probed}, {where}{behind}"


def _used(fact: Fact) -> float | None:
    if fact.state.sessions is None or not fact.state.capacity:
        return None
    return fact.state.sessions / fact.state.capacity


def _free(fact: Fact) -> int | None:
    if fact.state.sessions is None or fact.state.capacity is None:
        return None
    return max(0, fact.state.capacity - fact.state.sessions)


def _sessions(fact: Fact, limit: str) -> str:
    used = _used(fact)
    if used is None:
        return "not known"
    return f"{fact.state.sessions} of {fact.state.capacity} connections ({used:.0%}), {limit}"
