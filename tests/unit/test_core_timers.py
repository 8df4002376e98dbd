"""Rules are stepped at their deadlines, however often they are touched; one that fails is said, retried, and alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from controller.clock import SystemClock
from controller.core import timers as module
from controller.core.timers import Rule, Timers
from tests.fakes.core import SetClock, journal, play, until


class Once:
    """Wants to step at a time, once."""

    def __init__(self, at: float | None, step: Callable[[], object] = lambda: None) -> None:
        self.at = at
        self.steps = 0
        self._step = step

    def step(self) -> None:
        self.steps += 1
        self._step()
        self.at = None

    def rule(self, name: str) -> Rule:
        return Rule(name, lambda: self.at, self.step)


def test_a_deadline_is_carried_out_when_it_comes() -> None:
    clock = SystemClock()
    rule = Once(clock.now() + 0.05)
    due, stepped = rule.at, []
    rule._step = lambda: stepped.append(clock.now())
    timers = Timers([rule.rule("pools")], journal()[0], clock)

    async def body() -> None:
        await until(lambda: rule.steps, "it steps")
        assert due is not None
        assert stepped[0] >= due

    play(body, timers.run)


def test_a_deadline_that_has_passed_is_carried_out_although_the_rule_was_touched() -> None:
    clock = SetClock()
    rule = Once(clock.now() + 100.0)
    timers = Timers([rule.rule("pools")], journal()[0], clock)

    async def body() -> None:
        await asyncio.sleep(0.01)
        # The verdict that wakes the timers is taken at a time at which the deadline is past already.
        clock.time += 200.0
        timers.wake()
        await until(lambda: rule.steps, "it steps")

    play(body, timers.run)
    assert rule.steps == 1


def test_a_rule_that_is_touched_all_the_time_is_stepped_all_the_same() -> None:
    clock = SystemClock()
    rule = Once(clock.now() + 0.05)
    timers = Timers([rule.rule("pools")], journal()[0], clock)

    async def body() -> None:
        async with asyncio.timeout(20):
            while not rule.steps:
                timers.wake()
                await asyncio.sleep(0)

    play(body, timers.run)


def test_an_earlier_deadline_is_noticed_when_the_timers_are_woken() -> None:
    clock = SystemClock()
    rule = Once(None)
    timers = Timers([rule.rule("pools")], journal()[0], clock)

    async def body() -> None:
        await asyncio.sleep(0.01)
        rule.at = clock.now()
        timers.wake()
        await until(lambda: rule.steps, "it steps")

    play(body, timers.run)


def test_a_rule_that_fails_is_said_and_tried_again_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.02)
    clock = SystemClock()
    kept, said = journal()
    left = [ZeroDivisionError("a defect")] * 2

    def fail() -> None:
        if left:
            raise left.pop()

    bad, good = Once(clock.now(), fail), Once(clock.now() + 0.01)
    timers = Timers([bad.rule("pools"), good.rule("terms")], kept, clock)

    async def body() -> None:
        await until(lambda: good.steps, "the other rule")
        await until(lambda: bad.steps == 3, "it is tried again")
        await asyncio.sleep(0.05)

    play(body, timers.run)
    assert (bad.steps, good.steps) == (3, 1)
    failures = said.of("failure")
    assert [(row["part"], row["error"]) for row in failures] == [("pools", "ZeroDivisionError: a defect")] * 2
    assert failures[0]["place"].startswith("test_core_timers.py:")


def test_a_rule_that_fails_waits_before_it_is_tried_again() -> None:
    clock = SetClock()

    def fail() -> None:
        raise ZeroDivisionError

    bad = Once(clock.now(), fail)
    timers = Timers([bad.rule("pools")], journal()[0], clock)

    async def body() -> None:
        await until(lambda: bad.steps, "it fails")
        for _ in range(50):
            timers.wake()
            await asyncio.sleep(0)
        assert bad.steps == 1
        clock.time += module.PAUSE
        timers.wake()
        await until(lambda: bad.steps == 2, "it is tried again")

    play(body, timers.run)
