"""A soak's fabric and facts for tests: what was done, what the journal said, what clients and servers logged."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_network
from typing import Any

from topo import model
from topo.demo.ledger import Endpoint
from topo.demo.records import Connection, Echo, Failure, Served
from topo.soak.editor import Done
from topo.soak.edits import Document, Edit, Intent, apply
from topo.soak.judge import Evidence, Judge, Judged
from topo.soak.signals import TableChange
from topo.soak.stage import SCALES, Stage, stage_of
from topo.soak.steps import Step

PEER = ("10.0.0.11", 40001)
DR, NAT, FULLNAT, TUN = "10.0.0.100/7000", "10.0.0.101/7000", "10.0.0.102/7000", "10.0.0.103/7000"


@cache
def stage(kind: str = "ovs") -> Stage:
    """The default topology."""
    return stage_of(model.load("soak"), next(one for one in SCALES if one.switch == kind))


def stage_address(lb: str) -> str:
    """The first source address that an lb switch has in mode fullnat."""
    network = next(each for each in map(ip_network, stage().local[lb]) if each.version == 4)
    return str(next(network.hosts()))


def endpoint(listener: str) -> Endpoint:
    return next(one for one in stage().long if one.listener == listener)


def done(
    kind: str, action: str, target: str, start: float, value: str = "", end: float | None = None
) -> Done:
    """A step that is no edit."""
    return Done(Step(start, kind, action, target, value), start, start if end is None else end, "done")


class Edits:
    """Edits one after the other, each accepted half a second after it was written."""

    def __init__(self) -> None:
        self.intent = Intent(stage().document)
        self.done: list[Done] = []

    def __call__(
        self, t: float, action: str, target: str, value: str = "", outcome: str = "accepted"
    ) -> Edits:
        changed = apply(self.intent, Edit(action, target, value))
        if outcome == "accepted":
            self.intent = changed
        step = Step(t, "weights", action, target, value)
        self.done.append(Done(step, t, t + 0.01, outcome, t + 0.5, changed.document))
        return self


def connection(listener: str = DR, server: str = "s1", **changes: Any) -> Connection:
    """Spoke at 10, 11 and 30, as an active one does, and met its end at 40 unless told otherwise."""
    good = Connection(
        "c1-1.0",
        "c1",
        listener,
        "active",
        begin=9.9,
        opened=10.0,
        local=PEER,
        echoes=[Echo(10.0, 0.01, server), Echo(11.0, 0.01, server), Echo(30.0, 0.01, server)],
        failure=Failure(40.0, "reset", "echo"),
    )
    for name, value in changes.items():
        setattr(good, name, value)
    return good


def young(opened: float = 34.8, *spoke: float, server: str = "s1", **changes: Any) -> Connection:
    """Opened shortly before a death at 35, and not heard since but then."""
    said = [Echo(t, 0.01, server) for t in (opened, *spoke)]
    return connection(server=server, begin=opened - 0.1, opened=opened, echoes=said, **changes)


def served(listener: str = DR, server: str = "s1", **changes: Any) -> Served:
    """How its server logged it."""
    where = endpoint(listener)
    keeps = where.mode in ("dr", "tun")
    local = (where.address, where.port) if keeps else ("10.1.0.11", where.backend_port)
    values: dict[str, Any] = {"peer": PEER, "local": local, "opened": 9.95, "closed": None, "reason": None}
    return Served(server, **{**values, **changes})


def judge(
    one: Connection,
    *steps: Done,
    records: tuple[Served, ...] | None = None,
    kind: str = "ovs",
    **evidence: Any,
) -> Judged:
    """Judged by what was done, on switches of that kind."""
    if records is None:
        records = (served(one.listener, one.server or "s1"),)
    facts = Evidence(stage(kind), 0.0, tuple(sorted(steps, key=lambda each: each.start)), **evidence)
    return Judge(facts, records).judge(one)


def tables(pool: str, *times: float) -> tuple[TableChange, ...]:
    return tuple(TableChange(pool, t) for t in times)


def documents(edits: list[Step]) -> list[Document]:
    """The intent after each of these steps."""
    intent, found = Intent(stage().document), []
    for step in edits:
        intent = apply(intent, step.edit)
        found.append(intent.document)
    return found
