"""What spoke within the memory that held is found, across any sequence of edits and absences; one generation a step."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.plan.turns import Turn, advance, due, first, lasting, late
from flows.zones import GENERATIONS

MEMORIES = st.sampled_from([1.0, 10.0, 60.0, 900.0])
STEPS = st.lists(st.tuples(MEMORIES, st.floats(0, 3000)), max_size=40)


def test_a_vip_begins_with_its_own_memory() -> None:
    assert first(900.0, 5.0) == Turn(0, 5.0, 900.0, 900.0)
    assert due(first(900.0, 5.0)) == 905.0


def test_a_generation_lasts_as_long_as_the_memory_and_then_the_next_begins() -> None:
    turn = first(10.0, 0.0)
    assert advance(turn, 10.0, 9.9) is turn
    assert advance(turn, 10.0, 10.0) == Turn(1, 10.0, 10.0, 10.0, (10.0, 0.0))
    assert lasting(advance(turn, 10.0, 10.0)) == 30.0


def test_another_memory_begins_with_a_generation_a_shorter_one_with_the_fourth() -> None:
    turn = advance(first(10.0, 0.0), 60.0, 5.0)
    assert due(turn) == 10.0, "what was made at 0.0 lasts until 20.0, and must be copied before"
    assert lasting(turn) == 130.0, "the rest of this generation, all of the next, and 60 s that may be late"
    turn = advance(turn, 10.0, 6.0)
    assert lasting(turn) == 130.0, "what was promised is kept"
    periods = []
    for _ in range(12):
        turn = advance(turn, 10.0, due(turn))
        periods.append(round(turn.period, 1))
    assert periods == [60.0, 60.0, 60.0, 48.0, 38.4, 30.7, 24.6, 19.7, 15.7, 12.6, 10.1, 10.0]


def test_a_long_absence_turns_once() -> None:
    assert advance(first(10.0, 0.0), 10.0, 1e6) == Turn(1, 1e6, 10.0, 10.0, (10.0, 0.0))


@given(
    MEMORIES,
    st.lists(
        st.tuples(st.one_of(st.none(), MEMORIES), st.floats(0.01, 0.99), st.floats(0.0, 0.99)), max_size=60
    ),
)
def test_entries_that_conntrack_does_not_renew_outlast_what_was_promised(
    memory: float, steps: list[tuple[float | None, float, float]]
) -> None:
    """Four zones in turn; a packet makes an entry where the present one has none. The memory grows now and then, and a
    controller that is away may begin a generation late: fails on 2ad1e45, where entries lived for two to the second.
    """
    turn, now = first(memory, 0.0), 0.0
    ends = {0: lasting(turn)}
    for asked, share, behind in steps:
        end = now + share * min(memory, turn.period)
        memory = max(memory, asked or 0.0)
        turn = advance(turn, memory, now)
        while (begins := due(turn) + behind * late(turn)) <= end:
            turn = advance(turn, memory, begins)
        now = end
        here, before = turn.number % GENERATIONS, (turn.number - 1) % GENERATIONS
        if ends.get(here, 0.0) <= now:
            assert ends.get(before, 0.0) > now, f"forgotten at {now} in {turn}"
            ends[here] = now + lasting(turn)


@given(st.lists(st.tuples(MEMORIES, st.floats(0.0, 1.0)), max_size=60))
def test_a_zone_is_empty_before_its_turn_comes_again(steps: list[tuple[float, float]]) -> None:
    """Whatever is asked for in between. Fails on the parent: entries of a long memory were found again when a shorter
    one had hurried their zone's turn, by connections with the same ports.
    """
    turn = first(60.0, 0.0)
    ends = {0: lasting(turn)}
    for memory, share in steps:
        now = turn.since + share * turn.period
        turn = advance(turn, memory, now)
        ends[turn.number] = max(ends.get(turn.number, 0.0), now + lasting(turn))
        begun = advance(turn, memory, due(turn))
        # The last entry of a generation is made when the next one begins.
        ends[turn.number] = max(ends[turn.number], begun.since + lasting(turn))
        turn = begun
        assert ends.get(turn.number - GENERATIONS, 0.0) <= turn.since + 1e-6
        ends[turn.number] = turn.since + lasting(turn)


@given(MEMORIES, STEPS)
def test_what_spoke_within_the_memory_that_was_promised_then_is_found(
    memory: float, steps: list[tuple[float, float]]
) -> None:
    """A packet is remembered in the present generation's zone, and found while that is the present or the last one."""
    turn, now = first(memory, 0.0), 0.0
    spoke = [(now, turn.number, min(memory, turn.period))]
    for asked, wait in steps:
        end = now + wait
        # A controller that lives steps at every deadline; the present memory is what was asked for last.
        while (soon := due(turn)) <= end:
            before, now = turn, max(soon, now)
            turn = advance(turn, memory, now)
            assert turn.number - before.number <= 1
            _all_found(spoke, turn.number, now)
        now, memory = end, asked
        before, turn = turn, advance(turn, memory, now)
        assert turn.number - before.number <= 1
        _all_found(spoke, turn.number, now)
        spoke.append((now, turn.number, min(memory, turn.period)))


def _all_found(spoke: list[tuple[float, int, float]], number: int, now: float) -> None:
    for at, generation, memory in spoke:
        if now < at + memory:
            assert generation >= number - 1, (
                f"spoke at {at} in {generation}, promised {memory}, now {now} in {number}"
            )


@given(MEMORIES, STEPS)
def test_nothing_is_forgotten_early_by_a_controller_that_was_away(
    memory: float, steps: list[tuple[float, float]]
) -> None:
    turn, now = first(memory, 0.0), 0.0
    spoke = [(now, turn.number, min(memory, turn.period))]
    for asked, wait in steps:
        now, memory = now + wait, asked
        before, turn = turn, advance(turn, memory, now)
        assert turn.number - before.number in (0, 1)
        _all_found(spoke, turn.number, now)
        spoke.append((now, turn.number, min(memory, turn.period)))
