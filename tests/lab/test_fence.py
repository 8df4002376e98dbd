"""The BFD fence on a live edge: whatever is stopped or killed, no answer on the wire comes after the authority."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from controller.frames.bfd import BfdState
from tests.lab.asking import Asker, now
from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab, eventually
from tests.lab.fenced import EDGE, VIP, Claims, Second, fence, speakers, topology, wait_claim
from tests.lab.wire import neighbour_answer

pytestmark = pytest.mark.lab

AUTHORITY = 3.0
BOUND = 1.0
"""Seconds after the end of a claim: 0.2 are promised, and a busy machine adds the switch's own delay. Where a speaker
ends, timeouts go on being renewed: without the fence the answers would not end at all."""
QUIET = 0.8
"""Seconds without an answer that are silence."""
VIP6 = "fd00::100"


@pytest.fixture(scope="module")
def balanced(make_lab: MakeLab) -> Iterator[Balanced]:
    with Balanced(make_lab(topology(f"{AUTHORITY:g}s"))) as it:
        wait_claim(it)
        yield it


@pytest.fixture
def asker(balanced: Balanced) -> Iterator[Asker]:
    wait_claim(balanced)
    balanced.mark()
    with Asker(balanced.lab, "c1", VIP) as it:
        it.first(0.0)
        yield it


def process_of(balanced: Balanced) -> int:
    """The controller's process."""
    shown = balanced._controller._process
    assert shown is not None
    return int(shown.pid)


def test_an_edge_answers_while_authority_is_claimed_and_its_status_says_so(
    balanced: Balanced, asker: Asker
) -> None:
    shown = wait_claim(balanced)
    assert (shown["up"], shown["claim"], shown["why"], shown["open"]) == (True, True, "", False)
    assert 0 < shown["left"] <= AUTHORITY
    assert shown["age"] > 1.5
    eventually(lambda: neighbour_answer(balanced.lab, "c1", VIP6) == "02:45:56:00:01:01", "IPv6 too")
    groups = balanced.lab.ofctl(EDGE, "dump-groups", "br0")
    assert "watch_port:60000" in groups
    assert "watch_group" in groups
    assert balanced.lab.vsctl(EDGE, "get", "interface", "fence0", "bfd:min_rx").strip() == '"50"'


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_speaker_that_is_gone_is_missed_at_once_and_another_one_claims_again(
    balanced: Balanced, asker: Asker, how: signal.Signals
) -> None:
    (speaker,) = speakers(balanced.lab)
    ended = now()
    os.kill(speaker, how)
    assert asker.silence(QUIET) - ended < BOUND
    again = asker.first(now(), within=30.0)
    assert again - ended > 1.5, "a claim begins when the new session has been up for a while"
    balanced.wait_event("fence_silent")
    balanced.wait_event("fence_claimed")
    assert speakers(balanced.lab) != [speaker]


def test_a_controller_that_is_stopped_is_silent_from_its_deadline_on_and_goes_on_when_it_is_still_the_owner(
    balanced: Balanced, asker: Asker
) -> None:
    stopped = now()
    os.kill(process_of(balanced), signal.SIGSTOP)
    try:
        assert asker.silence(QUIET) - stopped < AUTHORITY + BOUND
    finally:
        os.kill(process_of(balanced), signal.SIGCONT)
    asker.first(now())


def test_a_controller_that_is_killed_is_silent_from_its_deadline_on_and_its_speaker_ends(
    balanced: Balanced, asker: Asker
) -> None:
    killed = now()
    balanced.kill_controller()
    assert asker.silence(QUIET) - killed < AUTHORITY + BOUND
    eventually(lambda: speakers(balanced.lab) == [], "the speaker ends")
    balanced.start_controller()


@pytest.mark.long
def test_a_controller_that_comes_back_before_its_deadline_leaves_no_gap(balanced: Balanced) -> None:
    """But where the switch itself, on a busy machine, misses three packets that were sent."""
    wait_claim(balanced)
    balanced.edit_intent(authority("60s"))
    balanced.wait_status(lambda status: fence(status).get("left", 0) > 30, "authority is longer")
    former = speakers(balanced.lab)
    with Asker(balanced.lab, "c1", VIP) as asker, Claims(balanced.lab) as claims:
        asker.first(0.0)
        began = now()
        balanced.kill_controller()
        balanced.start_controller()
        balanced.wait_event("synced", 60.0, switch=EDGE)
        balanced.wait_status(lambda status: fence(status).get("left", 0) > 30, "authority is renewed", 60.0)
        gap, said = asker.gap(began), claims.said()
    assert speakers(balanced.lab) == former
    assert Claims.given_up(said) == 0
    assert gap < BOUND or any(packet.state is not BfdState.UP for packet in said)


@pytest.mark.long
def test_another_controller_whose_session_is_up_takes_over_at_once(balanced: Balanced) -> None:
    """It claims nothing before, and answers end with its claim."""
    with Second(balanced.lab) as second:
        end = {"port": Second.PORT, "interface": Second.INTERFACE}
        balanced.edit_intent(lambda document: ends_of(document).append(end))
        second.up()
        assert speakers(balanced.lab)
        with Asker(balanced.lab, "c1", VIP) as asker:
            asker.first(now())
            gone = now()
            balanced.kill_controller()
            for speaker in speakers(balanced.lab):
                os.kill(speaker, signal.SIGKILL)
            second.allow(gone + 40.0)
            asker.first(gone + BOUND)
            taken = now()
            second.allow(0.0)
            assert asker.silence(QUIET) - taken < BOUND


def ends_of(document: Any) -> Any:
    """The ends of the edge's fence."""
    return next(switch for switch in document["switches"] if switch["name"] == EDGE)["fence"]


def authority(length: str) -> Callable[[Any], None]:
    """An edit of the authority of all VIPs."""

    def change(document: Any) -> None:
        for vip in document["vips"]:
            vip["authority"] = length

    return change
