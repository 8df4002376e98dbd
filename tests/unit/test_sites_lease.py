"""The lease as one controller plays it, and the times that go with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.sites import lease, promise
from controller.sites.heartbeats import Beat, Heartbeats
from controller.sites.lease import FOLLOW, Want, Wish
from controller.sites.leasestate import Announce, Me, Put, Record, Silence, Speak, Step, View
from controller.spec.leasetimes import LeaseTimes, check

TIMES = LeaseTimes()
ME, OTHER = Me("east", "e1", "e1.1"), Me("west", "w1", "w1.1")
HOLD = Wish(Want.HOLD, heirs=("e2", "w1"))
WAIT = TIMES.wait(TIMES.authority)


def _record(me: Me, seq: int = 1, epoch: int = 1) -> Record:
    return Record(me.site, me.name, me.life, epoch, seq, TIMES.authority, ("e1", "e2", "w1"))


def _puts(step: Step) -> list[Put]:
    return [each for each in step[1] if isinstance(each, Put)]


def _claimed() -> tuple[View, Record]:
    """A controller whose first claim was sent at 10 s and is seen at 10.01 s."""
    view, _ = lease.observed(lease.born(ME), TIMES, 0.0, 5, _record(OTHER))
    view, actions = lease.poll(view, TIMES, 10.0, HOLD)
    (put,) = (each for each in actions if isinstance(each, Put))
    assert put.compare == 5
    view, actions = lease.observed(view, TIMES, 10.01, 6, put.record)
    assert Speak(10.0 + TIMES.authority - TIMES.fence, 2) in actions
    assert Announce(2) in actions
    return view, put.record


def test_a_life_that_begins_answers_nothing_even_if_the_key_is_its_sites() -> None:
    view, actions = lease.observed(lease.born(ME), TIMES, 0.0, 5, _record(ME._replace(life="e1.0")))
    assert not [each for each in actions if isinstance(each, Speak)]
    assert not lease.holding(view, 0.0)


def test_a_claim_waits_for_its_own_clock_and_for_heartbeats() -> None:
    view, _ = lease.observed(lease.born(ME), TIMES, 0.0, 5, _record(OTHER))
    assert not _puts(lease.poll(view, TIMES, WAIT - 0.001, HOLD))
    assert not _puts(lease.poll(view, TIMES, WAIT, HOLD, {"west"}))
    assert not _puts(lease.poll(view, TIMES, WAIT, FOLLOW))
    assert _puts(lease.poll(view, TIMES, WAIT, HOLD))


def test_renewals_go_out_every_renew_and_hand_out_deadlines() -> None:
    view, _ = _claimed()
    assert not _puts(lease.poll(view, TIMES, 10.0 + TIMES.renew - 0.01, HOLD))
    view, actions = lease.poll(view, TIMES, 10.0 + TIMES.renew, HOLD)
    (put,) = (each for each in actions if isinstance(each, Put))
    _, actions = lease.observed(view, TIMES, 10.3, 7, put.record)
    assert actions == (Speak(10.0 + TIMES.renew + TIMES.authority - TIMES.fence, 2),)


def test_the_same_revision_again_changes_nothing() -> None:
    view, record = _claimed()
    assert lease.observed(view, TIMES, 10.5, 6, record) == (view, ())


def test_a_release_is_silence_then_the_key() -> None:
    view, _ = _claimed()
    view, actions = lease.poll(view, TIMES, 10.1, Wish(Want.LEAVE, "west"))
    (silence,) = (each for each in actions if isinstance(each, Silence))
    assert not _puts((view, actions))
    view, _ = lease.silenced(view, silence.number)
    (put,) = _puts(lease.poll(view, TIMES, 10.11, Wish(Want.LEAVE, "west")))
    assert put.record.released
    assert put.record.to == "west"
    assert put.record.epoch == 2


def test_the_site_that_is_named_claims_a_released_group_first() -> None:
    released = _record(OTHER)._replace(released=True, to="north")
    view = lease.born(ME)._replace(epoch=1)
    view, _ = lease.observed(view, TIMES, 0.0, 4, _record(OTHER))
    view, _ = lease.observed(view, TIMES, 5.0, 5, released)
    assert not _puts(lease.poll(view, TIMES, 5.0 + WAIT - 0.01, HOLD))
    assert _puts(lease.poll(view, TIMES, 5.0 + WAIT, HOLD))
    named, _ = lease.observed(view, TIMES, 6.0, 6, released._replace(to="east"))
    assert _puts(lease.poll(named, TIMES, 6.0, HOLD))


def test_an_owner_that_is_replaced_silences_its_switches() -> None:
    view, _ = _claimed()
    view, actions = lease.observed(view, TIMES, 10.2, 8, _record(OTHER, epoch=3))
    assert isinstance(actions[0], Silence)
    assert not lease.holding(view, 10.2)


def test_an_owner_whom_no_other_could_replace_needs_no_store() -> None:
    """A group with one site and one controller."""
    view, _ = lease.observed(lease.born(ME), TIMES, 0.0, 5, _record(OTHER))
    alone = Wish(Want.HOLD)
    view, actions = lease.poll(view, TIMES, 10.0, alone)
    view, _ = lease.observed(
        view, TIMES, 10.01, 6, next(each for each in actions if isinstance(each, Put)).record
    )
    for tick in range(1, 100):
        view, _ = lease.poll(view, TIMES, 10.0 + tick * TIMES.renew, alone)
    assert lease.holding(view, 10.0 + 99 * TIMES.renew)


@given(st.floats(0.0, 100.0), st.floats(0.0, 5.0))
def test_the_next_poll_is_always_ahead_and_never_far(at: float, later: float) -> None:
    view, _ = _claimed()
    view, _ = lease.poll(view, TIMES, 10.0 + later, HOLD)
    now = 10.0 + max(at, later)
    assert now < lease.due(view, TIMES, now) <= now + TIMES.renew


def test_a_forced_owner_falls_silent_when_it_hears_the_other_site() -> None:
    view, _ = lease.observed(lease.born(ME), TIMES, 0.0, 5, _record(OTHER))
    view, _ = lease.force(view, TIMES, 10.0)
    view, actions = lease.poll(view, TIMES, 10.0 + WAIT, HOLD)
    assert [each for each in actions if isinstance(each, Speak)]
    view, actions = lease.poll(view, TIMES, 10.1 + WAIT, HOLD, {"west"})
    assert isinstance(actions[0], Silence)
    assert not lease.holding(view, 10.1 + WAIT)


def test_a_record_is_read_as_it_was_written() -> None:
    record = _record(ME)._replace(released=True, to="west")
    assert Record.decode("owner/x", record.encode()) == record


_WRITTEN = _record(ME).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"7",
        b'{"site":"east"}',
        b'{"heirs":[]}',
        _WRITTEN.replace(b'"epoch":1', b'"epoch":"1"'),
        _WRITTEN.replace(b'"e2"', b"2"),
        _WRITTEN.replace(b"false", b"0"),
        _WRITTEN.replace(b"0.8", b"-0.8"),
        _WRITTEN.replace(b"0.8", b"NaN"),
    ],
)
def test_what_is_no_lease_is_named_with_a_remedy(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"owner/x: is no lease of ours: .*; delete the key"):
        Record.decode("owner/x", data)


def test_defaults_suit_etcd_at_200_ms_and_not_as_it_is_shipped() -> None:
    assert not list(check(TIMES, 0.2))
    (wrong,) = check(TIMES, 1.0)
    assert wrong.key == "authority"
    assert "etcd's election timeout of 1 s" in wrong.message
    assert "at least 2.6 s, or start etcd with --election-timeout=200 or less" in wrong.right
    assert not list(check(replace(TIMES, authority=2.6), 1.0))


@pytest.mark.parametrize(
    ("change", "key", "right"),
    [
        ({"renew": 0.0}, "renew", "from 0.02 to 60"),
        ({"drift": 0.2}, "drift", "from 0 to 0.05"),
        ({"margin": 0.0}, "margin", "from 0.005 to 60"),
        ({"authority": 0.4}, "authority", "at least 500 ms, or renew to at most 100 ms"),
        ({"renew": 0.5}, "authority", "at least 1.2 s, or renew to at most 300 ms"),
    ],
)
def test_times_that_do_not_go_together_are_refused(change: dict[str, float], key: str, right: str) -> None:
    (wrong,) = check(replace(TIMES, **change), 0.02)
    assert wrong.key == key
    assert right in wrong.right


@given(st.floats(0.02, 10.0), st.floats(0.0, 0.05), st.data())
def test_a_wait_outlasts_authority_whatever_two_clocks_do(
    authority: float, drift: float, data: st.DataObject
) -> None:
    times = replace(TIMES, authority=authority, drift=drift)
    mine, theirs = (data.draw(st.floats(1 - drift, 1 + drift)) for _ in range(2))
    assert times.wait(authority) / theirs > authority / mine


def test_heirs_are_who_is_heard_and_of_another_site_always_one() -> None:
    there = {"east": ["e1", "e2"], "west": ["w1", "w2"]}
    assert promise.heirs(ME, there, {"e2", "w1", "w2"}) == ("e2", "w1", "w2")
    assert promise.heirs(ME, there, {"w1"}) == ("w1",)
    assert promise.heirs(ME, there, {"e2"}, before=("w2",)) == ("e2", "w2")
    assert promise.heirs(ME, there, ()) == ("w1", "w2")


def test_heartbeats_are_lost_when_every_path_is_silent() -> None:
    beat = Beat("west", "w1", "w1.1", 1, frozenset({"owner/x"}))
    beats = Heartbeats().arrived(beat, "a", 0.0).arrived(beat._replace(number=2), "b", 0.2)
    assert [path.name for path in beats.silent(TIMES, 0.35)] == ["a"]
    assert beats.holding("owner/x", TIMES, 0.35) == {"west"}
    assert not beats.holding("owner/y", TIMES, 0.35)
    assert beats.heard(TIMES, 0.35) == {"w1"}
    assert not beats.heard(TIMES, 0.51)


def test_of_beats_that_overtake_each_other_the_newer_counts() -> None:
    holds = Beat("west", "w1", "w1.1", 1, frozenset({"owner/x"}))
    beats = (
        Heartbeats().arrived(holds._replace(number=2, holding=frozenset()), "a", 0.0).arrived(holds, "b", 0.1)
    )
    assert not beats.holding("owner/x", TIMES, 0.1)
    again = beats.arrived(holds._replace(life="w1.2"), "a", 0.2)
    assert again.holding("owner/x", TIMES, 0.2) == {"west"}
