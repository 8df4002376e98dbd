"""Weights follow what is measured: one decision, from averages to factors. Pure.

least-connections   connections per weight should be equal. How many a backend has follows its factor late, for as long
                    as connections last. So the factor that its present connections were opened by is kept beside it
                    (``felt``, the factor averaged over ``lasting``), and

                        goal = felt x average load / own load

                    which is where a factor belongs whatever is still to come of earlier changes. Without bounds and
                    dead band, factor and load approach theirs without going past them where connections last
                    ``lasting`` or less: s^2 + 2s/d + 1/(d lasting) has real roots for d <= lasting.
response-time       goal = average time / own time, of times with 2 ms added.

Steps are a part of the way to the goal, and bounded; within the dead band there is none. One that has to go back does
so with half the gain, so that a loop that answers more strongly than this takes it to dies out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, log, sqrt
from typing import NamedTuple

from controller.plan.tuned import UNIT
from controller.spec.scheduling import Adaptive, Scheduler

GAINS = {Scheduler.LEAST_CONNECTIONS: 0.8, Scheduler.RESPONSE_TIME: 0.3}
"""Part of the way to the goal that one step goes."""
LEAST_GAIN = 0.05
MOST_STEP = 0.25
"""Of the logarithm of a factor, in one decision."""
NOISE = 3.0
"""Standard deviations of a count of connections that are no reason to act."""
DRIFT = 0.1
"""Of the logarithm of the mean of all factors, after which that is brought back to 1."""
FLOOR = 0.002
"""Seconds that are added to each time: less than that is the network's, or none's."""
_LEAST = UNIT // 1000
"""A decision that changes no factor by more is none."""


class Measured(NamedTuple):
    """A backend that takes connections, and of which there is an average."""

    name: str
    weight: int
    """Of the intent, above 0."""
    adapted: int
    """Its factor now, in millionths."""
    value: float
    """Live connections, or seconds of a probe."""


class Step(NamedTuple):
    """The last step of a backend."""

    up: bool
    gain: float


@dataclass(frozen=True)
class Adapting:
    """What is remembered of a pool between decisions."""

    since: float
    """The last decision, or change of those who take part; seconds of the clock."""
    at: float
    """When ``felt`` was brought up to date."""
    names: frozenset[str] = frozenset()
    """Who takes part."""
    felt: Mapping[str, float] = field(default_factory=dict)
    """Logarithm of the factor by which the connections were opened that a backend has."""
    steps: Mapping[str, Step] = field(default_factory=dict)

    @staticmethod
    def new(now: float) -> Adapting:
        """Nothing is known yet."""
        return Adapting(now, now)


def averaged(before: float | None, value: float, passed: float, smoothing: float) -> float:
    """The average with a further value, ``passed`` seconds after the last one; None: it is the first."""
    if before is None or not smoothing:
        return value
    return before + (value - before) * (1 - exp(-passed / smoothing))


def follow(
    rules: Adaptive, measured: Sequence[Measured], before: Adapting, now: float, held: bool
) -> Adapting:
    """With the time that has passed. ``held``: slots are not yet what factors make of them."""
    names = frozenset(each.name for each in measured)
    part = 0.0 if held else 1 - exp(-(now - before.at) / rules.lasting)
    felt = {}
    for each in measured:
        factor = log(each.adapted / UNIT)
        known = before.felt.get(each.name, factor)
        felt[each.name] = known + (factor - known) * part
    steps = {name: each for name, each in before.steps.items() if name in names}
    return Adapting(before.since if names == before.names else now, now, names, felt, steps)


def decide(
    kind: Scheduler, rules: Adaptive, measured: Sequence[Measured], before: Adapting, now: float
) -> tuple[dict[str, int], Adapting]:
    """Factors in millionths, of all who take part or of none; and what to remember. ``before``: followed up to now.

    Nothing changes before an ``interval`` has passed since the last change, or since others take part.
    """
    if len(measured) < 2 or now < before.since + _wait(kind, rules):
        return {}, before
    errors, steps = _errors(kind, measured), dict(before.steps)
    wanted = _wanted(kind, rules, measured, before, errors)
    changes = {}
    for each in measured:
        way = _way(kind, rules, each, wanted[each.name], errors[each.name])
        changes[each.name] = _step(kind, each.name, way, steps) if way else 0.0
    if not any(changes.values()):
        return {}, before
    made = _bounded(rules, measured, changes)
    if all(abs(made[each.name] - each.adapted) < _LEAST for each in measured):
        return {}, before
    return made, replace(before, since=now, steps=steps)


def loads(measured: Sequence[Measured], kind: Scheduler) -> dict[str, float]:
    """What should be equal, by backend."""
    if kind is Scheduler.RESPONSE_TIME:
        return {each.name: each.value + FLOOR for each in measured}
    return {each.name: (each.value + 1) / each.weight for each in measured}


def _errors(kind: Scheduler, measured: Sequence[Measured]) -> dict[str, float]:
    """Logarithm of average over own: above 0 for those who have less than they should."""
    found = loads(measured, kind)
    average = _mean(measured, found)
    return {name: log(average / each) for name, each in found.items()}


def _wanted(
    kind: Scheduler,
    rules: Adaptive,
    measured: Sequence[Measured],
    before: Adapting,
    errors: Mapping[str, float],
) -> dict[str, float]:
    """How far each factor is from where it belongs, as a logarithm."""
    goals = dict(errors)
    if kind is Scheduler.LEAST_CONNECTIONS:
        goals = {name: before.felt[name] + error for name, error in errors.items()}
    # Only proportions count: goals are brought to the level that factors have.
    lift = log(_mean(measured, {each.name: each.adapted / UNIT for each in measured}))
    lift -= log(_mean(measured, {name: exp(goal) for name, goal in goals.items()}))
    low, high = log(rules.least), log(rules.most)
    goals = {name: min(high, max(low, goal + lift)) for name, goal in goals.items()}
    return {each.name: goals[each.name] - log(each.adapted / UNIT) for each in measured}


def _wait(kind: Scheduler, rules: Adaptive) -> float:
    """Seconds between two decisions: what a change does to times has to be in their averages."""
    return rules.interval if kind is Scheduler.LEAST_CONNECTIONS else max(rules.interval, 2 * rules.smoothing)


def _way(kind: Scheduler, rules: Adaptive, of: Measured, wanted: float, error: float) -> float:
    """How far a factor should go now; 0: it stays."""
    if kind is Scheduler.RESPONSE_TIME:
        return wanted if abs(wanted) > rules.dead_band else 0.0
    # Nothing is done for the sake of the model alone: the load has to be off too, and to the same side.
    band = max(rules.dead_band, NOISE / sqrt(of.value + 1))
    return wanted if min(abs(wanted), abs(error)) > band and (wanted > 0) is (error > 0) else 0.0


def _step(kind: Scheduler, name: str, way: float, steps: dict[str, Step]) -> float:
    """Of the logarithm of a backend's factor; ``steps`` is brought up to that."""
    last, most = steps.get(name), GAINS[kind]
    gain = most if last is None else last.gain
    if last is not None:
        gain = min(most, 1.25 * gain) if last.up is (way > 0) else max(LEAST_GAIN, gain / 2)
    steps[name] = Step(way > 0, gain)
    return max(-MOST_STEP, min(MOST_STEP, gain * way))


def _bounded(rules: Adaptive, measured: Sequence[Measured], changes: Mapping[str, float]) -> dict[str, int]:
    """Factors after the changes. Their mean by weight is about 1: where it has drifted off, all are brought back."""
    grown = {each.name: each.adapted / UNIT * exp(changes[each.name]) for each in measured}
    mean = _mean(measured, grown)
    level = mean if abs(log(mean)) > DRIFT else 1.0
    return {
        name: round(UNIT * min(rules.most, max(rules.least, value / level))) for name, value in grown.items()
    }


def _mean(measured: Sequence[Measured], values: Mapping[str, float]) -> float:
    """By weight."""
    total = sum(each.weight for each in measured)
    return sum(values[each.name] * each.weight for each in measured) / total
