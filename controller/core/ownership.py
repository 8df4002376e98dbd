"""Which site owns each VIP: its home, as long as no lease decides otherwise. Owns ``owners``."""

from __future__ import annotations

from collections.abc import Mapping

from controller.core.cells import Cell, Readable
from controller.plan.tables import Tables, served
from controller.spec.types import Intent


class Ownership:
    """Follows the intent; a VIP that drains is owned until it is no more."""

    def __init__(
        self, owners: Cell[Mapping[str, str]], intent: Readable[Intent], tables: Readable[Tables]
    ) -> None:
        self._owners = owners
        self._intent = intent
        self._tables = tables
        for cell in (intent, tables):
            cell.subscribe(self._follow)
        self._follow()

    def _follow(self) -> None:
        vips = served(self._intent.value, self._tables.value).vips
        self._owners.put({vip.name: vip.owners[0] for vip in vips})
