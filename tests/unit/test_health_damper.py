"""What the damper promises: rise and fall in a row, a deciding first result, a bounded hold for flapping."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.health.damper import HOLD_WINDOWS, State, damp, remembered, undecided, unproven
from controller.health.result import Outcome, ProbeResult
from controller.health.targets import Policy, Probe
from controller.spec.health import ProbeKind

PROBE = Probe(ProbeKind.TCP, IPv4Address("127.0.0.1"), 80)
OUTCOMES = {"+": Outcome.PASS, "-": Outcome.FAIL, "!": Outcome.LOCAL}
CALM = Policy(rise=2, fall=3, flap_limit=0)
TOUCHY = Policy(rise=1, fall=1, flap_limit=2, flap_window=10.0)


def result(sign: str, started: float) -> ProbeResult:
    reason = {"+": "", "-": "connect refused", "!": "cannot probe"}[sign]
    return ProbeResult(PROBE, OUTCOMES[sign], reason, started, started)


def states(state: State, signs: str, start: float = 0.0, step: float = 1.0) -> list[State]:
    """The state after each result, one per ``step`` seconds."""
    seen = []
    for number, sign in enumerate(signs):
        now = start + number * step
        state = damp(state, result(sign, now), now)
        seen.append(state)
    return seen


def verdicts(state: State, signs: str, step: float = 1.0) -> str:
    return "".join({True: "U", False: "D", None: "?"}[s.up] for s in states(state, signs, step=step))


@pytest.mark.parametrize(
    ("start", "signs", "expected"),
    [
        (undecided(CALM), "+", "U"),
        (undecided(CALM), "-", "D"),
        (undecided(CALM), "!!+", "??U"),
        (unproven(CALM), "+", "D"),
        (unproven(CALM), "++", "DU"),
        (unproven(CALM), "+-++", "DDDU"),
        (remembered(CALM, True), "--+---", "UUUUUD"),
        (remembered(CALM, True), "---", "UUD"),
        (remembered(CALM, True), "--!!-", "UUUUD"),
        (remembered(CALM, False), "+!+", "DDU"),
        (remembered(CALM, False), "--++--", "DDDUUU"),
        (undecided(Policy(1, 1, 0)), "+-+-+-+-", "UDUDUDUD"),
        (undecided(CALM, patient=True), "+++---", "?UUUUD"),
        (undecided(CALM, patient=True), "---++", "??DDU"),
        (undecided(CALM, patient=True), "--+--!-", "??????D"),
        (undecided(CALM, patient=True), "+-++-", "???UU"),
        (undecided(Policy(1, 1, 0), patient=True), "-+", "DU"),
        (undecided(TOUCHY), "+-+-+++++++++", "UDUDDDDDDDDDD"),
    ],
)
def test_sequence_gives_these_verdicts(start: State, signs: str, expected: str) -> None:
    assert verdicts(start, signs) == expected


def test_reason_of_a_down_verdict_is_that_of_the_last_failure() -> None:
    assert states(remembered(CALM, True), "---")[-1].reason == "connect refused"


def test_steady_passes_leave_the_very_same_state() -> None:
    first, *others = states(undecided(CALM), "+++++")
    assert all(state is first for state in others)


def test_result_overtaken_by_a_later_probe_is_not_judged() -> None:
    state = damp(remembered(CALM, True), result("-", 5.0), 5.1)
    assert damp(state, result("+", 4.0), 6.0) is state


def test_held_backend_comes_back_after_a_quiet_window() -> None:
    # Changes at 1, 2 and 3 s; the third is one too many.
    after = states(undecided(TOUCHY), "+-+-" + "+" * 12)
    assert after[3].held_since == 3.0
    assert "flapping" in after[3].reason
    assert [s.up for s in after[4:14]] == [False] * 10
    assert after[14].up is True, "last change at 4 s, so quiet for 10 s at 14 s"
    assert after[14].changes == ()


def test_held_backend_that_stays_down_is_released_as_down() -> None:
    after = states(undecided(TOUCHY), "+-+-" + "-" * 10)
    assert after[-1].held_since is None
    assert after[-1].up is False
    assert states(after[-1], "+", start=20.0)[-1].up is True


def test_hold_is_bounded_even_if_it_never_gets_quiet() -> None:
    limit = int(HOLD_WINDOWS * TOUCHY.flap_window)
    after = states(undecided(TOUCHY), "+-" * limit)
    assert after[3].held_since == 3.0
    assert after[3 + limit - 1].held_since == 3.0
    assert after[3 + limit].held_since is None


def test_slow_changes_are_not_flapping() -> None:
    assert verdicts(undecided(TOUCHY), "+-+-+-+-", step=10.0) == "UDUDUDUD"


POLICIES = st.builds(
    Policy,
    rise=st.integers(1, 4),
    fall=st.integers(1, 4),
    flap_limit=st.integers(0, 4),
    flap_window=st.sampled_from([3.0, 10.0, 60.0]),
)
STARTS = st.one_of(
    st.builds(undecided, POLICIES),
    st.builds(unproven, POLICIES),
    st.builds(remembered, POLICIES, st.booleans()),
)
SIGNS = st.text("+-!", max_size=120)


@given(STARTS, SIGNS)
def test_verdict_without_guard_is_the_plain_counting_definition(start: State, signs: str) -> None:
    calm = State(Policy(start.policy.rise, start.policy.fall, flap_limit=0), start.raw)
    heard = [sign for sign in signs if sign != "!"]
    up = start.raw
    for number, state in enumerate(states(calm, "".join(heard))):
        past = heard[: number + 1]
        if up is None:
            up = past[-1] == "+"
        elif up and past[-calm.policy.fall :] == ["-"] * calm.policy.fall:
            up = False
        elif not up and past[-calm.policy.rise :] == ["+"] * calm.policy.rise:
            up = True
        assert state.up is up


@given(STARTS, SIGNS)
def test_guard_only_ever_adds_down(start: State, signs: str) -> None:
    for state in states(start, signs):
        assert state.up is (False if state.held_since is not None else state.raw)


@given(STARTS, SIGNS)
def test_errors_of_the_prober_change_nothing(start: State, signs: str) -> None:
    spaced = "".join(sign + "!" for sign in signs.replace("!", ""))
    assert verdicts(start, spaced)[::2] == verdicts(start, signs.replace("!", ""), step=2.0)


@given(STARTS, SIGNS)
def test_ups_within_a_window_are_bounded_and_holds_end(start: State, signs: str) -> None:
    policy = start.policy
    before, ups = start.up, list[float]()
    for number, state in enumerate(states(start, signs)):
        if state.up and before is False:
            ups.append(float(number))
        if state.held_since is not None:
            assert number - state.held_since < HOLD_WINDOWS * policy.flap_window
        before = state.up
    if policy.flap_limit:
        for at in ups:
            # Every up but one that ends a hold is a change that the guard counts.
            within = [u for u in ups if at <= u < at + policy.flap_window]
            assert len(within) <= policy.flap_limit + 1


@given(st.text("+-!", max_size=40), st.integers(1, 4), st.integers(1, 4))
def test_a_patient_judge_has_no_verdict_before_it_is_earned(signs: str, rise: int, fall: int) -> None:
    shown = verdicts(undecided(Policy(rise, fall, 0), patient=True), signs)
    asked = [(sign, verdict) for sign, verdict in zip(signs, shown, strict=True) if sign != "!"]
    heard = "".join(sign for sign, _ in asked)
    for number, (_, verdict) in enumerate(asked, 1):
        earned = "+" * rise in heard[:number] or "-" * fall in heard[:number]
        assert (verdict != "?") == earned
