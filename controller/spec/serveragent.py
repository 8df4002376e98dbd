"""What servers say of themselves: how a pool's servers are asked, and what of it counts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AgentKind(StrEnum):
    """How a server is asked about itself."""

    HAPROXY = "haproxy"
    HTTP = "http"


@dataclass(frozen=True)
class AgentCheck:
    """Servers are asked about themselves: what they can take, whether they serve, how many connections they have.

    The controller that leads asks them. A server that does not answer stays what it last said it was: that is what
    ``health`` is for.
    """

    port: int
    """Port that answers, of the server's first address."""
    kind: AgentKind = AgentKind.HAPROXY
    """``haproxy``: a connection brings a line of words, by HAProxy's agent protocol: ``75%``, ``ready``, ``drain``,
    ``maint``, ``up``, ``down``, ``fail`` and ``stopped``. ``http``: a GET brings the number of live connections, alone
    in the body."""
    path: str = "/"
    """Of type ``http``: path of the request."""
    interval: float = 5.0
    """Time between two questions to a server."""
    timeout: float = 1.0
    """Time after which a question has failed; at most ``interval``."""


@dataclass(frozen=True)
class Told:
    """What a server has said of itself and not taken back."""

    percent: int = 100
    """Of its weight."""
    drain: bool = False
    """It takes no new connections: ``drain`` or ``maint``."""
    down: str = ""
    """Why it is down; empty: it has not said that it is."""
    since: float = 0.0
    """When it said so, seconds of the clock."""


NOTHING_TOLD = Told()
