"""The lab's errors: each message says what is wrong and what would be right."""

from __future__ import annotations


class LabError(Exception):
    """Something about a lab that its user can put right."""


class TopologyError(LabError):
    """A topology file that cannot be built; the message holds every fault as FILE:LINE:COL."""


class CommandError(LabError):
    """A program of the lab failed; the message holds its command line and what it printed."""
