"""The judge of one target: consecutive passes and failures, and a guard against flapping. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from controller.health.result import Outcome, ProbeResult
from controller.health.targets import Policy

HOLD_WINDOWS = 5
"""A backend is held down for at most this many flap windows, then judged afresh."""


@dataclass(frozen=True, slots=True)
class State:
    """Everything remembered about a target. Times are those passed to ``damp`` (seconds)."""

    policy: Policy
    raw: bool | None
    """What rise and fall alone say; None: the first result decides."""
    streak: int = 0
    """Results in a row that speak against ``raw``."""
    against: float = float("-inf")
    """Start of the first of them, also after the change that they made."""
    changes: tuple[float, ...] = ()
    """Times of recent changes of ``raw``, oldest first; the older ones are dropped at a change."""
    held_since: float | None = None
    """When the flap guard took over; None: it has not."""
    reason: str = ""
    """Why the verdict is what it is; empty before the first change."""
    started: float = float("-inf")
    """Start of the newest result judged, so that a result that was overtaken is not judged."""
    patient: bool = False
    """Of a target about which nothing is known: the first result does not decide it alone."""
    lacking: int = 0
    """Results like the last one that have to follow before ``raw`` is a verdict at all."""

    @property
    def up(self) -> bool | None:
        """The verdict: True, False, or None while nothing is known."""
        if self.lacking:
            return None
        return False if self.held_since is not None else self.raw


def undecided(policy: Policy, patient: bool = False) -> State:
    """A target about which nothing is known and whose first result decides; ``patient``: ``rise`` passes or ``fall``
    failures in a row do."""
    return State(policy, None, patient=patient)


def unproven(policy: Policy) -> State:
    """A target that joins others: down until it has passed ``rise`` times in a row."""
    return State(policy, False, reason=f"new: needs {_times(policy.rise, 'pass', 'passes')} in a row")


def remembered(policy: Policy, up: bool, reason: str = "") -> State:
    """A target whose verdict is known from before."""
    return State(policy, up, reason=reason)


def damp(state: State, result: ProbeResult, now: float) -> State:
    """The state after ``result``, judged at ``now`` (seconds, any clock that does not go backwards).

    A change needs ``rise`` passes or ``fall`` failures in a row, each result contrary to the present
    verdict; one agreeing result starts the count again. Probes that could not be asked (``LOCAL``) and results
    overtaken by a later probe change nothing. More than ``flap_limit`` changes within ``flap_window`` hold the
    verdict at down until there was no change for one window, or for ``HOLD_WINDOWS`` windows at most.
    """
    if result.outcome is Outcome.LOCAL or result.started < state.started:
        return state
    passed = result.outcome is Outcome.PASS
    if passed is state.raw and not (state.streak or state.lacking) and state.held_since is None:
        # The steady case, 10,000 times a second: nothing to remember. Leaving ``started`` behind is safe,
        # because an overtaken result must then speak against ``raw`` to count, and counts as one only.
        return state
    state = _count(state, result, passed, now)
    return state if state.held_since is None else _release(state, now)


def forgive(state: State) -> State:
    """The state without the failures in a row that have not changed the verdict yet."""
    return replace(state, streak=0) if state.raw and state.streak else state


def _count(state: State, result: ProbeResult, passed: bool, now: float) -> State:
    if state.lacking or (state.raw is None and state.patient):
        return _decide(state, result, passed)
    if passed is state.raw:
        return replace(state, streak=0, started=result.started)
    streak = state.streak + 1
    if streak == 1:
        state = replace(state, against=result.started)
    needed = 1 if state.raw is None else (state.policy.rise if passed else state.policy.fall)
    if streak < needed:
        return replace(state, streak=streak, started=result.started)
    reason = f"passed {_times(needed, 'time', 'times')} in a row" if passed else result.reason
    if state.raw is None:
        return replace(state, raw=passed, streak=0, reason=reason, started=result.started)
    return _change(replace(state, raw=passed, streak=0, reason=reason, started=result.started), now)


def _decide(state: State, result: ProbeResult, passed: bool) -> State:
    """Towards a first verdict that has to be earned."""
    needed = state.policy.rise if passed else state.policy.fall
    again = passed is state.raw
    lacking = (state.lacking if again else needed) - 1
    reason = f"passed {_times(needed, 'time', 'times')} in a row" if passed else result.reason
    against = state.against if again else result.started
    return replace(state, raw=passed, lacking=lacking, against=against, reason=reason, started=result.started)


def _change(state: State, now: float) -> State:
    window, limit = state.policy.flap_window, state.policy.flap_limit
    changes = (*(t for t in state.changes if now - t < window), now)
    if state.held_since is not None:
        return replace(state, changes=changes[-1:], reason=_held(state.reason))
    if 0 < limit < len(changes):
        reason = _held(f"{len(changes)} changes within {window:g} s, last: {state.reason}")
        return replace(state, changes=changes, held_since=now, reason=reason)
    return replace(state, changes=changes)


def _release(state: State, now: float) -> State:
    window, since = state.policy.flap_window, state.held_since
    quiet = not state.changes or now - state.changes[-1] >= window
    if since is None or not (quiet or now - since >= HOLD_WINDOWS * window):
        return state
    reason = "steady again after flapping" if state.raw else "steadily down after flapping"
    return replace(state, held_since=None, changes=(), reason=reason)


def _held(why: str) -> str:
    return f"held down for flapping: {why}"


def _times(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
