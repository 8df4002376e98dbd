"""The schema of what moves weights besides the intent."""

from __future__ import annotations

from controller.model import fields as f
from controller.model.labels import read_labels
from controller.model.reader import Place, Record
from controller.spec.pool import Subset
from controller.spec.scheduling import Adaptive, Scheduler
from controller.spec.serveragent import AgentCheck, AgentKind

ADAPTING = tuple(each for each in Scheduler if each.adapts)
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


def read_adaptive(place: Place) -> Adaptive:
    """The ``adaptive`` key of a pool."""
    r = Record(place, "adaptive")
    d = Adaptive()
    made = Adaptive(
        interval=r.get("interval", f.duration(1, _DAY), d.interval),
        smoothing=r.get("smoothing", f.duration(0, 3600), d.smoothing),
        dead_band=r.get("dead_band", f.share, d.dead_band),
        lasting=r.get("lasting", f.duration(1, _DAY), d.lasting),
        least=r.get("least", f.factor(0.01, 1), d.least),
        most=r.get("most", f.factor(1, 100), d.most),
    )
    r.close()
    return r.built(made)


def check_scheduler(r: Record, scheduler: Scheduler, probed: bool) -> None:
    """Whether there is what a scheduler goes by, as far as the pool alone tells."""
    if scheduler is Scheduler.RESPONSE_TIME and not probed:
        r.fail("scheduler", f'"{scheduler}" needs probes, whose times it follows', "add health: to the pool")
    if r.has("adaptive") and not scheduler.adapts:
        right = f"leave adaptive out or set scheduler to {f.either(ADAPTING)}"
        r.fail("adaptive", f'"adaptive" means nothing to the scheduler {scheduler}', right)


def read_subset(place: Place) -> Subset | None:
    """One entry of a pool's ``split``."""
    r = Record(place, "subset")
    name = r.name("subset", f.name, "name: canary")
    weight = r.need("weight", f.whole(0, 65535), "weight: 10", 0)
    labels = r.get("labels", read_labels, ())
    for key in ("clients", "prefix", "prefixes"):
        r.refuse(
            key,
            "clients cannot be sent to a subset by their addresses: the slot of a connection comes from a hash, and a "
            "switch asks nothing else",
            f"leave {key} out, and give those clients a listener of another VIP or port, with a pool of its own",
        )
    return r.built(Subset(name, weight, labels)) if r.close() else None
