"""What counters of many switches say of connections, and by how much they may be wrong."""

from __future__ import annotations

import pytest

from controller.plan.sessions import ASSUMED, FEW, PRIOR, Live, Pair, Tally

ONE, TWO = (1, 7), (2, 7)
QUIET = 900.0
A, B = 1, 2


def taken(
    tally: Tally,
    now: float,
    switch: int = A,
    pair: Pair = ONE,
    *,
    opened: int,
    ended: int = 0,
    packets: int | None = None,
) -> None:
    """A switch was read, and nothing else. ``packets``: unless each connection had three."""
    count = 3 * opened + ended if packets is None else packets
    tally.take(switch, {pair: (count, 0)}, {pair: (opened, ended)}, now)
    tally.settle(now, lambda _: QUIET)


def live(tally: Tally, *pairs: Pair) -> Live:
    found = tally.live("web", pairs or (ONE,))
    assert found is not None
    return found


def test_what_was_opened_and_did_not_end_is_live() -> None:
    tally = Tally()
    taken(tally, 0.0, opened=10, ended=4)
    taken(tally, 2.0, opened=15, ended=5)
    seen = live(tally)
    assert (seen.opened, seen.ended, seen.live) == (15, 5, 10.0)


def test_switches_add_up_and_a_connection_may_end_at_another_one() -> None:
    tally = Tally()
    taken(tally, 0.0, A, opened=10)
    taken(tally, 1.0, B, opened=3, ended=9)
    assert (live(tally).opened, live(tally).ended, live(tally).live) == (13, 9, 4.0)


@pytest.mark.parametrize(("opened", "ended"), [(2, 1), (30, 1)])
def test_a_switch_that_begins_again_adds_to_what_it_had_counted(opened: int, ended: int) -> None:
    tally = Tally()
    taken(tally, 0.0, opened=10, ended=4, packets=90)
    taken(tally, 2.0, opened=opened, ended=ended)
    seen = live(tally)
    assert (seen.opened, seen.ended) == (10 + opened, 4 + ended)


def test_a_flow_that_was_away_counts_from_nothing_when_it_is_back() -> None:
    tally = Tally()
    taken(tally, 0.0, opened=10)
    tally.take(A, {}, {}, 2.0)
    taken(tally, 4.0, opened=11)
    assert live(tally).opened == 21


def test_there_are_never_fewer_than_none_and_what_comes_then_counts() -> None:
    tally = Tally()
    taken(tally, 0.0, opened=2, ended=5)
    assert live(tally).live == 0.0
    taken(tally, 2.0, opened=4, ended=5)
    assert live(tally).live == 2.0


def test_a_backend_that_had_no_packet_for_the_memory_timeout_has_no_connection_for_sure() -> None:
    tally = Tally()
    taken(tally, 0.0, opened=50, packets=200)
    taken(tally, 800.0, opened=50, packets=201)
    taken(tally, 1600.0, opened=50, packets=201)
    assert live(tally).live == 50.0
    taken(tally, 1701.0, opened=50, packets=201)
    assert (live(tally).live, live(tally).error) == (0.0, 0.0)
    taken(tally, 1702.0, opened=51, packets=202)
    assert live(tally).live == 1.0


def test_what_stood_when_the_first_read_was_made_is_no_rate() -> None:
    tally = Tally()
    taken(tally, 0.0, opened=100_000)
    taken(tally, 1.0, opened=100_000)
    assert live(tally).rate == 0.0


def test_the_rate_is_that_of_the_last_seconds() -> None:
    tally = Tally()
    for second in range(61):
        taken(tally, float(second), opened=20 * second)
    assert live(tally).rate == pytest.approx(20.0, rel=0.01)
    for second in range(61, 121):
        taken(tally, float(second), opened=20 * 60)
    assert live(tally).rate < 0.1


def test_a_figure_may_be_off_by_a_share_of_what_was_opened_since_it_was_known() -> None:
    tally = Tally()
    taken(tally, 0.0, opened=1000, ended=900)
    assert live(tally).error == pytest.approx(ASSUMED * 1000)
    tally.correct("web", [ONE], 90, learns=False)
    assert (live(tally).live, live(tally).error) == (90.0, 0.0)
    taken(tally, 2.0, opened=1100, ended=1000)
    assert live(tally).live == 90.0
    assert live(tally).error == pytest.approx(ASSUMED * 100)


def test_openings_of_which_nothing_else_came_may_be_none() -> None:
    tally = Tally()
    taken(tally, 0.0, opened=100, ended=60, packets=300)
    assert live(tally).error == pytest.approx(ASSUMED * 100)
    taken(tally, 2.0, opened=400, ended=60, packets=600)
    assert live(tally).live == 340.0
    assert live(tally).error == pytest.approx(ASSUMED * 400 + 340 - 140)
    tally.correct("web", [ONE], 40, learns=False)
    assert live(tally).error == 0.0


def test_what_a_server_says_is_divided_among_listeners_as_they_were_counted() -> None:
    tally = Tally()
    for pair, opened in ((ONE, 30), (TWO, 10)):
        tally.take(pair[0], {pair: (opened, 0)}, {pair: (opened, 0)}, 0.0)
    tally.settle(0.0, lambda _: QUIET)
    tally.correct("web", [ONE, TWO], 20, learns=False)
    assert (live(tally).live, live(tally, TWO).live, live(tally, ONE, TWO).live) == (15.0, 5.0, 20.0)
    tally.correct("web", [ONE, TWO], 0, learns=False)
    tally.correct("web", [ONE, TWO], 8, learns=False)
    assert (live(tally).live, live(tally, TWO).live) == (6.0, 2.0)


def drifting(tally: Tally, pair: Pair, each: int, rounds: int) -> None:
    """So many openings a round; each tenth has no end, and the server, which is asked, does not have it."""
    opened = ended = 0
    for number in range(rounds):
        opened, ended = opened + each, ended + each - each // 10
        taken(tally, float(number), pair=pair, opened=opened, ended=ended)
        tally.correct("web", [pair], 0, learns=number > 0)


def test_the_drift_that_servers_show_is_what_others_of_the_pool_may_be_off_by() -> None:
    tally = Tally()
    drifting(tally, ONE, 100, 400)
    assert tally.share("web") == pytest.approx(0.1, rel=0.05)
    assert tally.share("other") == pytest.approx(0.1, rel=0.05), "where nothing of its own is known"
    taken(tally, 500.0, B, TWO, opened=1000, ended=880)
    assert live(tally, TWO).error == pytest.approx(100.0, rel=0.05)


def test_comings_and_goings_between_two_looks_are_no_drift() -> None:
    """A server answers a second before or after switches are read: what it has then differs either way."""
    tally = Tally()
    opened = ended = 0
    for number in range(1000):
        opened, ended = opened + 20, ended + 20
        taken(tally, float(number), opened=opened, ended=ended)
        tally.correct("web", [ONE], 50 + (number % 2 * 8), learns=number > 0)
    assert tally.share("web") < 0.002


def test_a_few_comparisons_do_not_make_the_assumption_worthless() -> None:
    tally = Tally()
    drifting(tally, ONE, 10, 3)
    assert tally.share("web") == pytest.approx((2 + ASSUMED * PRIOR) / (20 + PRIOR))


@pytest.mark.parametrize(
    ("count", "error", "tells"),
    [(100.0, 50.0, True), (100.0, 51.0, False), (0.0, FEW, True), (4.0, FEW + 0.1, False)],
)
def test_a_figure_that_is_too_far_off_is_none_to_decide_by(count: float, error: float, tells: bool) -> None:
    assert Live(0, 0, count, error, 0.0).tells is tells


def test_what_is_no_pair_any_more_is_forgotten() -> None:
    tally = Tally()
    taken(tally, 0.0, opened=3)
    tally.settle(1.0, lambda _: None)
    assert tally.live("web", [ONE]) is None
    tally.keep({B}, set())
    taken(tally, 2.0, A, opened=4)
    assert live(tally).opened == 4
