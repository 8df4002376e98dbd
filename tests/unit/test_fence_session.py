"""A session claims authority when it has been up for a while, until its deadline, and where it would be missed soon."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.frames.bfd import BfdPacket, BfdState, Diagnostic
from controller.sites.fence.session import INTERVAL, SETTLE, SILENT_WITHIN, Session

OURS, THEIRS = 7, 9
FAST = 50_000


def said(state: BfdState, *, min_rx: int = FAST, theirs: int = OURS, poll: bool = False) -> BfdPacket:
    """What a switch says."""
    return BfdPacket(state, 0, THEIRS, theirs, FAST, min_rx, poll=poll)


def risen(at: float = 0.0) -> Session:
    """A session that came up then."""
    session = Session(OURS)
    session.hear(said(BfdState.DOWN, theirs=0), at)
    session.hear(said(BfdState.INIT), at)
    return session


def heard(session: Session, until: float, start: float = 0.0, min_rx: int = FAST) -> float:
    """Let it hear that all is well until then."""
    at = start
    while at < until:
        session.hear(said(BfdState.UP, min_rx=min_rx), at)
        at += INTERVAL
    session.hear(said(BfdState.UP, min_rx=min_rx), until)
    return until


def test_it_comes_up_in_three_steps_and_says_no_authority_in_each() -> None:
    session = Session(OURS)
    session.until = 100.0
    first = session.packet(0.0)
    assert (first.state, first.diagnostic, first.ours, first.theirs) == (
        BfdState.DOWN,
        Diagnostic.CONCATENATED_PATH_DOWN,
        OURS,
        0,
    )
    session.hear(said(BfdState.DOWN, theirs=0), 0.1)
    second = session.packet(0.1)
    assert (second.state, second.diagnostic, second.theirs) == (BfdState.INIT, 6, THEIRS)
    session.hear(said(BfdState.UP), 0.2)
    third = session.packet(0.2)
    assert (third.state, third.diagnostic) == (BfdState.UP, 6)


def test_it_claims_once_it_has_been_up_for_a_while_and_until_its_deadline() -> None:
    session = risen()
    session.until = 3.0
    heard(session, SETTLE - 0.01)
    assert "not been up" in session.reason(SETTLE - 0.01)
    heard(session, 2.99, SETTLE - 0.01)
    assert [session.packet(at).diagnostic for at in (SETTLE - 0.001, SETTLE, 2.99, 3.0)] == [6, 0, 0, 6]
    assert session.reason(3.0) == "no authority"


def test_a_switch_that_would_miss_it_late_gets_no_claim() -> None:
    session = risen()
    session.until = 100.0
    heard(session, 2.0, min_rx=1_000_000)
    assert session.reason(2.0) == (
        "the switch would notice silence after 3 s only; set bfd:min_rx=50 on its port"
    )
    assert heard(session, 2.1, 2.05) == 2.1
    assert session.claims(2.1)
    assert session.noticed <= SILENT_WITHIN


def test_a_switch_that_is_not_heard_or_says_it_is_down_ends_the_claim_and_the_wait_begins_again() -> None:
    session = risen()
    session.until = 100.0
    heard(session, 2.0)
    session.hear(said(BfdState.DOWN), 2.1)
    assert not session.claims(2.1)
    session.hear(said(BfdState.DOWN, theirs=0), 2.2)
    session.hear(said(BfdState.UP), 2.3)
    assert (session.up(2.3), session.since, session.claims(2.3 + SETTLE - 0.1)) == (True, 2.3, False)
    silent = 2.3 + session.detection
    assert session.claims(silent - 0.001)
    assert not session.claims(silent)
    assert session.packet(silent).state is BfdState.DOWN


def test_a_packet_for_another_session_changes_nothing() -> None:
    session = risen()
    assert not session.hear(said(BfdState.DOWN, theirs=OURS + 1, poll=True), 0.5)
    assert session.up(0.5)


def test_a_poll_is_answered_at_once() -> None:
    session = risen()
    assert session.hear(said(BfdState.UP, poll=True), 0.1)
    assert session.packet(0.1, final=True).final


def test_it_wakes_when_its_claim_changes() -> None:
    session = risen()
    session.until = 1.9
    heard(session, 1.0)
    assert session.next_change(1.0) == SETTLE
    assert session.next_change(SETTLE) == 1.9


@dataclass
class Story:
    """What happened to a session, and what it said."""

    session: Session = field(default_factory=lambda: Session(OURS))
    now: float = 0.0
    up_since: float | None = None
    """By an account of our own."""

    def step(self, kind: str, amount: float, state: BfdState, slow: bool) -> None:
        """One event."""
        if kind == "wait":
            self.now += amount
        elif kind == "until":
            self.session.until = self.now + 3 * (amount - 1.0)
        else:
            self.session.hear(said(state, min_rx=1_000_000 if slow else FAST), self.now)
        if not self.session.up(self.now):
            self.up_since = None
        elif self.up_since is None:
            self.up_since = self.now


EVENTS = st.tuples(
    st.sampled_from(["wait", "until", "hear", "hear"]),
    st.floats(0.0, 4.0),
    st.sampled_from(BfdState),
    st.booleans(),
)


@settings(deadline=None, max_examples=100)
@given(st.lists(EVENTS, max_size=60))
def test_whatever_happens_no_claim_is_sent_past_a_deadline_or_before_it_was_up_long_enough(
    events: list[tuple[str, float, BfdState, bool]],
) -> None:
    story = Story()
    for event in events:
        story.step(*event)
        packet = story.session.packet(story.now)
        if packet.diagnostic != Diagnostic.CONCATENATED_PATH_DOWN:
            assert packet.state is BfdState.UP
            assert story.now < story.session.until
            assert story.up_since is not None
            assert story.now >= story.up_since + SETTLE
            assert story.session.noticed <= SILENT_WITHIN


@settings(deadline=None)
@given(st.floats(1.0, 1000.0), st.floats(0.0, 1000.0))
def test_a_speaker_that_stood_still_past_its_deadline_claims_nothing_when_it_goes_on(
    until: float, late: float
) -> None:
    session = risen()
    session.until = until
    heard(session, min(until, 3.0) - 0.5)
    assert session.packet(until + late).diagnostic == Diagnostic.CONCATENATED_PATH_DOWN
