"""A cable is dead when hellos that had their chance did not come, and for no other reason. The clock is the test's."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.hello import EVERY, STEP
from controller.core.liveness import DOWN, SLACK, UP, HelloJudge
from controller.plan.paths import End

PERIOD = STEP * EVERY
CABLE = 0.001
EDGE, LB, LEAF = End("edge", 1), End("lb", 1), End("leaf", 1)
LB_LEAF = End("lb", 2)
CHAIN = {EDGE: LB, LB_LEAF: LEAF}
"""Two cables in a row: edge - lb - leaf."""


@dataclass
class Drill:
    """A controller's loop, control channels and cables. ``cut`` holds directions, by the port that sends."""

    cables: Mapping[End, End] = field(default_factory=lambda: CHAIN)
    cut: set[End] = field(default_factory=set)
    delay: dict[str, float] = field(default_factory=dict)
    """Seconds that a control channel takes each way."""
    silent: set[str] = field(default_factory=set)
    """Control channels that carry nothing now; what they were given comes later."""
    lose: Callable[[End, int], bool] = lambda end, count: False
    """Whether a port's hello is lost, by how many it sent."""
    dead: tuple[End, ...] = ()
    now: float = 0.0
    declared: Mapping[End, str] | None = None

    def __post_init__(self) -> None:
        both = {**self.cables, **{b: a for a, b in self.cables.items()}}
        self.over = both
        self.judge = HelloJudge(self.dead)
        self.judge.follow(self.declared or {one: other.switch for one, other in both.items()})
        self.names = sorted({end.switch for end in both})
        for name in self.names:
            self.judge.begin(name)
        self.said: list[tuple[float, End, bool]] = []
        self.number = 0
        self.step = -1
        self.asked = 0
        self.count: Counter[End] = Counter()
        self._turn = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._last: dict[tuple[str, str], float] = {}
        self._held: list[tuple[str, Callable[[], None]]] = []

    def run(self, seconds: float) -> None:
        """Let the controller work."""
        for _ in range(round(seconds / STEP)):
            before = self.number
            self.step += 1
            for end in self.judge.pressing() if self.step % EVERY else self.judge.sending():
                self.send(end)
            self._pass(STEP)
            for name in self.judge.doubtful(before, self.now - SLACK):
                self._ask(name)
            for turn in self.judge.look():
                self.said.append((self.now, turn.end, turn.up))

    def stall(self, seconds: float) -> None:
        """The controller does nothing; the world goes on, and what came is heard afterwards."""
        self.now += seconds

    def send(self, end: End) -> None:
        """One hello."""
        self.number += 1
        number, at = self.number, self.now
        self.judge.sent(end, number)
        other = self.over[end]
        self.count[end] += 1
        lost = end in self.cut or self.lose(end, self.count[end])

        def arrives() -> None:
            self._back(other.switch, lambda: self.judge.heard(other, end, number, at, self.now))

        self._out(end.switch, lambda: None if lost else self._in(CABLE, arrives))

    def awake(self, name: str) -> None:
        """A silent control channel carries again, beginning with what it was given."""
        self.silent.discard(name)
        held, self._held = self._held, []
        for owner, work in held:
            self._later(owner, "held", 0.0, work)

    def _ask(self, name: str) -> None:
        self.asked += 1
        number, at = self.number, self.now
        self._out(name, lambda: self._back(name, lambda: self.judge.answered(name, number, at, self.now)))

    def _out(self, name: str, work: Callable[[], None]) -> None:
        self._later(name, "out", self.delay.get(name, 0.002), work)

    def _back(self, name: str, work: Callable[[], object]) -> None:
        self._later(name, "in", self.delay.get(name, 0.002), lambda: (work(), None)[1])

    def _later(self, name: str, way: str, delay: float, work: Callable[[], None]) -> None:
        """Streams keep their order."""
        if name in self.silent:
            self._held.append((name, work))
            return
        at = self._last[name, way] = max(self.now + delay, self._last.get((name, way), 0.0))
        self._push(at, work)

    def _in(self, delay: float, work: Callable[[], None]) -> None:
        self._push(self.now + delay, work)

    def _push(self, at: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._due, (at, next(self._turn), work))

    def _pass(self, seconds: float) -> None:
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            at, _, work = heapq.heappop(self._due)
            self.now = max(self.now, at)
            work()
        self.now = end

    @property
    def downs(self) -> list[End]:
        """Ports declared dead, in order."""
        return [end for _, end, up in self.said if not up]


def test_nothing_is_known_before_the_first_hello_and_all_is_live_after_it() -> None:
    drill = Drill()
    assert not drill.judge.dead()
    assert not drill.judge.is_live(EDGE)
    drill.run(PERIOD)
    assert all(drill.judge.is_live(end) for end in drill.over)
    drill.run(5)
    assert drill.said == []


def test_a_cut_cable_is_dead_at_both_ends_after_so_many_hellos_and_no_other_is() -> None:
    drill = Drill()
    drill.run(1)
    began = drill.now
    drill.cut = {EDGE, LB}
    drill.run(2)
    assert sorted(drill.downs) == [EDGE, LB]
    assert drill.judge.dead() == {EDGE, LB}
    assert all(DOWN * STEP <= at - began <= PERIOD + (DOWN + 4) * STEP for at, _, _ in drill.said)


def test_one_direction_cut_is_enough() -> None:
    for one in (EDGE, LB):
        drill = Drill(cut={one})
        drill.run(2)
        assert sorted(drill.downs) == [EDGE, LB]


def test_a_switch_whose_only_cable_is_cut_is_asked_its_clock_instead() -> None:
    drill = Drill(cables={EDGE: LB})
    drill.run(1)
    drill.cut = {EDGE, LB}
    drill.run(2)
    assert sorted(drill.downs) == [EDGE, LB]


def test_single_hellos_lost_mean_nothing() -> None:
    drill = Drill(lose=lambda end, count: end == EDGE and count % DOWN != 0)
    drill.run(20)
    assert drill.said == []


def test_a_healed_cable_is_used_after_so_many_hellos() -> None:
    drill = Drill(cut={EDGE, LB})
    drill.run(2)
    drill.cut.clear()
    healed = drill.now
    drill.run(3)
    ups = [(at, end) for at, end, up in drill.said if up]
    assert sorted(end for _, end in ups) == [EDGE, LB]
    assert all((UP - 1) * STEP <= at - healed <= PERIOD + (UP + 2) * STEP for at, _ in ups)
    assert not drill.judge.dead()


def test_a_flapping_cable_stays_dead_and_is_told_once() -> None:
    drill = Drill(cut={EDGE, LB})
    drill.run(1)
    for _ in range(20):
        drill.cut = set() if drill.cut else {EDGE, LB}
        drill.run((UP - 3) * STEP)
    assert sorted(drill.downs) == [EDGE, LB]
    assert len(drill.said) == 2


def test_a_controller_that_stalls_declares_nothing_dead() -> None:
    drill = Drill()
    for seconds in (0.3, 1.0, 5.0, 60.0) * 3:
        drill.run(0.4)
        drill.stall(seconds)
    drill.run(2)
    assert drill.said == []


def test_where_all_is_well_few_hellos_are_sent_and_nobody_is_asked() -> None:
    drill = Drill()
    drill.run(30)
    assert max(drill.count.values()) <= 30 / PERIOD + 1
    assert drill.asked == 0


def test_a_slow_control_channel_is_no_cut_cable() -> None:
    for slow in ("edge", "lb", "leaf"):
        drill = Drill(delay={slow: 3.0})
        drill.run(20)
        assert drill.said == []
        assert all(drill.judge.is_live(end) for end in drill.over)


def test_a_control_channel_that_pauses_and_delivers_late_is_no_cut_cable() -> None:
    drill = Drill()
    drill.run(1)
    for name in ("edge", "lb", "leaf"):
        drill.silent.add(name)
        drill.run(3)
        drill.awake(name)
        drill.run(1)
    assert drill.said == []


def test_a_cut_behind_a_slow_control_channel_is_found_later() -> None:
    drill = Drill(delay={"lb": 1.0})
    drill.run(5)
    drill.cut = {EDGE, LB}
    drill.run(1)
    assert drill.said == []
    drill.run(5)
    assert sorted(drill.downs) == [EDGE, LB]


def test_proofs_that_come_all_at_once_count_one_hello_a_look() -> None:
    """A switch that was stopped answers its controller before it takes the frames that wait at its ports."""
    judge = HelloJudge()
    judge.follow({EDGE: "lb", LB: "edge"})
    for name in ("edge", "lb"):
        judge.begin(name)
    for number in range(1, 2 * DOWN):
        judge.sent(EDGE, number)
    judge.answered("edge", 100, 1.0, 1.0)
    judge.answered("lb", 100, 2.0, 2.0)
    for _ in range(DOWN - 1):
        assert judge.look() == []
    assert all(judge.heard(LB, EDGE, number, 0.5, 2.1) for number in range(1, 2 * DOWN))
    assert [judge.look() for _ in range(10)] == [[]] * 10


def test_a_switch_that_comes_back_has_dead_ports_until_hellos_come_through_and_nobody_is_told() -> None:
    drill = Drill()
    drill.run(1)
    drill.judge.end("leaf")
    drill.run(1)
    drill.judge.begin("leaf")
    assert drill.judge.dead() == {LB_LEAF, LEAF}
    drill.run(PERIOD)
    assert not drill.judge.dead()
    assert drill.said == []


def test_a_cable_that_was_cut_stays_dead_when_its_switch_comes_back() -> None:
    drill = Drill(cut={EDGE, LB})
    drill.run(1)
    drill.judge.end("edge")
    drill.judge.begin("edge")
    drill.run(2)
    assert drill.judge.dead() == {EDGE, LB}
    assert len(drill.said) == 2


def test_what_was_dead_before_a_restart_stays_so_and_comes_back_like_any_other() -> None:
    drill = Drill(cut={EDGE, LB}, dead=(EDGE, LB, End("gone", 7)))
    assert drill.judge.dead() == {EDGE, LB}
    drill.run(2)
    assert drill.said == []
    drill.cut.clear()
    drill.run(2)
    assert [(end, up) for _, end, up in drill.said] == [(EDGE, True), (LB, True)]


TWIN = {End("edge", 1): End("lb", 4), End("edge", 2): End("lb", 3)}


def test_parallel_cables_are_paired_by_what_comes_through_them() -> None:
    drill = Drill(cables=TWIN)
    drill.run(1)
    assert {end: drill.judge.peer(end) for end in TWIN} == TWIN
    drill.cut = {End("edge", 2)}
    drill.run(2)
    assert drill.judge.dead() == {End("edge", 2), End("lb", 3)}


def test_parallel_cables_that_are_swapped_are_paired_anew() -> None:
    drill = Drill(cables=TWIN)
    drill.run(1)
    drill.over = {End("edge", 1): End("lb", 3), End("edge", 2): End("lb", 4)}
    drill.over |= {b: a for a, b in drill.over.items()}
    drill.run(1)
    assert {end: drill.judge.peer(end) for end in TWIN} == {end: drill.over[end] for end in TWIN}
    assert drill.said == []


def test_a_cable_to_another_switch_than_declared_is_dead() -> None:
    declared = {
        EDGE: "lb",
        LB: "edge",
        LB_LEAF: "leaf",
        LEAF: "lb",
        End("leaf", 2): "lb",
        End("lb", 3): "leaf",
    }
    crossed = {EDGE: LEAF, LB: LB_LEAF, End("leaf", 2): End("lb", 3)}
    drill = Drill(cables=crossed, declared=declared)
    drill.run(2)
    assert drill.judge.dead() == {EDGE, LB, LB_LEAF, LEAF}


def test_a_hello_counts_once_and_only_after_it_was_sent() -> None:
    judge = HelloJudge()
    judge.follow({EDGE: "lb", LB: "edge"})
    for name in ("edge", "lb"):
        judge.begin(name)
    assert not judge.heard(LB, EDGE, 1, 0.0, 0.0)
    judge.sent(EDGE, 1)
    assert judge.heard(LB, EDGE, 1, 0.0, 0.0)
    assert not judge.heard(LB, EDGE, 1, 0.0, 0.0)


def test_a_hello_that_could_not_be_sent_is_not_missed() -> None:
    drill = Drill()
    drill.run(1)
    for _ in range(3 * DOWN):
        drill.judge.sent(EDGE, drill.number + 1)
        drill.judge.unsent(EDGE, drill.number + 1)
        drill.number += 1
        drill.run(PERIOD)
    assert drill.said == []


def test_an_intent_without_a_cable_forgets_it() -> None:
    drill = Drill(cut={EDGE, LB})
    drill.run(1)
    drill.judge.follow({LB_LEAF: "leaf", LEAF: "lb"})
    assert not drill.judge.dead()
    drill.judge.follow({end: other.switch for end, other in drill.over.items()})
    assert not drill.judge.dead()


PAUSES = st.lists(
    st.tuples(st.sampled_from(["stall", "edge", "lb", "leaf"]), st.floats(0, 4), st.floats(0.1, 2)),
    max_size=6,
)
DELAYS = st.fixed_dictionaries({name: st.floats(0, 2) for name in ("edge", "lb", "leaf")})


@settings(deadline=None, max_examples=30)
@given(PAUSES, DELAYS)
def test_whatever_control_channels_and_controller_do_no_whole_cable_is_dead(
    pauses: list[tuple[str, float, float]], delays: dict[str, float]
) -> None:
    drill = Drill(delay=delays)
    for what, pause, work in pauses:
        if what == "stall":
            drill.stall(pause)
        else:
            drill.silent.add(what)
            drill.run(pause)
            drill.awake(what)
        drill.run(work)
    assert drill.said == []
    drill.cut = {EDGE, LB}
    drill.run(20)
    assert drill.judge.dead() == {EDGE, LB}
