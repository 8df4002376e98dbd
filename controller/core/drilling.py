"""A drill: whether a VIP can be owned at another site, tried: moved there, left there, moved back. Owns nothing.

    at home, by no order ─► move to SITE ─► owned there ─► stay ─► order withdrawn ─► owned where it was

The order is withdrawn whatever happens in between: the VIP goes back by the rules by which it was where it was. It
looks and waits, so it is carried out by a process or a thread of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypedDict

from controller.sites.causes import Cause

LOOK = 0.1
"""Seconds between looks at the status."""
ORDERED = (Cause.MOVED, Cause.PINNED, Cause.DRILL)
"""An operator has it where it is."""


class Answer(TypedDict, total=False):
    """Of the command ``move``."""

    ok: bool
    vips: list[str]
    """All that move."""
    refused: list[str]
    not_stored: str


class Row(TypedDict):
    """A VIP in the status."""

    owner: str | None
    belongs: str
    cause: str
    why: str


class Shown(TypedDict):
    """As much of the status as a drill looks at."""

    vips: Mapping[str, Row]


class Stage(StrEnum):
    """How far it has come."""

    ORDERED = "ordered"
    THERE = "there"
    WITHDRAWN = "withdrawn"
    BACK = "back"


class Failed(Exception):
    """The drill ends here."""


class Interrupted(Exception):
    """A signal came."""


class Drill:
    """One drill. What it asks and reads is handed in."""

    def __init__(
        self,
        vip: str,
        site: str,
        command: Callable[[Mapping[str, str]], Answer],
        status: Callable[[], Shown],
        now: Callable[[], float],
    ) -> None:
        """``command``: the answer to a command, ``status``: what the controller shows; both raise what ends a drill."""
        self._vip, self._site, self._command, self._status = vip, site, command, status
        self._now = now
        self.vips: tuple[str, ...] = ()
        """All that move."""
        self.former = ""
        """Where they were."""
        self.left = False
        """The order may stand."""
        self.on_stage: Callable[[Stage], None] = lambda _: None
        """Called when it has come so far."""

    def run(self, stay: float, within: float) -> None:
        """There and back. Raises Failed, and whatever interrupts it, with the order withdrawn."""
        self.former = self._at_home()
        self.left = True
        try:
            answer = self._asked({"site": self._site})
            self.vips = tuple(answer["vips"])
            self.on_stage(Stage.ORDERED)
            self._owned(self._site, within)
            self.on_stage(Stage.THERE)
            end = self._now() + stay
            while (left := end - self._now()) > 0:
                time.sleep(min(LOOK, left))
                self._still()
        finally:
            self._withdraw()
        self.on_stage(Stage.WITHDRAWN)
        self._owned(self.former, within)
        self.on_stage(Stage.BACK)

    def _at_home(self) -> str:
        """The site that owns it. Raises Failed unless it is where it belongs, by no order."""
        vips = self._status()["vips"]
        row = vips.get(self._vip)
        if row is None:
            raise Failed(f"there is no VIP {self._vip}; VIPs: {', '.join(vips)}")
        if row["cause"] in ORDERED:
            raise Failed(f"{self._vip} is where an operator has it; first: evenkeel move {self._vip}")
        if not row["owner"] or row["owner"] != row["belongs"]:
            raise Failed(
                f"{self._vip} is owned by {row['owner'] or 'no site'} and belongs to {row['belongs']}"
            )
        if row["owner"] == self._site:
            raise Failed(f"{self._vip} is at {self._site} already; name another one of its owners")
        return row["owner"]

    def _asked(self, more: Mapping[str, str]) -> Answer:
        answer = self._command({"command": "move", "vip": self._vip, **more})
        if answer.get("ok") is True:
            return answer
        if "not_stored" in answer:
            raise Failed(f"the order is not stored: {answer['not_stored']}")
        self.left = bool(not more)
        raise Failed("; ".join(answer["refused"]))

    def _withdraw(self) -> None:
        if self.left:
            self._asked({})
            self.left = False

    def _owned(self, site: str, within: float) -> None:
        end = self._now() + within
        while True:
            rows = self._status()["vips"]
            if all(_owner(rows, vip) == site for vip in self.vips):
                return
            if self._now() > end:
                shown = {vip: _owner(rows, vip) for vip in self.vips}
                raise Failed(f"not owned by {site} within {within:g} s, but by {shown}: {self._why(rows)}")
            time.sleep(LOOK)

    def _still(self) -> None:
        rows = self._status()["vips"]
        if any(_owner(rows, vip) != self._site for vip in self.vips):
            raise Failed(f"did not stay at {self._site}: {self._why(rows)}")

    def _why(self, rows: Mapping[str, Row]) -> str:
        return rows[self._vip]["why"] if self._vip in rows else "it is no VIP any more"


def _owner(rows: Mapping[str, Row], vip: str) -> str | None:
    return rows[vip]["owner"] if vip in rows else None
