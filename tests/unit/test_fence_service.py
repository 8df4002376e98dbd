"""The speaker is kept running, outlives its controller until the last deadline, and is found again by the next one."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import pytest

from controller.clock import SystemClock
from controller.sites.fence import wire
from controller.sites.fence.service import FenceService, here
from tests.fakes.core import until

INTERFACE = "no-such-cable"
Story = Callable[[FenceService], Awaitable[None]]


def now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lives:
    """Lives of one controller, and the speakers that they had."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[str] = []
        self.speakers: set[int] = set()

    def live(self, story: Story) -> None:
        """One of them."""

        async def run() -> None:
            service = FenceService(self.name, self.problems.append, SystemClock())
            task = asyncio.create_task(service.run())
            service.use({INTERFACE})
            try:
                await until(lambda: INTERFACE in service.states, "the speaker speaks")
                assert service.speaker is not None
                self.speakers.add(service.speaker)
                await story(service)
                if service.speaker is not None:
                    self.speakers.add(service.speaker)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        asyncio.run(run())

    def runs(self) -> bool:
        """Whether a speaker listens."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as one:
            try:
                one.connect(wire.address_of(self.name))
            except ConnectionRefusedError:
                return False
        return True


@pytest.fixture
def lives(request: pytest.FixtureRequest) -> Iterator[Lives]:
    made = Lives(f"{request.node.name} {os.getpid()}")
    yield made
    for pid in made.speakers:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def nothing(_: FenceService) -> None:
    """A short life."""


def test_an_interface_that_is_not_there_is_named_and_nothing_is_claimed(lives: Lives) -> None:
    async def story(service: FenceService) -> None:
        service.allow(INTERFACE, now() + 30)
        await until(lambda: service.states[INTERFACE].until > now())
        state = service.states[INTERFACE]
        assert (state.up, state.claim) == (False, False)
        assert state.why.startswith(INTERFACE)
        service.allow(INTERFACE, 0.0)
        await until(lambda: service.states[INTERFACE].until == 0.0, "authority can be taken back")
        service.use(set())
        await until(lambda: not service.states, "an interface can be given up")

    lives.live(story)
    assert lives.problems == []


def test_a_speaker_that_ends_is_replaced(lives: Lives) -> None:
    async def story(service: FenceService) -> None:
        first = service.speaker
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: service.speaker not in (None, first) and INTERFACE in service.states)

    lives.live(story)
    assert lives.problems == ["the speaker of fences: it ended (signal 9)"]


def test_a_speaker_that_stands_still_is_ended_and_replaced(lives: Lives) -> None:
    async def story(service: FenceService) -> None:
        first = service.speaker
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        await until(lambda: service.speaker not in (None, first) and INTERFACE in service.states)

    lives.live(story)
    assert lives.problems == ["the speaker of fences: it stood still and was ended"]


def test_the_next_life_of_a_controller_goes_on_with_the_speaker_of_the_former(lives: Lives) -> None:
    async def first(service: FenceService) -> None:
        service.allow(INTERFACE, now() + 60)
        await until(lambda: service.states[INTERFACE].until > now())

    async def second(service: FenceService) -> None:
        assert lives.speakers == {service.speaker}
        assert service.states[INTERFACE].until > now() + 30, (
            "what was given holds until something else is said"
        )

    lives.live(first)
    lives.live(second)


def test_a_speaker_without_a_controller_ends_when_nothing_may_be_claimed_any_more(lives: Lives) -> None:
    end = 0.0

    async def story(service: FenceService) -> None:
        nonlocal end
        end = now() + 0.5
        service.allow(INTERFACE, end)
        await until(lambda: service.states[INTERFACE].until == end)

    lives.live(story)
    stop = time.monotonic() + 20
    while lives.runs():
        assert time.monotonic() < stop
        time.sleep(0.05)
    assert now() >= end


def test_a_second_controller_of_the_same_name_gets_no_word_in(lives: Lives) -> None:
    async def story(service: FenceService) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
            other.settimeout(20)
            other.connect(wire.address_of(lives.name))
            assert other.recv(100) == b""
        assert INTERFACE in service.states

    lives.live(story)


def test_interfaces_are_those_of_this_network_namespace() -> None:
    assert here({"lo", INTERFACE}) == {"lo"}
    assert here(set()) == set()


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"[2, {}]", "version 2"),
        (b"[1, []]", "no states"),
        (b"7", "no states"),
        (b"{", "Expecting"),
        (b'[1, {"a": {"up": true}}]', "no states"),
    ],
)
def test_states_in_no_such_form_are_refused(message: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        wire.read_states(message)


def test_states_and_deadlines_are_read_as_they_were_said() -> None:
    states = {"a": wire.PortState(True, False, 1.25, 2.5, "no authority")}
    assert wire.read_states(wire.pack_states(states)) == states
    assert wire.read_deadlines(wire.pack_deadlines({"a": 1.5, "b": None})) == {"a": 1.5, "b": None}
    with pytest.raises(ValueError, match="mapping"):
        wire.read_deadlines(b"[]")
