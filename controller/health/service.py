"""Health of backends for the controller: wires prober and judge together in the caller's loop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from controller.health.judge import Judge, Verdict
from controller.health.prober import Prober, ProberStats
from controller.health.result import ProbeResult
from controller.health.status import HealthStatus
from controller.health.targets import BackendRef, Probe, Target

log = logging.getLogger(__name__)

__all__ = ["HealthService", "Verdict"]


def _unobserved(_: list[ProbeResult]) -> None:
    """Nothing is counted."""


class ProbeSource(Protocol):
    """What asks the questions; ``Prober``, or a fake in tests."""

    async def start(self) -> None:
        """Begin to deliver results."""

    async def stop(self) -> None:
        """No more results after this."""

    def set_probes(self, probes: Iterable[Probe]) -> None:
        """Ask exactly these."""

    def stats(self) -> ProberStats:
        """How it goes."""


class HealthService:
    """Verdicts for every backend of the targets set, reported at changes only.

    ``on_verdicts`` is called with at least one verdict, in the loop that ran ``start``, and from within
    ``set_targets`` for backends that begin as down: when ``set_targets`` returns, the caller knows them.
    ``on_problem`` gets one line when probing itself is disturbed (prober died; probes not permitted; every server
    fails at once), ``status`` shows it for as long as it lasts.
    ``now`` gives seconds of the caller's clock for ``Verdict.since``; judging uses the probes' own monotonic times.
    """

    def __init__(
        self,
        on_verdicts: Callable[[list[Verdict]], None],
        *,
        on_problem: Callable[[str], None] = log.warning,
        now: Callable[[], float],
        prober: Callable[[Callable[[list[ProbeResult]], None], Callable[[str], None]], ProbeSource] = Prober,
        observe: Callable[[list[ProbeResult]], None] = _unobserved,
        patient: bool = False,
    ) -> None:
        """``observe``: handed all results, to be counted. ``patient``: it is one of several that probe (``Judge``)."""
        self._on_verdicts = on_verdicts
        self._on_problem = on_problem
        self._now = now
        self._observe = observe
        self._judge = Judge(patient=patient)
        self._prober = prober(self._take, on_problem)
        self._reported: frozenset[str] = frozenset()
        self._doubted = False

    def seed(self, verdicts: Iterable[Verdict]) -> None:
        """Go on from persisted verdicts, so that a restarted controller changes nothing.

        What it has found itself stays. No verdict is reported for what is seeded.
        """
        self._judge.seed(verdicts)

    def decides(self) -> None:
        """It is ``patient`` no longer."""
        self._judge.decides()

    def forget_failures(self) -> None:
        """Time has passed in which nothing was heard: what is down is so for sure when a probe fails again."""
        self._judge.forget_failures()

    async def start(self) -> None:
        """Start probing, unless it goes on; targets may be set before or after.

        Raises ``OSError`` without a prober process.
        """
        await self._prober.start()

    async def stop(self) -> None:
        """Stop probing; no verdict is reported after this returns."""
        await self._prober.stop()

    def set_targets(self, targets: Mapping[Target, frozenset[BackendRef]]) -> None:
        """Watch exactly these (``targets_of``); targets that stay keep their state and schedule."""
        verdicts = self._judge.set_targets(targets, self._now())
        self._prober.set_probes({target.probe for target in targets})
        if verdicts:
            self._on_verdicts(verdicts)

    def verdicts(self) -> dict[BackendRef, Verdict]:
        """All present verdicts by (pool, backend), for persisting and showing."""
        return self._judge.verdicts()

    def pending(self) -> frozenset[BackendRef]:
        """Backends watched whose first result is still to come."""
        return self._judge.pending()

    def errors(self) -> frozenset[str]:
        """Why some probes cannot be asked at present (their verdicts stand still); empty is good."""
        return frozenset(item.reason for item in self._judge.unasked())

    def status(self) -> HealthStatus:
        """Which probes cannot be asked and why, and whether everything fails at once."""
        judge = self._judge
        probing = self._prober.stats().pid is not None
        return HealthStatus(judge.unasked(), judge.doubt, judge.local, judge.held, probing)

    def stats(self) -> ProberStats:
        """How probing goes: lateness, restarts, losses."""
        return self._prober.stats()

    def latencies(self, passed: bool = False) -> dict[BackendRef, float]:
        """Seconds that the last probe of each backend took; ``passed``: of those that passed."""
        return self._judge.latencies(passed)

    def _take(self, results: list[ProbeResult]) -> None:
        self._observe(results)
        verdicts = self._judge.take(results, self._now())
        errors = self.errors()
        for why in sorted(errors - self._reported):
            self._on_problem(f"health: {why}")
        self._reported = errors
        self._report_doubt()
        if verdicts:
            self._on_verdicts(verdicts)

    def _report_doubt(self) -> None:
        doubt = self._judge.doubt
        if doubt is not None and not self._doubted:
            self._on_problem(
                f"health: all {doubt.servers} servers heard of fail at once, so the prober's own place is doubted: "
                f"no failure counts for at most {doubt.until - doubt.since:g} s"
            )
        self._doubted = doubt is not None
