"""A session as the events of its switch name it, so that events need not know what makes them."""

from __future__ import annotations

from typing import Protocol


class SessionRef(Protocol):
    """An open session with a switch. Sessions are told apart by identity."""

    @property
    def id(self) -> int:
        """OpenFlow datapath id or P4Runtime device id of the switch."""
        ...
