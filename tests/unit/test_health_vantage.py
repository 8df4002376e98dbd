"""What the doubt of the vantage point promises: a cut of our own judges no server, and no doubt lasts for long."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.health.judge import Judge
from controller.health.result import Outcome, ProbeResult
from controller.health.targets import BackendRef, Policy, Probe, Target
from controller.health.vantage import HOLD
from controller.spec.health import ProbeKind

CALM = Policy(rise=2, fall=3, flap_limit=0)
INTERVAL = 1.0


def target(number: int, policy: Policy = CALM, interval: float = INTERVAL) -> Target:
    return Target(Probe(ProbeKind.TCP, IPv4Address(0x0A000001 + number), 80, interval), policy)


class Place:
    """Servers that are probed once per interval each, at times of their own within it."""

    def __init__(self, targets: dict[Target, BackendRef], hold: float = HOLD) -> None:
        self.judge = Judge(hold)
        self.members = targets
        self.judge.set_targets({of: frozenset([member]) for of, member in targets.items()}, 0.0)
        self.now = 0.0
        self.down: list[tuple[float, str]] = []
        """Time and backend of each verdict of down."""

    def run(self, until: float, failing: set[str], outcome: Outcome = Outcome.FAIL) -> None:
        """Probe until then; the backends ``failing`` have that outcome, all others pass."""
        order = list(self.members)
        due = [
            (number * of.probe.interval + index * of.probe.interval / len(order), index)
            for index, of in enumerate(order)
            for number in range(int(until / of.probe.interval) + 1)
        ]
        for when, index in sorted(due):
            if not self.now <= when < until:
                continue
            of = order[index]
            ill = self.members[of][1] in failing
            result = ProbeResult(
                of.probe, outcome if ill else Outcome.PASS, "timeout" if ill else "", when, when
            )
            verdicts = self.judge.take([result], when)
            self.down += [(when, verdict.backend) for verdict in verdicts if not verdict.up]
        self.now = until


def servers(count: int, fall: int = 3) -> dict[Target, BackendRef]:
    policy = Policy(rise=2, fall=fall, flap_limit=0)
    return {target(number, policy): ("web", f"s{number}") for number in range(count)}


def names(count: int) -> set[str]:
    return {f"s{number}" for number in range(count)}


@settings(deadline=None)
@given(count=st.integers(2, 12), fall=st.integers(2, 5), length=st.floats(1.0, HOLD - 1.0))
def test_a_cut_shorter_than_the_hold_takes_no_server_down(count: int, fall: int, length: float) -> None:
    place = Place(servers(count, fall))
    place.run(5.0, set())
    place.run(5.0 + length, names(count))
    place.run(20.0 + length, set())
    assert place.down == []
    assert place.judge.doubt is None


@settings(deadline=None)
@given(count=st.integers(2, 12), fall=st.integers(2, 5))
def test_failures_that_go_on_count_when_the_hold_is_over(count: int, fall: int) -> None:
    place = Place(servers(count, fall))
    place.run(5.0, set())
    place.run(5.0 + 2 * HOLD, names(count))
    assert {backend for _, backend in place.down} == names(count)
    first, last = place.down[0][0], place.down[-1][0]
    assert first >= 5.0 + HOLD
    assert last <= 5.0 + HOLD + (fall + 1) * INTERVAL


@settings(deadline=None)
@given(count=st.integers(2, 12), fall=st.integers(1, 5), ill=st.data())
def test_while_one_server_answers_the_others_are_judged_without_delay(
    count: int, fall: int, ill: st.DataObject
) -> None:
    failing = ill.draw(st.sets(st.sampled_from(sorted(names(count))), max_size=count - 1))
    doubting, plain = Place(servers(count, fall)), Place(servers(count, fall), hold=0.0)
    for place in (doubting, plain):
        place.run(5.0, set())
        place.run(30.0, failing)
    assert doubting.down == plain.down
    assert {backend for _, backend in doubting.down} == failing


@settings(deadline=None)
@given(count=st.integers(2, 8), dead=st.integers(1, 7), length=st.floats(6.0, HOLD - 1.0))
def test_a_server_that_died_in_the_cut_is_judged_soon_after_it(count: int, dead: int, length: float) -> None:
    died = names(min(dead, count - 1))
    place = Place(servers(count))
    place.run(5.0, set())
    place.run(5.0 + length, names(count))
    place.run(5.0 + length + 5 * INTERVAL, died)
    assert {backend for _, backend in place.down} == died


def test_one_server_alone_is_judged_as_ever() -> None:
    two_ports = {
        Target(Probe(ProbeKind.TCP, IPv4Address("10.0.0.1"), port), CALM): (f"p{port}", "s1")
        for port in (80, 81)
    }
    place = Place(two_ports)
    place.run(3.0, set())
    place.run(7.0, {"s1"})
    assert len(place.down) == 2


def test_servers_that_are_asked_seldom_do_not_hide_a_cut() -> None:
    fast = servers(4)
    slow = {target(100 + number, interval=60.0): ("mail", f"m{number}") for number in range(2)}
    place = Place(fast | slow)
    place.run(130.0, set())
    place.run(150.0, names(4) | {"m0", "m1"})
    assert place.judge.doubt is not None
    assert place.down == []


def test_a_minority_of_fast_probes_is_judged_though_the_rest_is_not_heard() -> None:
    fast = servers(2)
    slow = {target(100 + number, interval=600.0): ("mail", f"m{number}") for number in range(5)}
    place = Place(fast | slow)
    place.run(605.0, set())
    place.run(610.0, names(2))
    assert {backend for _, backend in place.down} == names(2)


def test_probes_that_cannot_be_asked_neither_raise_a_doubt_nor_judge() -> None:
    place = Place(servers(3))
    place.run(5.0, set())
    place.run(60.0, names(3), Outcome.LOCAL)
    assert place.judge.doubt is None
    assert place.down == []
    assert len(place.judge.unasked()) == 3


def test_a_second_doubt_needs_a_pass_in_between() -> None:
    place = Place(servers(3))
    place.run(5.0, set())
    place.run(10.0 + HOLD, names(3))
    judged = len(place.down)
    place.run(60.0 + HOLD, names(3))
    assert (judged, place.judge.doubt) == (3, None)


def test_servers_without_a_verdict_get_none_while_everything_fails() -> None:
    place = Place(servers(3))
    place.run(5.0, set())
    place.run(10.0, names(3))
    assert place.judge.doubt is not None
    late = target(50)
    place.members[late] = ("new", "late")
    place.judge.set_targets({of: frozenset([member]) for of, member in place.members.items()}, 0.0)
    place.run(15.0, names(3) | {"late"})
    assert place.judge.pending() == {("new", "late")}


def test_candidates_of_names_neither_hide_a_cut_from_servers_nor_are_held_in_one() -> None:
    candidate = {target(200): ("name:shop.example.net", "east")}
    answers = Place(servers(4) | candidate)
    answers.run(5.0, set())
    answers.run(20.0, names(4))
    assert answers.down == [], "a candidate that answers says nothing of the way to servers"
    fails = Place(servers(4) | candidate)
    fails.run(5.0, set())
    fails.run(20.0, names(4) | {"east"})
    assert {name for _, name in fails.down} == {"east"}
