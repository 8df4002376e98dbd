"""The health check of a pool, as the intent gives it. Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ProbeKind(StrEnum):
    """How a backend is asked whether it lives."""

    TCP = "tcp"
    HTTP = "http"
    HTTPS = "https"
    UDP = "udp"
    ICMP = "icmp"


class PlaceRule(StrEnum):
    """How the verdicts of several places that probe become one."""

    ANY = "any"
    MAJORITY = "majority"
    SITE_LOCAL = "site-local"


@dataclass(frozen=True)
class HealthCheck:
    """How often and how a pool's backends are probed, and what counts."""

    kind: ProbeKind = ProbeKind.TCP
    """How a backend is probed."""
    port: int | None = None
    """Port to probe; not for icmp. None: the backend port of the pool's lowest listener."""
    interval: float = 1.0
    """Time between two probes of a backend."""
    timeout: float = 0.5
    """Time after which a probe has failed; at most ``interval``."""
    rise: int = 2
    """Successes in a row after which a backend is up."""
    fall: int = 3
    """Failures in a row after which a backend is down."""
    path: str = "/"
    """HTTP(S): path of the request."""
    host: str | None = None
    """HTTP(S): Host header and TLS server name. None: the address."""
    statuses: tuple[tuple[int, int], ...] = ((200, 399),)
    """HTTP(S): statuses that count as success, such as ``[200, 301-308]``."""
    body: str | None = None
    """HTTP(S): regular expression that is searched in the first 64 KiB of the body. None: any body."""
    send: bytes = b""
    """UDP: the request; required there."""
    expect: bytes | None = None
    """UDP: prefix that the answer must have. None: any answer."""
    verify: bool = False
    """HTTPS: whether the certificate is checked."""
    flap_limit: int = 6
    """Changes of verdict within the window that are accepted; more hold the backend down until it is steady."""
    flap_window: float = 60.0
    """Time in which changes of verdict are counted."""
    places: PlaceRule = PlaceRule.MAJORITY
    """Where agents probe too: whose verdict counts. ``majority``: that of most agents that have one; while they are
    evenly split, a backend stays what it was. ``any``: up while one of them sees it up. ``site-local``: the majority
    of the agents of the backend's own site (that of the switch in ``at``), of all while none of these has a verdict.
    Without agents it means nothing."""
