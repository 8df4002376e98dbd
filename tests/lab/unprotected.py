"""The controller with one of its protections taken away, to show that tests would notice.

``python -m tests.lab.unprotected WHAT run ...``; WHAT is "pins" (reports are not answered), "base" (slots that moved
do not say whose they were) or "generations" (marks are not copied from one generation of zones into the next).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from controller.cli.main import main
from controller.plan import tracking
from controller.plan.pins import PinBook
from controller.spec.slots import SlotTable
from flows.entries import Flow
from flows.spec import Here
from flows.stages import memory
from flows.tables import Stage
from tests.lab.balanced import Balanced
from topo.demo import actors
from topo.lab import Lab


def _take_away(what: str) -> None:
    if what == "pins":
        PinBook.report = lambda *_: False  # type: ignore[method-assign]
    elif what == "base":
        tracking.slot_table = _baseless(tracking.slot_table)
    elif what == "generations":
        memory.static = _forgetful(memory.static)  # type: ignore[assignment]
    else:
        raise SystemExit(f"cannot take away {what!r}: only pins, base or generations")


def _baseless(made: Callable[..., SlotTable]) -> Callable[..., SlotTable]:
    """``tracking.slot_table`` without a base."""

    def without_base(*arguments: Any) -> SlotTable:
        table = made(*arguments)
        return replace(table, base=table.base[:0], home=table.home[:0])

    return without_base


def _forgetful(static: Callable[[Here], list[Flow]]) -> Callable[[Here], list[Flow]]:
    """``memory.static`` whose second table copies nothing."""

    def without_copies(here: Here) -> list[Flow]:
        everything, kept = static(here), memory.KEEP
        memory.KEEP = ()
        try:
            bare = static(here)
        finally:
            memory.KEEP = kept
        second = here.placed.table(Stage.RECALL_BEFORE)
        return [b if a.key.table == second else a for a, b in zip(everything, bare, strict=True)]

    return without_copies


class _Controller(actors.Controller):
    """The same process, through this module."""

    def __init__(self, lab: Lab, directory: Path, without: str) -> None:
        super().__init__(lab, directory)
        self._without = without

    def argv(self) -> list[str]:
        """Its command line."""
        python, _, _, *rest = super().argv()
        return [python, "-m", __name__, self._without, *rest]


class Unprotected(Balanced):
    """A lab whose controller lacks something."""

    def __init__(self, lab: Lab, without: str, **more: Any) -> None:
        super().__init__(lab, **more)
        self._controller = _Controller(lab, self._path, without)


if __name__ == "__main__":
    _take_away(sys.argv.pop(1))
    main()
