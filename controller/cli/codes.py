"""Exit codes of the controller's commands, which scripts may rely on. The reference of exit codes is generated from
this file; those of registered commands stand with what they run.
"""

from __future__ import annotations

from enum import IntEnum


class Check(IntEnum):
    """``evenkeel check``"""

    GOOD = 0
    """The file is good; its summary was printed."""
    ERRORS = 2
    """The file has errors; all of them were printed."""


class Explain(IntEnum):
    """``evenkeel explain`` and ``evenkeel decide``"""

    BACKEND = 0
    """Every packet goes to a backend."""
    NO_BACKEND = 1
    """A packet goes to no backend."""
    BAD_INPUT = 2
    """The file has errors, or the packet or the switch makes no sense."""
    NO_ANSWER = 3
    """No controller runs with this state file, or it gave no answer in time."""
    DIFFERENCES = 4
    """A switch does not hold what it should, could not be read, or decides otherwise than another; it was printed."""


class Tier(IntEnum):
    """``evenkeel tier``"""

    GOOD = 0
    """The file was printed, or a front end has a pool with servers for the request."""
    NO_POOL = 1
    """No front end has a server for the request."""
    BAD_INPUT = 2
    """The intent has errors, there is no such instance, or the request makes no sense."""


class ExplainService(IntEnum):
    """``evenkeel explain-service``"""

    SERVED = 0
    """Every cluster that a route leads to has a server that serves."""
    NOT_SERVED = 1
    """One has none."""
    BAD_INPUT = 2
    """The file has errors, or there is no such service or site."""
    NO_ANSWER = 3
    """No controller runs with this state file, or it gave no answer in time."""


class ExplainName(IntEnum):
    """``evenkeel explain name``"""

    ANSWER = 0
    """Questions for the name are answered with an address, or with a name that leads on."""
    NO_ANSWER_SET = 1
    """They are answered without an address."""
    BAD_INPUT = 2
    """The file has errors, or the name or an address makes no sense."""
    NO_ANSWER = 3
    """No controller runs with this state file, or it gave no answer in time."""


class Plan(IntEnum):
    """``evenkeel plan``"""

    ACCEPTED = 0
    """The file would be accepted; what it would do was printed."""
    REFUSED = 1
    """It would be refused; the reasons were printed, and what it would do, as far as that can be said."""
    BAD_INPUT = 2
    """The file has errors, or the store cannot be read."""
    NO_ANSWER = 3
    """No controller runs with this state file, or it gave no answer in time."""


class Run(IntEnum):
    """``evenkeel run``"""

    STOPPED = 0
    """Stopped by SIGTERM or SIGINT."""
    DEFECT = 1
    """A defect in the controller; its traceback was printed."""
    CANNOT_START = 2
    """The intent file has errors, or the address, the state file or the store cannot be used."""
    STORE_LOST = 3
    """The store could not be written at the start."""
    OTHER_WRITER = 4
    """Another controller leads, or has written to the same store; it was named. Switches keep what they hold. Start it
    again: it stands by."""


class Status(IntEnum):
    """``evenkeel status``"""

    CURRENT = 0
    """The status was written within the last 5 s."""
    STALE = 1
    """The status is older: the controller is not running."""
    NONE = 2
    """There is no status beside the state file."""
    STANDS_BY = 3
    """This controller stands by; the one that leads was named."""


class Asked(IntEnum):
    """``evenkeel failback`` and ``evenkeel rehash``"""

    DONE = 0
    """It was carried out, and that is stored."""
    REFUSED = 1
    """Refused; the reasons were printed, and nothing has changed."""
    NO_ANSWER = 2
    """No controller runs with this state file, or it gave no answer in time."""
    NOT_STORED = 3
    """Accepted, but not stored yet: it takes effect when the state file can be written again."""


class Verb(IntEnum):
    """Commands on resources

    ``evenkeel get``, ``describe``, ``apply``, ``delete``, ``drain``, ``undrain``, ``weight``, ``edit``, ``watch`` and
    ``top``. ``evenkeel context``, ``completion`` and ``man`` end with 0 or 2.
    """

    DONE = 0
    """It was carried out, and that is stored; of a dry run: it could be."""
    REFUSED = 1
    """The controller refused it; the reasons were printed, and nothing has changed."""
    BAD_INPUT = 2
    """A file, an option or the context is not as it should be; the controller was not asked."""
    NOT_STORED = 3
    """Accepted, but not stored yet: it takes effect when the store can be written again."""
    NO_ANSWER = 4
    """No controller that leads was reached, or it gave no answer in time."""
    NOT_FOUND = 5
    """There is no such resource."""
    OTHER_REVISION = 6
    """It has another revision than expected: someone else changed it."""
    INTERRUPTED = 130
    """By SIGINT: how ``watch`` ends."""


class Timeline(IntEnum):
    """``evenkeel timeline``"""

    SHOWN = 0
    """Events were printed."""
    NOTHING = 1
    """The log holds none that were asked for."""
    BAD_INPUT = 2
    """The store cannot be read, or an option makes no sense."""


class Drill(IntEnum):
    """``evenkeel drill``"""

    DONE = 0
    """The VIP moved there and back."""
    FAILED = 1
    """Refused, or it did not move there or back in time; the order does not stand any more."""
    NO_ANSWER = 2
    """No controller serves with this state file, or an option makes no sense."""
    LEFT = 3
    """The order could not be withdrawn: the VIP stays there until ``evenkeel move VIP``."""
    INTERRUPTED = 4
    """By a signal; the order was withdrawn."""


class Pki(IntEnum):
    """``evenkeel pki`` and ``evenkeel token``"""

    DONE = 0
    """The files were written; of ``show``: everything is as it should be."""
    ATTENTION = 1
    """Of ``show``: a certificate has ended or ends within 30 days, or a file is not as it should be."""
    REFUSED = 2
    """Refused; the reason was printed, and nothing has changed."""


class Audit(IntEnum):
    """``evenkeel audit verify``"""

    GOOD = 0
    """Every record is as it was written; the last hash was printed."""
    BROKEN = 1
    """One is not; the first such line was named."""
    UNREADABLE = 2
    """A file cannot be read."""


class Keys(IntEnum):
    """``evenkeel dns keys``"""

    DONE = 0
    """It was done, or printed."""
    REFUSED = 2
    """A key cannot be made, read or removed; why was printed."""


class Registered(IntEnum):
    """A command that is not installed

    ``bench``, ``demo``, ``lab``, ``soak`` and ``switch`` come with other parts than the controller.
    """

    NOT_INSTALLED = 2
    """Its part is not installed; the missing module was printed."""


COMMANDS: tuple[type[IntEnum], ...] = (
    Check,
    Explain,
    ExplainService,
    ExplainName,
    Plan,
    Run,
    Status,
    Asked,
    Verb,
    Timeline,
    Drill,
    Pki,
    Audit,
    Keys,
    Registered,
)
"""In the order of the reference."""
