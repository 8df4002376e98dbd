"""Groups of the lab's own forwarding on one switch. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

_FIRST = 0x1AB00


@dataclass
class Groups:
    """Groups of one switch, each next-hop set once."""

    ids: dict[str, int] = field(default_factory=dict)

    def of(self, body: str) -> str:
        """Action that sends to the group of that definition."""
        return f"group:{self.ids.setdefault(body, _FIRST + len(self.ids))}"


def fast_failover(ports: Iterable[int]) -> str:
    """A group that sends to the first of these ports that lives."""
    return "type=ff," + ",".join(f"bucket=watch_port:{port},actions=output:{port}" for port in ports)
