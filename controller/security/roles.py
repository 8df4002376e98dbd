"""Who may do what: pure. A peer, the method that it calls and the resources that it changes -> allowed, or why not.

    viewer    reads everything
    operator  also changes VIPs, pools and backends: weights, drains, moves, edits
    admin     everything: switches, sites, budgets overridden, claims without quorum

A method that is not known here is an admin's. A peer that is restricted (``only``) changes only what one of its scopes
covers; a change is shown here as the resource before it and after it, and both have to be covered. Reading is whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType

from controller.security.certificates import Named, Role


class Level(IntEnum):
    """What a peer may do; each includes those below."""

    NONE = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    def __str__(self) -> str:
        return self.name.lower()


class Origin(StrEnum):
    """How a peer showed who it is."""

    CERTIFICATE = "certificate"
    TOKEN = "token"
    LOCAL = "local"
    """It opened a Unix socket, whose mode lets the controller's own user alone."""


MEASURED = "ReportNames"
"""What name servers may call besides reading."""
METHODS: Mapping[str, Level] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                *("Get", "GetDocument", "List", "Watch", "Status", "Timeline", "Plan", "Explain"),
                *("FollowNames", "ExplainName"),
                *("Check", "ServerReflectionInfo"),
            ),
            Level.VIEWER,
        ),
        **dict.fromkeys(
            (
                *("Apply", "Delete", "Drain", "Undrain", "SetWeights"),
                *("MoveVip", "Failback", "Rehash", "Drill"),
                MEASURED,
            ),
            Level.OPERATOR,
        ),
    }
)
"""By the last part of a method's name; all others are an admin's."""
OPERATED = frozenset({"vip", "pool", "backend"})
"""Kinds of resources that an operator changes."""


@dataclass(frozen=True)
class Peer:
    """Who calls."""

    origin: Origin
    name: str
    issued: Role | None = None
    """The role that its certificate was made for, if it is one of ours."""

    def __str__(self) -> str:
        return "local" if self.origin is Origin.LOCAL else f"{self.origin} {self.name!r}"


LOCAL = Peer(Origin.LOCAL, "")


def by_certificate(shown: Named) -> Peer:
    """The peer that shows a certificate."""
    return Peer(Origin.CERTIFICATE, shown.name, shown.role)


@dataclass(frozen=True)
class Resource:
    """What a call is about."""

    kind: str
    """As in the API, in lower case: ``vip``, ``pool``, ``backend``, ``switch``, ``site``."""
    name: str
    """Of a backend: POOL/NAME."""
    labels: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


@dataclass(frozen=True)
class Scope:
    """Some resources: those that fit everything that is given."""

    kinds: frozenset[str] = frozenset()
    """Empty: any."""
    names: tuple[str, ...] = ()
    """Patterns as of a shell (``web-*``), of which one has to fit; empty: any."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """All of them, with these very values."""

    def covers(self, resource: Resource) -> bool:
        """Whether this resource is among them."""
        return (
            (not self.kinds or resource.kind in self.kinds)
            and (not self.names or any(fnmatchcase(resource.name, each) for each in self.names))
            and all(resource.labels.get(key) == value for key, value in self.labels.items())
        )


@dataclass(frozen=True)
class Grant:
    """What one peer was given."""

    level: Level
    only: tuple[Scope, ...] = ()
    """Empty: not restricted."""


@dataclass(frozen=True)
class Roles:
    """All that is granted."""

    certificates: Mapping[str, Grant] = field(default_factory=dict)
    """By common name."""
    tokens: Mapping[str, Grant] = field(default_factory=dict)
    """By the token's name."""
    as_issued: bool = True
    """Whether a certificate that is not named here has the role that it was made for."""

    def grant(self, peer: Peer) -> Grant:
        """What a peer may do."""
        match peer.origin:
            case Origin.LOCAL:
                return Grant(Level.ADMIN)
            case Origin.TOKEN:
                return self.tokens.get(peer.name, Grant(Level.NONE))
        known = self.certificates.get(peer.name) if peer.name else None
        if known is not None:
            return known
        return Grant(_ISSUED.get(peer.issued, Level.NONE) if self.as_issued else Level.NONE)

    def why_not(self, peer: Peer, method: str, resources: Iterable[Resource] = ()) -> str | None:
        """Why a peer may not call a method for these resources; None: it may.

        ``method``: with or without its service. ``resources``: of a change, each one as it was and as it would be; of a
        change of the whole intent, none, which a peer that is restricted may not make.
        """
        method = method.rpartition("/")[2]
        grant, changed = self.grant(peer), tuple(resources)
        if grant.level is Level.NONE:
            return f"{peer} has no role; an admin gives it one in the roles file"
        if method == MEASURED and peer.issued is Role.NAMESERVER:
            return None
        needed = _needed(method, changed)
        if grant.level < needed.level:
            return f"{peer} is {_a(grant.level)}, and {needed.what} is for {_a(needed.level)}"
        if not grant.only or needed.level is Level.VIEWER:
            return None
        if not changed:
            return f"{peer} may change some resources only, and {method} is not about single ones"
        beyond = [each for each in changed if not any(scope.covers(each) for scope in grant.only)]
        if beyond:
            more = f" and {len(beyond) - 1} more" if len(beyond) > 1 else ""
            return f"{peer} may change some resources only, and {beyond[0]}{more} is not among them"
        return None


@dataclass(frozen=True)
class _Needed:
    level: Level
    what: str


def _needed(method: str, resources: Iterable[Resource]) -> _Needed:
    level = METHODS.get(method, Level.ADMIN)
    if level is Level.OPERATOR:
        for each in resources:
            if each.kind not in OPERATED:
                return _Needed(Level.ADMIN, f"{method} of {each}")
    return _Needed(level, method)


def _a(level: Level) -> str:
    return f"an {level}" if level in (Level.OPERATOR, Level.ADMIN) else f"a {level}"


_ISSUED: Mapping[Role | None, Level] = {
    Role.VIEWER: Level.VIEWER,
    Role.OPERATOR: Level.OPERATOR,
    Role.ADMIN: Level.ADMIN,
    Role.NAMESERVER: Level.VIEWER,
}
