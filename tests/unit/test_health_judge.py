"""What judge and service promise: one verdict per backend, at changes only, from a known beginning."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address

import pytest

from controller.health.judge import Judge, Verdict
from controller.health.prober import ProberStats
from controller.health.result import Outcome, ProbeResult
from controller.health.service import HealthService
from controller.health.status import HealthStatus, Unasked
from controller.health.targets import BackendRef, Policy, Probe, Target
from controller.spec.health import ProbeKind

POLICY = Policy(rise=2, fall=2)
Targets = dict[Target, frozenset[BackendRef]]


def target(address: str, policy: Policy = POLICY) -> Target:
    return Target(Probe(ProbeKind.TCP, ip_address(address), 80), policy)


A, B, A6 = target("10.0.0.1"), target("10.0.0.2"), target("fd00::1")
S1, S2 = ("web", "s1"), ("web", "s2")


class Bench:
    """A judge and a clock that goes on by a second per result."""

    def __init__(self, targets: Targets, seed: Iterable[Verdict] = ()) -> None:
        self.judge = Judge()
        self.judge.seed(seed)
        self.now = 0.0
        self.first = self.judge.set_targets(targets, 1000.0)

    def hear(self, *answers: tuple[Target, bool]) -> list[tuple[str, bool]]:
        verdicts = []
        for of, passed in answers:
            self.now += 1.0
            outcome = Outcome.PASS if passed else Outcome.FAIL
            heard = ProbeResult(of.probe, outcome, "" if passed else "connect refused", self.now, self.now)
            verdicts += self.judge.take([heard], 1000.0 + self.now)
        return [(verdict.backend, verdict.up) for verdict in verdicts]

    @property
    def up(self) -> dict[BackendRef, bool]:
        return {member: verdict.up for member, verdict in self.judge.verdicts().items()}


def only(of: Target, *members: BackendRef) -> Targets:
    return {of: frozenset(members)}


def test_a_server_that_is_remembered_as_down_is_confirmed_by_the_first_failure_of_our_own() -> None:
    bench = Bench(
        only(A, S1) | only(B, S2), [Verdict(*S1, False, 1.0, "refused"), Verdict(*S2, False, 1.0, "")]
    )
    assert {v.confirmed for v in bench.judge.verdicts().values()} == {math.inf}
    assert bench.hear((A, False), (A, False)) == [("s1", False)], "said once"
    assert bench.judge.verdicts()[S1] == Verdict(*S1, False, 1.0, "refused", 1001.0)
    assert bench.judge.verdicts()[S2].confirmed == math.inf
    bench.hear((B, True), (B, True), (B, False), (B, False), (B, False))
    assert (bench.up[S2], bench.judge.verdicts()[S2].confirmed) == (False, -math.inf), "judged by our own"


def test_what_it_has_found_itself_outlasts_what_was_believed_elsewhere() -> None:
    """It watched while another one judged; of what both agree on, since when is known better there."""
    bench = Bench(only(A, S1) | only(B, S2))
    assert bench.hear((A, True), (B, False)) == [("s1", True), ("s2", False)]
    bench.judge.seed([Verdict(*S1, False, 1.0, "refused"), Verdict(*S2, False, 2.0, "refused")])
    assert bench.up == {S1: True, S2: False}
    assert bench.judge.verdicts()[S2] == Verdict(*S2, False, 2.0, "refused"), "confirmed: it failed here too"
    bench.judge.forget_failures()
    assert bench.judge.verdicts()[S2].confirmed == math.inf


def test_cold_start_has_no_verdict_until_the_first_result_decides() -> None:
    bench = Bench(only(A, S1) | only(B, S2))
    assert bench.first == []
    assert bench.judge.pending() == {S1, S2}
    assert bench.hear((A, True), (B, False)) == [("s1", True), ("s2", False)]
    assert bench.judge.pending() == frozenset()


def test_backend_added_to_a_judged_pool_is_down_until_it_has_risen() -> None:
    bench = Bench(only(A, S1))
    bench.hear((A, True))
    (verdict,) = bench.judge.set_targets(only(A, S1) | only(B, S2), 2000.0)
    assert verdict == Verdict("web", "s2", False, 2000.0, "new: needs 2 passes in a row")
    assert bench.hear((B, True)) == []
    assert bench.hear((B, True)) == [("s2", True)]


def test_seeded_verdicts_stand_until_results_change_them() -> None:
    bench = Bench(only(A, S1) | only(B, S2), [Verdict(*S1, True, 1.0, "x"), Verdict(*S2, False, 2.0, "y")])
    assert bench.first == []
    assert bench.up == {S1: True, S2: False}
    assert bench.hear((A, True), (B, False), (A, False), (B, True)) == [("s2", False)], "confirmed"
    assert bench.hear((A, False), (B, True)) == [("s1", False), ("s2", True)]


def test_backend_missing_in_the_seed_of_its_pool_must_prove_itself() -> None:
    bench = Bench(only(A, S1) | only(B, S2), [Verdict(*S1, True, 1.0, "x")])
    assert [(v.backend, v.up) for v in bench.first] == [("s2", False)]


def test_new_pool_beside_judged_ones_starts_cold() -> None:
    bench = Bench(only(A, S1))
    bench.hear((A, True))
    other = ("other", "o1")
    assert bench.judge.set_targets(only(A, S1) | only(B, other), 2.0) == []
    assert bench.hear((B, True)) == [("o1", True)]


def test_verdict_names_time_and_reason() -> None:
    bench = Bench(only(A, S1))
    bench.hear((A, True), (A, False), (A, False))
    assert bench.judge.verdicts()[S1] == Verdict("web", "s1", False, 1003.0, "connect refused")
    bench.hear((A, True), (A, True))
    assert bench.judge.verdicts()[S1] == Verdict("web", "s1", True, 1005.0, "passed 2 times in a row")


def test_every_backend_that_shares_a_target_gets_its_verdict() -> None:
    bench = Bench(only(A, S1, ("api", "x")))
    assert sorted(bench.hear((A, True))) == [("s1", True), ("x", True)]


def test_pools_that_judge_differently_judge_the_same_results() -> None:
    bench = Bench(only(A, S1) | only(target("10.0.0.1", Policy(rise=1, fall=1)), ("api", "x")))
    assert sorted(bench.hear((A, True))) == [("s1", True), ("x", True)]
    assert bench.hear((A, False)) == [("x", False)]
    assert bench.hear((A, False)) == [("s1", False)]


def test_backend_of_two_families_is_up_only_when_both_are() -> None:
    bench = Bench(only(A, S1) | only(A6, S1))
    assert bench.hear((A, True)) == []
    assert bench.hear((A6, True)) == [("s1", True)]
    assert bench.hear((A6, False), (A6, False)) == [("s1", False)]
    assert bench.hear((A, True), (A6, True), (A6, True)) == [("s1", True)]


@pytest.mark.parametrize("up", [True, False])
def test_changed_check_keeps_the_verdict(up: bool) -> None:
    bench = Bench(only(A, S1))
    bench.hear((A, up))
    assert bench.judge.set_targets(only(target("10.0.0.1", Policy(rise=3, fall=3)), S1), 5.0) == []
    assert bench.up == {S1: up}


def test_setting_targets_again_keeps_half_counted_failures() -> None:
    bench = Bench(only(A, S1))
    bench.hear((A, True), (A, False))
    bench.judge.set_targets(only(A, S1) | only(B, ("api", "x")), 5.0)
    assert bench.hear((A, False)) == [("s1", False)]


def test_removed_backend_has_no_verdict_and_proves_itself_when_it_returns() -> None:
    both = only(A, S1) | only(B, S2)
    bench = Bench(both)
    bench.hear((A, True), (B, True))
    assert bench.judge.set_targets(only(A, S1), 5.0) == []
    assert bench.up == {S1: True}
    assert bench.hear((B, False), (B, False)) == []
    assert [(v.backend, v.up) for v in bench.judge.set_targets(both, 6.0)] == [("s2", False)]


def test_errors_of_the_prober_are_shown_and_judge_nobody() -> None:
    bench = Bench(only(A, S1))
    bench.hear((A, True))
    broken = ProbeResult(A.probe, Outcome.LOCAL, "cannot probe: no sockets", 9.0, 9.0)
    assert bench.judge.take([broken] * 5, 9.0) == []
    assert bench.up == {S1: True}
    assert bench.judge.unasked() == (Unasked(A.probe, (S1,), "cannot probe: no sockets", 9.0, 5),)
    assert bench.judge.local == 5
    bench.judge.set_targets(only(A, S1, ("api", "x")), 9.0)
    assert [item.members for item in bench.judge.unasked()] == [(("api", "x"), S1)]
    bench.hear((A, True))
    assert bench.judge.unasked() == ()
    assert bench.judge.local == 5


def test_a_probe_that_is_no_longer_wanted_is_not_shown_as_unasked() -> None:
    bench = Bench(only(A, S1) | only(B, S2))
    bench.judge.take([ProbeResult(A.probe, Outcome.LOCAL, "cannot probe: x", 1.0, 1.0)], 1.0)
    bench.judge.set_targets(only(B, S2), 2.0)
    assert bench.judge.unasked() == ()


class FakeProber:
    """Delivers what a test says."""

    def __init__(self, results: Callable[[list[ProbeResult]], None], problem: Callable[[str], None]) -> None:
        self.results = results
        self.problem = problem
        self.probes: list[Probe] = []

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    def set_probes(self, probes: Iterable[Probe]) -> None:
        self.probes = list(probes)

    def stats(self) -> ProberStats:
        return ProberStats(0, 0.0, 0.0, 0, 0, 0, 0.0, None)


def service() -> tuple[HealthService, FakeProber, list[Verdict], list[str]]:
    verdicts: list[Verdict] = []
    problems: list[str] = []
    probers: list[FakeProber] = []

    def make(results: Callable[[list[ProbeResult]], None], problem: Callable[[str], None]) -> FakeProber:
        probers.append(FakeProber(results, problem))
        return probers[0]

    made = HealthService(verdicts.extend, on_problem=problems.append, now=lambda: 7.0, prober=make)
    return made, probers[0], verdicts, problems


def test_service_asks_each_question_once_and_reports_changes_only() -> None:
    health, prober, verdicts, _ = service()
    lenient = target("10.0.0.1", Policy(rise=9, fall=9))
    health.set_targets(only(A, S1) | only(lenient, ("api", "x")) | only(B, S2))
    assert sorted(prober.probes, key=lambda p: p.address.packed) == [A.probe, B.probe]
    passed = ProbeResult(A.probe, Outcome.PASS, "", 1.0, 1.0)
    prober.results([passed, passed._replace(started=2.0)])
    prober.results([passed._replace(started=3.0)])
    assert sorted((v.pool, v.backend, v.up, v.since) for v in verdicts) == [
        ("api", "x", True, 7.0),
        ("web", "s1", True, 7.0),
    ]


def test_caller_knows_new_backends_are_down_when_set_targets_returns() -> None:
    health, _, verdicts, _ = service()
    health.seed([Verdict(*S1, True, 1.0, "")])
    health.set_targets(only(A, S1) | only(B, S2))
    assert [(v.backend, v.up) for v in verdicts] == [("s2", False)]


def test_problem_is_reported_once_while_it_lasts() -> None:
    health, prober, _, problems = service()
    health.set_targets(only(A, S1))
    broken = ProbeResult(A.probe, Outcome.LOCAL, "cannot probe: x", 1.0, 1.0)
    for _ in range(3):
        prober.results([broken])
    assert problems == ["health: cannot probe: x"]
    prober.results([ProbeResult(A.probe, Outcome.PASS, "", 2.0, 2.0)])
    assert health.errors() == frozenset()
    prober.results([broken._replace(started=3.0)])
    assert len(problems) == 2


def test_status_lists_every_probe_that_cannot_be_asked_and_why() -> None:
    health, prober, _, _ = service()
    health.set_targets(only(A, S1) | only(B, S2))
    assert health.status() == HealthStatus((), None, 0, 0, probing=False)
    why = "cannot probe: network unreachable"
    prober.results([ProbeResult(of.probe, Outcome.LOCAL, why, 1.0, 1.0) for of in (B, A)])
    prober.results([ProbeResult(B.probe, Outcome.LOCAL, why, 2.0, 2.0)])
    assert health.status().unasked == (
        Unasked(A.probe, (S1,), why, 1.0, 1),
        Unasked(B.probe, (S2,), why, 1.0, 2),
    )
    assert health.status().local == 3


def test_doubt_is_reported_once_and_shown_while_it_lasts() -> None:
    health, prober, verdicts, problems = service()
    health.set_targets(only(A, S1) | only(B, S2))
    prober.results([ProbeResult(of.probe, Outcome.PASS, "", 1.0, 1.0) for of in (A, B)])
    del verdicts[:]
    for second in (2.0, 3.0, 4.0):
        prober.results([ProbeResult(of.probe, Outcome.FAIL, "timeout", second, second) for of in (A, B)])
    doubted = health.status().doubted
    assert doubted is not None
    assert (doubted.since, doubted.servers) == (3.0, 2)
    assert verdicts == []
    assert len(problems) == 1
    prober.results([ProbeResult(A.probe, Outcome.PASS, "", 5.0, 5.0)])
    assert health.status().doubted is None
    assert health.status().held == doubted.held


def test_service_can_be_stopped_without_having_been_started() -> None:
    asyncio.run(HealthService(lambda verdicts: None, now=time.monotonic).stop())
