"""``evenkeel override``: set disruption budgets aside for one edit."""

from __future__ import annotations

from pathlib import Path

from controller.cli.asking import carry_out
from controller.cli.place import Place


def override(state: Path, reason: str) -> int:
    """Have the file accepted although it breaks a budget. Returns an exit code."""
    return carry_out(
        Place(state),
        {"command": "override", "reason": reason},
        lambda answer: f"accepted, change {answer['revision']}",
    )
