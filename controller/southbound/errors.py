"""Errors of the drivers, in one tree."""

from __future__ import annotations

from dataclasses import dataclass


class SwitchError(Exception):
    """A switch could not be read or written."""


class SwitchGone(SwitchError):
    """The control stream ended while something was under way."""


class SwitchTimeout(SwitchError):
    """The switch did not answer within the deadline."""


class TooLate(SwitchError):
    """What was to be written holds no longer, and was not sent."""


@dataclass
class WriteRefused(SwitchError):
    """The switch refused some of the messages; all others were carried out."""

    switch: str
    errors: list[str]

    def __str__(self) -> str:
        more = f" (and {len(self.errors) - 3} more)" if len(self.errors) > 3 else ""
        return f"{self.switch} refused {len(self.errors)} messages: " + "; ".join(self.errors[:3]) + more
