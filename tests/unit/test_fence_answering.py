"""How long a switch's fence may be claimed, when sites own VIPs one by one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.sites.fence.answering import Answering

A, B = 1, 2


def both(a: float = 10.0, b: float = 20.0) -> Answering:
    """A switch that answers for two VIPs."""
    it = Answering()
    it.renew({A: a, B: b})
    it.written(frozenset({A, B}))
    it.acknowledged(frozenset({A, B}))
    return it


def test_nothing_written_nothing_claimed() -> None:
    it = Answering()
    it.renew({A: 10.0})
    assert it.until == 0.0
    it.written(frozenset({A}))
    assert it.until == 10.0


def test_the_first_deadline_ends_the_claim() -> None:
    assert both().until == 10.0


def test_a_vip_that_is_lost_silences_no_other_when_its_flows_are_gone_in_time() -> None:
    it = both()
    it.renew({B: 30.0})
    assert it.until == 10.0, "its flows may be there until the switch has said that they are not"
    it.acknowledged(frozenset({B}))
    assert it.until == 30.0


def test_a_vip_whose_flows_the_switch_does_not_give_up_silences_all_at_its_deadline() -> None:
    it = both()
    for later in range(30, 100):
        it.renew({B: float(later)})
        assert it.until == 10.0


def test_a_vip_that_comes_has_its_deadline_before_its_flows() -> None:
    it = both()
    it.renew({A: 40.0, B: 40.0, 3: 35.0})
    it.acknowledged(frozenset({A, B}))
    it.written(frozenset({3}))
    assert it.until == 35.0


def test_flows_without_authority_silence_all() -> None:
    it = both()
    it.written(frozenset({3}))
    assert it.until == 0.0


def test_authority_that_is_given_back_early_ends_early() -> None:
    it = both()
    it.renew({A: 0.0, B: 20.0})
    assert it.until == 0.0


VIPS = st.frozensets(st.integers(1, 4))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), VIPS),
        st.tuples(st.just("fail"), VIPS),
        st.tuples(st.just("renew"), st.dictionaries(st.integers(1, 4), st.floats(0.0, 50.0))),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=300)
@given(STEPS)
def test_whatever_is_written_and_renewed_no_claim_outlives_the_authority_of_what_may_stand(
    steps: list[tuple[str, object]],
) -> None:
    it, may_stand, given_ = Answering(), frozenset[int](), dict[int, float]()
    for kind, what in steps:
        if kind == "renew":
            assert isinstance(what, dict)
            given_ |= what
            it.renew(what)
        else:
            assert isinstance(what, frozenset)
            it.written(what)
            may_stand |= what
            if kind == "write":
                it.acknowledged(what)
                may_stand = what
        assert it.standing == may_stand
        assert all(it.until <= given_.get(vip, 0.0) for vip in may_stand)
        assert may_stand or it.until == 0.0
