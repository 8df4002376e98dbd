"""The page of exit codes, from the enumerations that the commands return."""

from __future__ import annotations

from enum import IntEnum

from controller.cli.codes import COMMANDS as CONTROLLER
from tests.reference.docstrings import field_docs, paragraphs, table
from topo.codes import COMMANDS as LABS
from topo.p4switch.main import ExitCode as SwitchCode

ALL: tuple[type[IntEnum], ...] = (*CONTROLLER, *LABS, SwitchCode)


def page() -> str:
    """The page as Markdown."""
    lines = [
        "# Exit codes",
        "",
        "Generated from the code by `make docs`. A command that holds labs removes them when SIGTERM or SIGHUP ends",
        "it, and exits with 128 plus the number of the signal (143 for SIGTERM).",
    ]
    for kind in ALL:
        docs = field_docs(kind)
        rows = [(str(int(code)), docs[code.name]) for code in kind]
        title, *notes = paragraphs(kind)
        lines += ["", f"## {title}", "", *table(("code", "meaning"), rows)]
        lines += [line for note in notes for line in ("", note)]
    return "\n".join(lines) + "\n"
