"""A lab whose controller is, at first, of the version whose switches remembered every connection.

python -m tests.lab.former run INTENT ...
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from controller.plan import history
from controller.spec import kinds
from tests.fakes.former import former
from tests.lab.balanced import Balanced
from topo.demo import actors
from topo.lab import Lab


class _Controller(actors.Controller):
    """The same process, through this module for as long as it is ``former``."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        super().__init__(lab, directory)
        self.former = True

    def argv(self) -> list[str]:
        """Its command line."""
        python, _, _, *rest = super().argv()
        return [python, "-m", "tests.lab.former" if self.former else "controller", *rest]


class Former(Balanced):
    """A lab that a later version takes over."""

    def __init__(self, lab: Lab, **more: Any) -> None:
        super().__init__(lab, **more)
        self._controller: _Controller = _Controller(lab, self._path)

    def take_over(self) -> None:
        """The controller is killed, and the present version starts on its store."""
        self.kill_controller()
        self._controller.former = False
        self.start_controller()


def main(arguments: list[str]) -> None:
    """Run the command line where no kind of switch tracks slots, and stores do not say that it might."""
    from controller.cli.main import app

    history.dump = former
    for name, kind in kinds.KINDS.items():
        kinds.KINDS[name] = replace(kind, tracks=False, spreads=False)
    app(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
