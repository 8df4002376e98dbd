"""The differential fuzzer: random lives, played to a target and to the oracle, compared packet by packet.

python -m tests.conformance.fuzz --cases 10000 --target ovs --seed 1
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from controller.plan.ids import Space
from controller.spec.types import Mode
from tests.conformance.ageing import Ageing, Cells, Generations, Never
from tests.conformance.delivery import marked
from tests.conformance.oracle import Oracle
from tests.conformance.plant import Plant
from tests.conformance.says import Log, new_mark
from tests.conformance.scenario import SERVERS
from tests.conformance.script import (
    Amnesia,
    Backends,
    Packets,
    Pins,
    Relist,
    Repool,
    Script,
    Time,
    Verdict,
    scripts,
)
from tests.conformance.target import Can, Heard, Reason, Report, Target, Wire
from tests.conformance.targets import TARGETS

_PATIENCE = 1.0
"""Seconds for packets to come out that came out of the oracle."""
_COMPARED = (Reason.EXCEPTION, Reason.YOUNG, Reason.FOUND, Reason.RESET, Reason.PIN_STALE)
_EVERYWHERE = (Reason.RESET,)
"""What switches without watched slots report on the same occasions as the oracle."""


class Mismatch(AssertionError):
    """Target and oracle disagree; the text says about which packet."""


class Duel:
    """One case between a target and an oracle with its hash."""

    def __init__(self, target: Target, script: Script) -> None:
        self.target = target
        self.oracle = Oracle(target.switch.kind, _ageing(target))
        self.plant = Plant(script.setup, target.switch, spread=target.spread)
        self.script = script
        self._heard: list[Report] = []
        self._known: set[tuple[object, ...]] = set()
        """All that was reported so far: some of it may come late."""

    def fight(self) -> None:
        """Play the script to both. Raises Mismatch."""
        self.target.forget()
        self._apply()
        for number, event in enumerate(self.script.events):
            if isinstance(event, Packets):
                self._send(number, event)
            else:
                self._change(event)

    def _change(self, event: Verdict | Backends | Repool | Relist | Time | Pins | Amnesia) -> None:
        seconds = 0.0
        match event:
            case Verdict():
                self.plant.judge(event.server, up=event.up)
            case Backends():
                self.plant.change_backends(event.pool, event.backends)
            case Repool():
                self.plant.change(self.plant.setup.with_service_in(event.number, event.pool))
            case Relist():
                self.plant.change(self.plant.setup.with_access(event.number, event.access))
            case Time():
                seconds = event.seconds
            case Pins():
                self.plant.hear(self._heard)
                self._heard = []
            case Amnesia():
                self.target.forget()
                self.oracle.forget()
        self._apply(seconds)

    def _apply(self, seconds: float = 0.0) -> None:
        self.plant.step(seconds)
        world = self.plant.world()
        self.oracle.apply(world)
        self.target.apply(world)

    def _send(self, number: int, event: Packets) -> None:
        marks = [new_mark() for _ in event.packets]
        pairs = zip(event.packets, marks, strict=True)
        wires = [wire for say, mark in pairs for wire in say.wires(Log(exact=False), mark)]
        wanted = self.oracle.exchange(wires, lambda _: True)
        places = [_places(mark, wanted.frames) for mark in marks]

        def same(heard: Heard) -> bool:
            return [_places(mark, heard.frames) for mark in marks] == places

        heard = self.target.exchange(wires, same, _PATIENCE)
        for say, mark, should in zip(event.packets, marks, places, strict=True):
            found = _places(mark, heard.frames)
            if found != should:
                connection = say.connection
                raise Mismatch(
                    f"event {number}: {connection.client}:{connection.port} to {connection.service}, flags "
                    f"{say.flags:#x}: {self.target.name} sends it to {found or 'no server'}, "
                    f"the oracle to {should or 'no server'}\n{self._told()}"
                )
        self._compare_reports(number, wanted.reports, heard.reports)
        self._heard += [report for report in wanted.reports if self._may_pin(report)]

    def _may_pin(self, report: Report) -> bool:
        if self.target.has(Can.FULLNAT_PINS):
            return True
        name = self.plant.tables.ids.name(Space.LISTENER, report.listener)
        listeners = self.script.setup.intent(self.target.switch).listeners()
        return all(each.mode is not Mode.FULLNAT for each in listeners if each.name == name)

    def _told(self) -> str:
        """The script, for people."""
        events = "\n".join(f"  {number}: {event}" for number, event in enumerate(self.script.events))
        return f"  {self.script.setup}\n{events}"

    def _compare_reports(self, number: int, wanted: Sequence[Report], heard: Sequence[Report]) -> None:
        """A report may be lost to its meter, but none may be wrong."""
        compared = _COMPARED if self.target.has(Can.GENERATIONS) else _EVERYWHERE
        self._known |= {_who(r) for r in wanted}
        strange = {_who(r) for r in heard if r.reason in compared} - self._known
        if strange:
            raise Mismatch(
                f"event {number}: {self.target.name} reports {strange}, of which the oracle knows nothing"
                f"\n{self._told()}"
            )


def _ageing(target: Target) -> Ageing:
    if target.has(Can.GENERATIONS):
        return Generations()
    return Cells() if target.has(Can.MEMORY_CLOCK) else Never()


def _places(mark: bytes, frames: Sequence[Wire]) -> list[str]:
    """Servers that a packet came out at."""
    return [wire.port for wire in marked(mark, frames) if wire.port in SERVERS]


def _who(report: Report) -> tuple[object, ...]:
    backend = report.backend if report.reason in (Reason.EXCEPTION, Reason.YOUNG, Reason.FOUND) else 0
    return report.reason, report.listener, report.source, report.port, backend


def search(target: Target, cases: int, number: int, *, shrink: bool = True) -> None:
    """Try so many cases, beginning from a seed. Raises Mismatch for one that differs: with ``shrink``, a small one."""

    @seed(number)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate, *([Phase.shrink] if shrink else [])],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
    )
    @given(scripts(turning=target.has(Can.GENERATIONS), affine=target.has(Can.FULLNAT_AFFINITY)))
    def agree(script: Script) -> None:
        Duel(target, script).fight()

    agree()


def main(arguments: Sequence[str]) -> int:
    """Return 0 if all cases agree, 1 if one does not, 2 where the target cannot be."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.fuzz", description=__doc__)
    kinds = {kind.name: kind for kind in TARGETS}
    parser.add_argument("--target", choices=[name for name in kinds if name != "oracle"], default="ovs")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args(arguments)
    print(f"{options.cases} cases against {options.target}, seed {options.seed}", flush=True)
    kind = kinds[options.target]
    reason = kind.why_not()
    if reason is not None:
        print(reason, file=sys.stderr)
        return 2
    target = kind.make()
    try:
        search(target, options.cases, options.seed)
    except Mismatch as mismatch:
        print(f"seed {options.seed}: {mismatch}\n" + "\n".join(getattr(mismatch, "__notes__", [])))
        return 1
    finally:
        target.close()
    print("no difference")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
