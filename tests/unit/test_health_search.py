"""A regular expression that never comes to an end does not stop the prober."""

from __future__ import annotations

import signal
import time

import pytest

from controller.health.search import TooSlow, found


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("(a+)+$", "a" * 60 + "b"), ("(a|aa)*$", "a" * 100 + "b"), ("x*x*x*y", "x" * 65536)],
)
def test_a_search_is_given_up_when_its_time_is_over(pattern: str, text: str) -> None:
    began = time.process_time()
    with pytest.raises(TooSlow):
        found(pattern, text, limit=0.05)
    assert time.process_time() - began < 10.0
    assert found("b$", text + "b")


def test_what_is_found_in_time_leaves_no_alarm_behind() -> None:
    before = signal.getsignal(signal.SIGALRM)
    assert found("h.llo", "hello")
    assert not found("bye", "hello")
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before
