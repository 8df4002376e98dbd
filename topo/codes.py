"""Exit codes of the commands of labs, which scripts may rely on. The reference of exit codes is generated from this
file; those of the embedded switch stand in ``topo/p4switch/main.py``.

A command that SIGTERM or SIGHUP ends while it holds labs removes them and exits with 128 + the signal's number.
"""

from __future__ import annotations

from enum import IntEnum


class Lab(IntEnum):
    """``evenkeel lab``

    ``lab exec`` returns the exit code of the program that it runs, and passes SIGTERM and SIGINT on to it.
    """

    DONE = 0
    """Done."""
    FAILED = 2
    """It could not be done; the reason was printed."""


class Demo(IntEnum):
    """``evenkeel demo``"""

    HELD = 0
    """Every promise held; with ``--sabotage``: exactly the one broken connection was reported."""
    BROKEN = 1
    """A promise did not hold."""
    CANNOT_RUN = 2
    """The demo could not be carried out."""
    INTERRUPTED = 130
    """Interrupted from the keyboard; the lab is removed."""


class Soak(IntEnum):
    """``evenkeel soak``"""

    HELD = 0
    """Nothing broke beyond the stated set, and in runs of 5 minutes and more everything happened at least once."""
    BROKEN = 1
    """Something broke, or did not happen."""
    CANNOT_RUN = 2
    """The soak could not be carried out."""
    INTERRUPTED = 130
    """Interrupted from the keyboard; the lab is removed."""


class Bench(IntEnum):
    """``evenkeel bench``"""

    MEASURED = 0
    """All that was asked for was measured."""
    CANNOT_RUN = 1
    """A benchmark could not run; the reason was printed."""
    UNKNOWN = 2
    """There is no such benchmark, or no benchmarks, since this is no source tree."""


COMMANDS: tuple[type[IntEnum], ...] = (Lab, Demo, Soak, Bench)
"""In the order of the reference."""
