"""What a lab asks of a switch's processes, whatever kind it is, and which class runs each kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from topo import ovs, p4process
from topo.model import SwitchKind
from topo.p4programs import PROGRAMS
from topo.plan import Fabric, Switch


class SwitchProcess(Protocol):
    """A switch of the lab; what it keeps and writes is in ``directory``."""

    switch: Switch
    directory: Path
    env: Mapping[str, str]
    """Environment of programs that are run in its namespace."""

    def create(self, shared: Path) -> None:
        """Lay out its directory, once; ``shared`` is the lab's."""
        ...

    def start(self, shut: bool = False) -> None:
        """Start it; ``shut``: neighbours shall not use it before ``open``. Raises ``CommandError``."""
        ...

    def open(self) -> None:
        """Neighbours may use it."""
        ...

    def liveness(self) -> dict[str, bool]:
        """Links to neighbouring switches, by interface, and whether they can be used."""
        ...

    def sessions(self) -> set[str]:
        """Links to neighbouring switches that are there, whether or not they may be used, by interface."""
        ...

    def running(self) -> bool:
        """Whether all of its processes live."""
        ...

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        ...


def process_of(fabric: Fabric, switch: Switch, directory: Path, space: str, pids: Path) -> SwitchProcess:
    """The processes of a switch in namespace ``space``; ``pids`` is where they are remembered."""
    kind = p4process.P4Switch if switch.p4 else ovs.OpenVSwitch
    return kind(fabric, switch, directory, space, pids)


def missing(kinds: Iterable[SwitchKind]) -> str | None:
    """Why switches of one of these kinds cannot be started here; None if all can."""
    reasons = (p4process.missing(kind) if kind in PROGRAMS else ovs.missing() for kind in sorted(set(kinds)))
    return next((reason for reason in reasons if reason is not None), None)
