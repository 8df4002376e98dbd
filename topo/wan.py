"""What joins a lab's sites: the relay's process, cut and mended path by path. See ``topo.relay``."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from topo import netns, process, wires
from topo.errors import LabError
from topo.p4process import ROOT
from topo.plan import Fabric
from topo.relay import BACK, FORTH

NAME = "wan"
"""Of the relay's process, and of its file in the lab's directory."""


class Wan:
    """The paths between sites; a lab of one site has none, and no process."""

    def __init__(self, fabric: Fabric, directory: Path, space: str, pids: Path) -> None:
        self.fabric = fabric
        self._file = directory / f"{NAME}.json"
        self._log = directory / f"{NAME}.log"
        self._space = space
        self._pids = pids
        self.paths = wires.relayed(fabric)

    def start(self) -> None:
        """Start the relay; every path is whole. Raises ``CommandError``."""
        if not self.paths:
            return
        slow = self.fabric.topology.round_trip_ms
        self._write(
            {name: {"ends": ends, "round_trip_ms": slow, "cut": []} for name, ends in self.paths.items()}
        )
        with netns.enter(self._space):
            # -I and -S, as servers: it needs the standard library alone.
            command = [sys.executable, "-I", "-S", str(Path(__file__).with_name("relay.py")), str(self._file)]
            pid = process.detach(command, self._log, ROOT)
        process.remember(self._pids, NAME, pid)
        process.favour(pid)  # a fibre does not wait for a processor

    def cut(self, name: str, ways: Collection[str] = (FORTH, BACK)) -> None:
        """Lose what is sent on a path, in both directions or one; none: carry everything again.

        Raises ``LabError`` for a path that is none.
        """
        self._change(name, cut=sorted(ways))

    def delay(self, name: str, round_trip_ms: float) -> None:
        """Carry what comes from now on as slowly as that, 0 to 20 ms. Raises ``LabError``."""
        if not 0 <= round_trip_ms <= 20:
            raise LabError(f"a round trip of {round_trip_ms:g} ms; the relay does 0 to 20")
        self._change(name, round_trip_ms=round_trip_ms)

    def carried(self) -> dict[str, bool]:
        """Paths and whether they carry everything, as far as the relay lives."""
        if not self.paths:
            return {}
        alive = any(each.alive for each in process.recall(self._pids, NAME))
        return {name: alive and not one["cut"] for name, one in self._read().items()}

    def of_site(self, site: str) -> list[str]:
        """The paths that lead to a site."""
        mine = [name for name, pair in wires.control_paths(self.fabric).items() if site in pair]
        links = [each.name for each in self.fabric.stretch if site in map(self.fabric.site_of, each.ends)]
        return [*links, *mine]

    def _change(self, name: str, **values: Any) -> None:
        if name not in self.paths:
            raise LabError(f"no path {name!r} between sites; there are {', '.join(self.paths) or 'none'}")
        found = self._read()
        found[name] |= values
        self._write(found)
        for each in process.recall(self._pids, NAME):
            if each.alive:
                os.kill(each.pid, signal.SIGHUP)

    def _read(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = json.loads(self._file.read_text())["paths"]
        return found

    def _write(self, paths: dict[str, dict[str, Any]]) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps({"paths": paths}, indent=1))
        draft.replace(self._file)
