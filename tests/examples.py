"""How many examples a property is tried with: few for every change, many by ``make test-long``."""

from __future__ import annotations

import os


def examples(few: int, many: int) -> int:
    """For ``max_examples``."""
    return many if os.environ.get("EVENKEEL_LONG") else few
