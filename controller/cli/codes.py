"""Exit codes of the commands, which scripts may rely on. The reference of exit codes is generated from this file;
those of the embedded switch stand in ``topo/p4switch/main.py``.

A command that SIGTERM or SIGHUP ends while it holds labs removes them and exits with 128 + the signal's number.
"""

from __future__ import annotations

from enum import IntEnum


class Check(IntEnum):
    """``evenkeel check``"""

    GOOD = 0
    """The file is good; its summary was printed."""
    ERRORS = 2
    """The file has errors; all of them were printed."""


class Decide(IntEnum):
    """``evenkeel decide``"""

    BACKEND = 0
    """The packet goes to a backend."""
    NO_BACKEND = 1
    """The packet goes to no backend."""
    BAD_INPUT = 2
    """The file has errors, or the packet makes no sense."""


class Run(IntEnum):
    """``evenkeel run``"""

    STOPPED = 0
    """Stopped by SIGTERM or SIGINT."""
    DEFECT = 1
    """A defect in the controller; its traceback was printed."""
    CANNOT_START = 2
    """The intent file has errors, or the address or the state file cannot be used."""
    STORE_LOST = 3
    """The state file could not be written at the start."""


class Status(IntEnum):
    """``evenkeel status``"""

    CURRENT = 0
    """The status was written within the last 5 s."""
    STALE = 1
    """The status is older: the controller is not running."""
    NONE = 2
    """There is no status beside the state file."""


class Failback(IntEnum):
    """``evenkeel failback``"""

    DONE = 0
    """The backend is the writer, and that is stored."""
    REFUSED = 1
    """Refused; the reasons were printed, and nothing has changed."""
    NO_ANSWER = 2
    """No controller runs with this state file, or it gave no answer in time."""
    NOT_STORED = 3
    """Accepted, but not stored yet: it takes effect when the state file can be written again."""


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


class Bench(IntEnum):
    """``evenkeel bench``"""

    MEASURED = 0
    """All that was asked for was measured."""
    CANNOT_RUN = 1
    """A benchmark could not run; the reason was printed."""
    UNKNOWN = 2
    """There is no such benchmark, or no benchmarks, since this is no source tree."""


COMMANDS: tuple[type[IntEnum], ...] = (Check, Decide, Run, Status, Failback, Lab, Demo, Bench)
"""In the order of the reference."""
