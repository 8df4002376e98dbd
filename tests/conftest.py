"""What all tests share: tests that need root say so when they are skipped."""

from __future__ import annotations

import os
import shutil
import signal
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings

from topo import state

LAB_PROGRAMS = (
    "ip",
    "ss",
    "bridge",
    "ping",
    "ethtool",
    "ovs-vswitchd",
    "ovsdb-server",
    "ovs-vsctl",
    "ovs-ofctl",
)
"""Programs that a lab test starts."""


def why_not_root() -> str | None:
    """Why namespaces cannot be made here, or None."""
    return None if os.geteuid() == 0 else "needs root: network namespaces"


def why_no_lab() -> str | None:
    """Why no lab can be built here, or None."""
    missing = ", ".join(name for name in LAB_PROGRAMS if shutil.which(name) is None)
    return why_not_root() or (f"needs programs that are not installed: {missing}" if missing else None)


# How long an example takes says how busy the machine is, not whether it is right.
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")

_ended: list[int] = []


def _end(number: int, _frame: FrameType | None) -> None:
    """End as for SIGINT, with every fixture torn down. Once: the next one would cut that short."""
    _ended.append(number)
    if len(_ended) == 1:
        raise KeyboardInterrupt(signal.Signals(number).name)


def pytest_sessionstart() -> None:
    """Remove what killed runs left; from here on, told to end, clean up first."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    if why_not_root() is None:
        state.sweep()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The exit code of one who was told to end."""
    if _ended:
        session.exitstatus = 128 + _ended[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what this machine or user cannot run."""
    reasons = {"needs_root": why_not_root(), "lab": why_no_lab()}
    for item in items:
        for marker, reason in reasons.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
