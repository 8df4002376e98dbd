"""One of several controllers leads: never two at one moment, and one that is gone is replaced within a bound."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.sites import leading
from controller.sites.leading import KEY, TIMES, Leader, Look, Put, View
from controller.spec.leasetimes import LeaseTimes, check
from tests.examples import examples
from tests.fakes.leaders import World

A, B = Leader("a", "life-a", 7, 3.0), Leader("b", "life-b", 1, 3.0)
WAIT = TIMES.wait(3.0)
DRIFT = TIMES.drift


def born() -> View:
    """``b``, which needs no time to start."""
    return leading.serves(leading.born("b", "life-b"))


def standing_by(now: float = 100.0) -> View:
    """``b`` has seen that ``a`` leads."""
    view, first = leading.poll(born(), TIMES, now)
    assert first == Look()
    return leading.observed(view, now, 5, A)


def led(now: float = 100.0) -> View:
    """``b`` has claimed what was absent; the answer took 0.1 s."""
    view = leading.observed(born(), now, 4, None)
    view, put = leading.poll(view, TIMES, now)
    assert put == Put(0, B)
    return leading.observed(view, now + 0.1, 5, B)


def test_the_times_outlast_an_election_of_etcd_at_its_defaults() -> None:
    assert not list(check(TIMES, election=1.0))


def test_an_absent_register_is_claimed_at_once_and_authority_counts_from_when_that_was_sent() -> None:
    view = led(100.0)
    assert leading.leads(view, 102.999)
    assert not leading.leads(view, 103.0)
    assert leading.due(view, TIMES) == 100.5


def test_a_renewal_whose_answer_is_late_extends_nothing_beyond_its_send_time() -> None:
    view, put = leading.poll(led(100.0), TIMES, 100.5)
    assert put == Put(5, B._replace(seq=2))
    view = leading.observed(view, 103.2, 6, B._replace(seq=2))
    assert leading.leads(view, 103.49)
    assert not leading.leads(view, 103.5)


def test_of_several_puts_without_an_answer_the_one_that_was_carried_out_counts() -> None:
    view, first = leading.poll(led(100.0), TIMES, 100.5)
    view, second = leading.poll(view, TIMES, 101.0)
    assert isinstance(first, Put)
    assert isinstance(second, Put)
    assert (first.compare, second.compare) == (5, 5)
    seen = leading.observed(view, 101.6, 6, first.leader)
    assert not leading.leads(seen, 103.5)
    assert leading.leads(seen, 103.49)


def test_a_leader_that_starts_has_longer_and_from_its_first_usual_put_on_it_has_not() -> None:
    view = leading.observed(leading.born("b", "life-b"), 100.0, 4, None)
    view, put = leading.poll(view, TIMES, 100.0)
    assert put == Put(0, B._replace(authority=15.0))
    view = leading.observed(view, 100.1, 5, B._replace(authority=15.0))
    assert leading.leads(view, 114.9)
    view, put = leading.poll(leading.serves(view), TIMES, 110.0)
    assert put == Put(5, B._replace(seq=2))
    assert leading.leads(view, 112.9)
    assert not leading.leads(view, 113.0), "it may have been stored, and then others wait by it"


def test_a_standby_claims_by_the_revision_that_it_has_seen_unchanged_for_the_whole_wait() -> None:
    view = standing_by(100.0)
    now = 100.0
    while now < 100 + WAIT - 0.01:
        view, action = leading.poll(view, TIMES, now)
        assert action in (None, Look())
        now = max(now + 0.001, min(leading.due(view, TIMES), 100 + WAIT - 0.005))
    assert leading.due(view, TIMES) <= 100 + WAIT
    view, action = leading.poll(view, TIMES, 100 + WAIT)
    assert action == Put(5, B)


def test_a_renewal_begins_the_wait_anew_and_older_news_do_not() -> None:
    view = leading.observed(standing_by(100.0), 102.0, 6, A._replace(seq=8))
    view = leading.observed(view, 103.0, 5, A)
    assert view.seen == leading.Seen(6, A._replace(seq=8), 102.0)
    view, action = leading.poll(view, TIMES, 102 + WAIT - 0.01)
    assert action == Look()


def test_the_wait_is_by_the_authority_that_the_leader_counts() -> None:
    view = leading.observed(born(), 100.0, 5, A._replace(authority=9.0))
    assert leading.poll(view, TIMES, 100 + WAIT)[1] == Look()
    assert leading.poll(view, TIMES, 100 + TIMES.wait(9.0))[1] == Put(5, B)


def test_time_in_which_the_store_does_not_answer_is_no_part_of_the_wait() -> None:
    view = leading.blind(standing_by(100.0), 110.0)
    assert leading.poll(view, TIMES, 110.0 + WAIT - 0.01)[1] == Look()
    assert leading.poll(view, TIMES, 110.0 + WAIT)[1] == Put(5, B)
    assert leading.slow(TIMES, 1.01)
    assert not leading.slow(TIMES, 0.99)


def test_a_leader_whose_authority_lapsed_goes_on_asking_and_ends_when_another_is_shown() -> None:
    view = led(100.0)
    for now in (103.0, 103.5, 200.0):
        view, action = leading.poll(leading.blind(view, now), TIMES, now)
        assert isinstance(action, Put)
        assert action.compare == 5
        assert not leading.leads(view, now)
        assert view.lost is None
    assert len(view.attempts) == 1, "what is older gives nothing"
    view = leading.observed(view, 200.1, 9, A)
    assert view.lost == A
    assert leading.poll(view, TIMES, 300.0)[1] is None
    later = leading.observed(view, 301.0, 10, None)
    assert later.lost == A, "one that has lost it claims nothing again"
    assert leading.poll(later, TIMES, 310.0)[1] is None


def test_a_leader_puts_a_register_that_was_deleted_again_at_once() -> None:
    view = leading.observed(led(100.0), 100.2, 6, None)
    assert not leading.leads(view, 100.2)
    assert leading.poll(view, TIMES, 100.2)[1] == Put(0, B._replace(seq=2))


def test_only_its_own_record_is_released() -> None:
    assert leading.released(led()) == 5
    assert leading.released(standing_by()) is None
    assert leading.released(leading.observed(led(), 101.0, 8, A)) is None


def test_a_record_of_an_earlier_life_of_the_same_name_is_anothers() -> None:
    view = leading.observed(leading.born("a", "life-2"), 100.0, 5, A)
    assert not leading.leads(view, 100.0)
    assert leading.poll(view, TIMES, 100.5)[1] == Look()


def test_a_record_survives_being_stored() -> None:
    assert Leader.decode(A.encode()) == A


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "Expecting value"),
        (b"[]", "damaged"),
        (b'{"name": "a"}', "missing 3 required"),
        (b'{"name": "a", "life": "x", "seq": "1", "authority": 3.0}', "seq is '1'"),
        (b'{"name": "a", "life": "x", "seq": 1, "authority": Infinity}', "authority is inf"),
        (b'{"name": "a", "life": "x", "seq": 1, "authority": -1.0}', "authority is -1.0"),
    ],
)
def test_a_damaged_record_is_named_with_what_to_do(data: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=f"{KEY}.*{what}.*|{what}.*{KEY}") as error:
        Leader.decode(data)
    assert str(error.value).endswith("stop all controllers of this prefix and delete it")


RATES = st.floats(1 - DRIFT, 1 + DRIFT)


@settings(max_examples=examples(16, 50), deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rates=st.lists(RATES, min_size=3, max_size=3),
    worst=st.sampled_from([0.01, 0.4, 2.0, 6.0]),
    lost=st.sampled_from([0.0, 0.1, 0.4]),
)
def test_no_two_lead_at_one_moment(seed: int, rates: list[float], worst: float, lost: float) -> None:
    world = disturbed(TIMES, seed, rates, worst, lost)
    assert world.most <= 1


def test_without_the_wait_two_lead_at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LeaseTimes, "wait", lambda times, authority: 0.5 * authority)
    assert any(disturbed(TIMES, seed, [1.0, 1.0, 1.0], 2.0, 0.1).most > 1 for seed in range(40))


def disturbed(times: LeaseTimes, seed: int, rates: list[float], worst: float, lost: float) -> World:
    """Forty disturbances of three controllers in two minutes."""
    random = Random(seed)
    world = World(times, random, worst, lost)
    world.start = random.choice([0.0, 1.0, 10.0])
    living = [world.add(str(number), rate, 1000.0 * number) for number, rate in enumerate(rates)]
    for step in range(40):
        world.run(world.now + random.uniform(0.0, 6.0))
        one = random.randrange(len(living))
        match random.randrange(5):
            case 0:
                world.pause(living[one], random.uniform(0.0, 8.0))
            case 1 | 2:
                (world.kill if random.random() < 0.6 else world.stop)(living[one])
                living[one] = world.add(f"{one}/{step}", rates[one], 1000.0 * one)
            case 3:
                world.out_of_reach = not world.out_of_reach
            case _:
                world.worst = random.choice([0.01, worst])
    return world


@settings(max_examples=examples(10, 25), deadline=None)
@given(seed=st.integers(0, 2**32), rates=st.lists(RATES, min_size=3, max_size=3))
def test_a_dead_leader_is_replaced_within_the_bound_and_a_clean_stop_at_once(
    seed: int, rates: list[float]
) -> None:
    world = World(TIMES, Random(seed), worst=0.02)
    a, b, _ = (world.add(name, rate) for name, rate in zip("abc", rates, strict=True))
    world.run(10.0)
    assert len(world.led) == 1
    first = next(each for each in (a, b, _) if each.view.name == world.led[0][1])
    world.kill(first)
    world.run(20.0)
    since, second = world.led[1]
    assert since - 10.0 <= TIMES.replaced_within(0.0, 0.04) + 0.02
    world.stop(next(each for each in world.all if each.view.name == second))
    world.run(21.0)
    since, _third = world.led[2]
    assert since - 20.0 < 0.1
    assert world.most == 1


@settings(max_examples=examples(10, 25), deadline=None)
@given(seed=st.integers(0, 2**32), rates=st.lists(RATES, min_size=2, max_size=2), outage=st.floats(0.1, 60.0))
def test_after_an_outage_of_the_store_the_leader_that_lives_leads_on(
    seed: int, rates: list[float], outage: float
) -> None:
    world = World(TIMES, Random(seed), worst=0.02)
    a, b = (world.add(name, rate) for name, rate in zip("ab", rates, strict=True))
    world.run(10.0)
    world.out_of_reach = True
    world.run(10.0 + outage)
    world.out_of_reach = False
    world.run(20.0 + outage)
    assert {name for _, name in world.led} == {world.led[0][1]}
    assert sum(each.leads(world.now) for each in (a, b)) == 1
