"""What all tests share: tests that need root say so when they are skipped."""

from __future__ import annotations

import os
import shutil

import pytest

LAB_PROGRAMS = ("ip", "ethtool", "ovs-vswitchd", "ovsdb-server", "ovs-vsctl", "ovs-ofctl")
"""Programs that a lab test starts."""


def why_not_root() -> str | None:
    """Why namespaces cannot be made here, or None."""
    return None if os.geteuid() == 0 else "needs root: network namespaces"


def why_no_lab() -> str | None:
    """Why no lab can be built here, or None."""
    missing = ", ".join(name for name in LAB_PROGRAMS if shutil.which(name) is None)
    return why_not_root() or (f"needs programs that are not installed: {missing}" if missing else None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what this machine or user cannot run."""
    reasons = {"needs_root": why_not_root(), "lab": why_no_lab()}
    for item in items:
        for marker, reason in reasons.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
