"""One thing that happens in a soak: an edit of the intent, a death or healing, a clock step, a pause. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from topo.soak.edits import Edit

EDITS = (
    "weights",
    "slow",
    "drains",
    "members",
    "repool",
    "services",
    "renames",
    "affinity",
    "memory",
    "transition",
)
"""Kinds of edits. ``slow``: the file is written line by line."""
DEATHS = ("lb", "server", "cable", "controller")
OTHERS = ("clock", "pause")
KINDS = (*EDITS, *DEATHS, *OTHERS)
"""What ``--only`` and ``--without`` choose from, and what is counted."""


@dataclass(frozen=True)
class Step:
    """One event."""

    at: float
    """Seconds after the load has started."""
    kind: str
    """One of ``KINDS``, or sabotage."""
    action: str
    target: str
    value: str = ""

    @property
    def edit(self) -> Edit:
        """What it does to the intent; for steps of a kind in ``EDITS``."""
        return Edit(self.action, self.target, self.value)

    @property
    def title(self) -> str:
        """For people."""
        words = {
            "weight": f"weight of {self.target} to {self.value}",
            "drain": f"{'drain' if self.value == 'on' else 'undrain'} {self.target}",
            "repool": f"{self.target} to pool {self.value}",
            "rename_vip": f"rename VIP {self.target} to {self.value}",
            "rename_switch": f"rename switch {self.target} to {self.value}",
            "affinity": f"affinity of {self.target} to {self.value}",
            "memory_timeout": f"memory_timeout of {self.target} to {self.value}",
            "transition": f"transition of {self.target} to {self.value}",
            "kill": f"kill -9 {self.target}",
            "step": f"the controller's clock by {self.value} s",
            "pause": f"stop {self.target} for {self.value} s",
        }
        words |= {
            f"{what}_{way}": f"{what} {self.target} {way}"
            for what in ("vip", "listener")
            for way in ("off", "on")
        }
        text = words.get(self.action, f"{self.action} {self.target}")
        return f"{text}, file written slowly" if self.kind == "slow" else text

    def report(self) -> dict[str, Any]:
        """For ``report.json`` and ``--plan --json``."""
        return asdict(self)
