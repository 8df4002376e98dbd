"""``python -m tests.beside``: all tests in two runs of pytest at once, in about the time of the longer one.

Tests in namespaces wait most of the time. Those that compute run meanwhile, at low priority, and what they said is
printed after the others. All arguments go to both; ``PYTEST_ADDOPTS`` holds for both too, but for a ``--junitxml``, of
which each run would overwrite the other's.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from types import FrameType

WAITING = ("tests/conformance", "tests/lab")
COMPUTING = ("tests/unit", "tests/p4")
NICENESS = 10
"""Enough to let the others through first, and not so much that a deadline of a minute is missed."""
NOTHING_RAN = 5
"""pytest's exit code where the arguments chose no test."""


def command(paths: Iterable[str], arguments: Sequence[str]) -> list[str]:
    """pytest for some folders; paths among the arguments count instead of these."""
    return [sys.executable, "-m", "pytest", "-o", f"testpaths={' '.join(paths)}", *arguments]


def verdict(codes: Sequence[int]) -> int:
    """One exit code of both: the first that says what went wrong; no test chosen is wrong only if both say so."""
    wrong = [code for code in codes if code not in (0, NOTHING_RAN)]
    if wrong:
        return wrong[0]
    return NOTHING_RAN if all(code == NOTHING_RAN for code in codes) else 0


def run(arguments: Sequence[str]) -> int:
    """Run both; a signal that ends this ends them, each with what it has built taken down."""
    with tempfile.TemporaryFile() as said:
        waiting = subprocess.Popen(command(WAITING, arguments))
        computing = subprocess.Popen(
            ["nice", "-n", str(NICENESS), *command(COMPUTING, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        both = (waiting, computing)
        _pass_on(both)
        codes = [each.wait() for each in both]
        said.seek(0)
        sys.stdout.flush()
        sys.stdout.buffer.write(said.read())
        sys.stdout.flush()
    return verdict([code if code >= 0 else 128 - code for code in codes])


def _pass_on(runs: Sequence[subprocess.Popen[bytes]]) -> None:
    def end(number: int, _frame: FrameType | None) -> None:
        for each in runs:
            each.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's reaches both by itself


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
