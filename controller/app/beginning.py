"""What a controller is started with: its intent file, and its leadership where controllers share a store."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from controller.clock import SystemClock
from controller.model.errors import ConfigErrors
from controller.model.reload import IntentFile


class Lead(Protocol):
    """Leadership among controllers that share a store."""

    @property
    def name(self) -> str:
        """Of this controller."""
        ...

    @property
    def until(self) -> float:
        """Until when no other controller can lead, by the clock."""
        ...

    @property
    def confirmed(self) -> bool:
        """An operator has said that no other controller leads, and the store has not answered since."""
        ...

    @property
    def alone(self) -> bool:
        """The store does not answer, this one led last, and one that reaches the store would lead by now."""
        ...

    def claim(self) -> None:
        """Go on without the store. Raises ClaimRefused."""
        ...


class IntentRefused(ValueError):
    """The intent that the controller was started with cannot be carried out: the file and why, a line each."""

    def __init__(self, file: Path, why: list[str]) -> None:
        super().__init__("\n".join(f"{file}: {each}" for each in why))


def open_file(path: Path) -> IntentFile:
    """Read an intent file for the first time. Raises ConfigErrors."""
    file = IntentFile(path, SystemClock().now)
    news = file.poll()
    if isinstance(news, ConfigErrors):
        raise news
    return file
