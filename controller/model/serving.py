"""The schema of what moves weights besides the intent: what servers say of themselves."""

from __future__ import annotations

from controller.model import fields as f
from controller.model.reader import Place, Record
from controller.spec.serveragent import AgentCheck, AgentKind

_DAY = 86400.0
MAX_SLOW_START = 3600.0
"""Seconds."""


def read_agent_check(place: Place) -> AgentCheck:
    """The ``agent`` key of a pool."""
    r = Record(place, "agent")
    d = AgentCheck(port=1)
    kind = r.get("type", f.choice(AgentKind), d.kind)
    port = r.need("port", f.whole(1, 65535), "port: 9999", d.port)
    path = r.get("path", f.http_path, d.path)
    if r.has("path") and kind is not AgentKind.HTTP:
        right = f"leave path out or use type {AgentKind.HTTP}"
        r.fail("path", f'"path" means nothing to an agent of type {kind}', right)
    interval = r.get("interval", f.duration(0.1, _DAY), d.interval)
    timeout = r.get("timeout", f.duration(0.01, _DAY), d.timeout)
    r.close()
    return r.built(AgentCheck(port, kind, path, interval, timeout))
