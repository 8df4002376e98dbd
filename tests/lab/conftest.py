"""Labs for tests: built once per module under names of their own, and always taken down."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.lab.balanced import Balanced
from topo import ovs, state
from topo.lab import Lab
from topo.model import Topology

HEEDING = ["env", "--default-signal=INT,TERM,HUP"]
"""Before a command that has to heed signals: who starts tests in the background may have them ignored, inheritably."""

EVENTS_SHOWN = 40
"""Of a controller whose test failed."""

MakeLab = Callable[..., Lab]

_numbers = itertools.count()


def why_not() -> str | None:
    """Why no lab can be built here, or None."""
    return "labs need network namespaces: run as root" if os.geteuid() != 0 else ovs.missing()


@pytest.fixture(scope="session")
def lab_possible() -> None:
    """Skip, with what to do about it, where no lab can be built."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture
def lab_name(lab_possible: None) -> Iterator[str]:
    """A name that no other lab has; whatever is left of it afterwards is removed."""
    name = _free_name()
    yield name
    state.remove(name)


@pytest.fixture(scope="module")
def make_lab(lab_possible: None) -> Iterator[MakeLab]:
    """Builds labs, with the arguments of ``Lab.up``; they are removed at the end of the module."""
    names: list[str] = []

    def make(topology: str | Path | Topology, tso: bool | None = None) -> Lab:
        names.append(_free_name())
        return Lab.up(topology, name=names[-1], tso=tso, temporary=True)

    yield make
    for name in names:
        state.remove(name)


@pytest.fixture(scope="module")
def fabric_lab(make_lab: MakeLab) -> Lab:
    """The default fabric: two edges, three lbs, two leaves, six servers."""
    return make_lab("fabric")


@pytest.fixture(scope="module")
def pair_lab(make_lab: MakeLab) -> Lab:
    """One edge, two lbs, one leaf, three servers."""
    return make_lab("pair")


@pytest.fixture(scope="module")
def single_lab(make_lab: MakeLab) -> Lab:
    """One switch in all roles, three servers."""
    return make_lab("single")


@pytest.fixture(scope="module")
def balanced_pair(pair_lab: Lab) -> Iterator[Balanced]:
    """The pair topology with a controller, everything served."""
    with Balanced(pair_lab) as balanced:
        yield balanced


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where a test fails, its controller's last events are shown: the cause may lie before what was looked at."""
    report = yield
    arguments = getattr(item, "funcargs", {}).values() if report.failed and call.when != "teardown" else ()
    for balanced in (one for one in arguments if isinstance(one, Balanced)):
        report.sections.append(("last events of the controller", balanced.last_said(EVENTS_SHOWN)))
    return report


def eventually(holds: Callable[[], object], what: str, deadline: float = 15.0) -> None:
    """Wait until something holds; the deadline is for what never comes, not a measure of speed."""
    end = time.monotonic() + deadline
    while not holds():
        assert time.monotonic() < end, f"not within {deadline:g} s: {what}"
        time.sleep(0.05)


def _free_name() -> str:
    return f"t{os.getpid()}{chr(97 + next(_numbers) % 26)}"[:12]
