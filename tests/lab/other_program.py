"""``evenkeel`` as a later version would be: its P4 program is the same, but for a blank, and so has another cookie."""

from __future__ import annotations

import tempfile
from pathlib import Path

from controller.cli.main import main
from controller.southbound.p4 import pipeline as p4pipeline
from controller.southbound.p4.pipeline import Pipeline
from p4src.compile import outputs


def other() -> Pipeline:
    """The balancer under another cookie."""
    program, described = outputs("balancer")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / program.name
        copy.write_bytes(program.read_bytes() + b" ")
        return p4pipeline.load(copy, described)


if __name__ == "__main__":
    p4pipeline.balancer = other
    main()
