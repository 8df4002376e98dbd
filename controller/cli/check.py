"""``evenkeel check FILE``: every error of an intent file at once, or its summary."""

from __future__ import annotations

import sys
from pathlib import Path

from controller.cli import codes
from controller.model.errors import ConfigErrors
from controller.model.load import load_intent
from controller.model.summary import summarise
from controller.sites.groups import mac_groups, not_moving


def check(path: Path) -> int:
    """Prints the summary of a good file to stdout (0) or all errors of a bad one to stderr (2)."""
    try:
        intent = load_intent(path)
    except ConfigErrors as errors:
        print(errors, file=sys.stderr)
        count = len(errors)
        print(f"{count} error{'' if count == 1 else 's'}", file=sys.stderr)
        return codes.Check.ERRORS
    print(f"{path}: good\n\n{summarise(intent, list(not_moving(mac_groups(intent))))}")
    return codes.Check.GOOD
