"""How commands print what they found."""

from __future__ import annotations

from enum import StrEnum


class Output(StrEnum):
    """Of ``-o``."""

    TEXT = "text"
    JSON = "json"
