"""A full disk, or a reader that stands still, costs lines of the log and nothing else; what was lost is said."""

from __future__ import annotations

import errno
import io
import json
import threading
from typing import Any

import pytest

from controller.core import journal as module
from controller.core.journal import Journal, QueuedSink

PATIENCE = 20.0


class Stream(io.StringIO):
    """Writes when it may; keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[Exception] = []
        self.open = threading.Event()
        self.open.set()
        self.waiting = threading.Event()
        self.lines: list[dict[str, Any]] = []

    def write(self, text: str) -> int:
        self.waiting.set()
        assert self.open.wait(PATIENCE)
        if self.failures:
            raise self.failures.pop(0)
        self.lines.append(json.loads(text))
        return len(text)

    def names(self) -> list[str]:
        return [row["event"] for row in self.lines]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.0)


def test_lines_are_written_in_order_and_a_close_waits_for_them() -> None:
    stream = Stream()
    sink = QueuedSink(stream)
    journal = Journal(sink, lambda: 7.0)
    for number in range(100):
        journal.event("number", n=number)
    sink.close(PATIENCE)
    assert [row["n"] for row in stream.lines] == list(range(100))
    assert (sink.dropped, stream.lines[0]["at"], stream.lines[0]["change"]) == (0, 7.0, 0)


def test_a_full_disk_costs_the_lines_that_it_refused_and_says_so_afterwards() -> None:
    stream = Stream()
    stream.failures = [OSError(errno.ENOSPC, "No space left on device")] * 3
    sink = QueuedSink(stream)
    for number in range(5):
        Journal(sink).event(f"e{number}")
    sink.close(PATIENCE)
    # Two lines of ours, and between them the one that says so.
    assert sink.dropped == 2
    assert stream.names() == ["events_dropped", "e2", "e3", "e4"]
    assert stream.lines[0]["count"] == 2


def test_a_reader_that_stands_still_blocks_nobody_and_is_told_what_it_missed() -> None:
    stream = Stream()
    stream.open.clear()
    sink = QueuedSink(stream, backlog=10)
    journal = Journal(sink)
    journal.event("first")
    assert stream.waiting.wait(PATIENCE)
    for number in range(25):
        journal.event("number", n=number)
    assert sink.dropped == 15
    stream.open.set()
    sink.close(PATIENCE)
    assert [row["n"] for row in stream.lines if row["event"] == "number"] == list(range(10))
    assert [row["count"] for row in stream.lines if row["event"] == "events_dropped"] == [15]


def test_a_loss_that_could_not_be_said_is_said_later() -> None:
    stream = Stream()
    full = OSError(errno.ENOSPC, "No space left on device")
    # The first line, and the line that says so.
    stream.failures = [full, full]
    sink = QueuedSink(stream)
    for number in range(3):
        Journal(sink).event(f"e{number}")
    sink.close(PATIENCE)
    assert stream.names() == ["e1", "events_dropped", "e2"]
    assert stream.lines[1]["count"] == sink.dropped == 1


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("I/O operation on closed file")])
def test_a_reader_that_went_away_ends_the_log_and_nothing_else(error: Exception) -> None:
    stream = Stream()
    stream.failures = [error]
    sink = QueuedSink(stream)
    journal = Journal(sink)
    journal.event("first")
    sink.close(PATIENCE)
    for _ in range(3):
        journal.event("more")
    assert (stream.names(), sink.dropped) == ([], 0)


def test_a_close_does_not_wait_for_a_reader_that_stands_still() -> None:
    stream = Stream()
    stream.open.clear()
    sink = QueuedSink(stream, backlog=1)
    journal = Journal(sink)
    journal.event("first")
    assert stream.waiting.wait(PATIENCE)
    journal.event("second")
    sink.close(within=0.01)
    assert sink._thread.is_alive(), "it was not waited for"
    stream.open.set()


def test_a_failure_is_said_with_its_place() -> None:
    stream = io.StringIO()
    journal = Journal(stream)
    try:
        raise KeyError("missing")
    except KeyError as error:
        journal.failure(error, switch="lb1")
    journal.failure(ValueError("never raised"))
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["switch"], first["error"]) == ("failure", "lb1", "KeyError: 'missing'")
    assert first["place"].startswith("test_core_journal.py:")
    assert second["place"] == ""


def test_an_event_of_anything_is_a_line() -> None:
    stream = io.StringIO()
    Journal(stream).event("odd", what=object(), path=frozenset({1}))
    assert json.loads(stream.getvalue())["event"] == "odd"
