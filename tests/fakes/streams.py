"""Control streams that tell whose they are, and do nothing."""

from __future__ import annotations

from controller.southbound.openflow.session import Session


class OpenFlowStream(Session):
    """A stream's switch and nothing else."""

    def __init__(self, number: int) -> None:
        self.id, self.alive = number, True
