"""``evenkeel drill``: whether a VIP can be owned at another site, tried: moved there, left there, moved back.

    at home, by no order ─► move to SITE ─► owned there ─► stay ─► order withdrawn ─► owned where it was

The order is withdrawn whatever happens in between, also by SIGINT and SIGTERM: the VIP goes back by the rules by which
it was where it was. What happened is shown from the timeline.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, NoReturn

from controller.cli import codes
from controller.cli.asking import NoAnswer, ask
from controller.cli.spans import seconds
from controller.cli.stores import Where, log_of
from controller.cli.timelinetext import lines
from controller.core.control import socket_beside
from controller.sites.base import StoreError
from controller.sites.causes import Cause
from controller.sites.eventlog import entries
from controller.sites.timeline import Entry, Wanted, chosen, merged

LOOK = 0.1
"""Seconds between looks at the status."""
CURRENT = 15.0
"""Seconds for which a status that is current is waited for at the beginning."""
REPORTED = 3.0
"""Seconds for which the last event may take to be in the log."""
_ORDERED = (Cause.MOVED, Cause.PINNED, Cause.DRILL)
"""An operator has it where it is."""


class Spans(NamedTuple):
    """What the options say."""

    stay: str = "10s"
    within: str = "60s"


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
        command: Callable[[Mapping[str, str]], Mapping[str, Any]],
        status: Callable[[], Mapping[str, Any]],
    ) -> None:
        """``command``: the answer to a command, raises NoAnswer; ``status``: what the controller shows."""
        self._vip, self._site, self._command, self._status = vip, site, command, status
        self.vips: tuple[str, ...] = ()
        """All that move."""
        self.former = ""
        """Where they were."""
        self.left = False
        """The order may stand."""

    def run(self, stay: float, within: float) -> None:
        """There and back. Raises Failed, NoAnswer, and whatever interrupts it, with the order withdrawn."""
        self.former = self._at_home()
        self.left = True
        try:
            answer = self._asked({"site": self._site})
            self.vips = tuple(answer["vips"])
            self._owned(self._site, within)
            end = time.monotonic() + stay
            while (left := end - time.monotonic()) > 0:
                time.sleep(min(LOOK, left))
                self._still()
        finally:
            self._withdraw()
        self._owned(self.former, within)

    def _at_home(self) -> str:
        """The site that owns it. Raises Failed unless it is where it belongs, by no order."""
        vips = self._status()["vips"]
        row = vips.get(self._vip)
        if row is None:
            raise Failed(f"there is no VIP {self._vip}; VIPs: {', '.join(vips)}")
        if row["cause"] in _ORDERED:
            raise Failed(f"{self._vip} is where an operator has it; first: evenkeel move {self._vip}")
        if not row["owner"] or row["owner"] != row["belongs"]:
            raise Failed(
                f"{self._vip} is owned by {row['owner'] or 'no site'} and belongs to {row['belongs']}"
            )
        if row["owner"] == self._site:
            raise Failed(f"{self._vip} is at {self._site} already; name another one of its owners")
        return str(row["owner"])

    def _asked(self, more: Mapping[str, str]) -> Mapping[str, Any]:
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
        end = time.monotonic() + within
        while True:
            rows = self._status()["vips"]
            if all(rows.get(vip, {}).get("owner") == site for vip in self.vips):
                return
            if time.monotonic() > end:
                shown = {vip: rows.get(vip, {}).get("owner") for vip in self.vips}
                raise Failed(f"not owned by {site} within {within:g} s, but by {shown}: {self._why(rows)}")
            time.sleep(LOOK)

    def _still(self) -> None:
        rows = self._status()["vips"]
        if any(rows.get(vip, {}).get("owner") != self._site for vip in self.vips):
            raise Failed(f"did not stay at {self._site}: {self._why(rows)}")

    def _why(self, rows: Mapping[str, Any]) -> str:
        return str(rows.get(self._vip, {}).get("why", "it is no VIP any more"))


def drill(where: Where, vip: str, site: str, spans: Spans) -> int:
    """Carry a drill out and print its timeline. Returns an exit code."""
    began = time.time()
    status = _status_of(where)
    made = Drill(vip, site, lambda request: ask(socket_beside(where.state), dict(request)), status)
    code = codes.Drill.DONE
    try:
        stay, within = seconds("--stay", spans.stay), seconds("--within", spans.within)
        with _interruptible():
            _begun(status)
            made.run(stay, within)
    except Failed as error:
        code = _said(codes.Drill.FAILED, error)
    except Interrupted:
        code = codes.Drill.INTERRUPTED
    except (NoAnswer, ValueError) as error:
        code = _said(codes.Drill.NO_ANSWER, error)
    if made.left:
        print(f"the order still stands; end it: evenkeel move {vip}", file=sys.stderr)
        code = codes.Drill.LEFT
    if made.vips:
        _report(where, made, began, back=code is codes.Drill.DONE)
    return code


def _said(code: codes.Drill, error: Exception) -> codes.Drill:
    print(error, file=sys.stderr)
    return code


@contextmanager
def _interruptible() -> Iterator[None]:
    """The first SIGTERM or SIGINT raises Interrupted; later ones do nothing, so that the way back is not cut off."""
    former = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}

    def interrupt(*_: object) -> NoReturn:
        for each in former:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted

    for each in former:
        signal.signal(each, interrupt)
    try:
        yield
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)


def _status_of(where: Where) -> Callable[[], Mapping[str, Any]]:
    path = where.state.with_name("status.json")

    def status() -> Mapping[str, Any]:
        try:
            shown: dict[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise NoAnswer(f"{path}: {error}; is a controller running with --state {where.state}?") from error
        if "standby" in shown:
            raise NoAnswer(f"{path}: this controller stands by, {shown['standby']['leader']} leads")
        return shown

    return status


def _begun(status: Callable[[], Mapping[str, Any]]) -> None:
    """Wait for the next status: the last one may be older than what has moved since. Raises NoAnswer.

    Amid a drill an old one is waited for like another owner.
    """
    end, before = time.monotonic() + CURRENT, status()["at"]
    while status()["at"] == before:
        if time.monotonic() > end:
            raise NoAnswer("the status is old: the controller is not running")
        time.sleep(LOOK)


def _report(where: Where, made: Drill, began: float, back: bool) -> None:
    """The timeline of these VIPs since then, once it is there."""
    shown: list[Entry] = []
    end = time.monotonic() + REPORTED
    try:
        while True:
            read = merged(entries(asyncio.run(log_of(where)).values).entries)
            found = [each for vip in made.vips for each in chosen(read, Wanted(began, vip=vip))]
            shown = [each for each in read if each in found]
            moved = [e for e in shown if e.event == "vip_moved" and e.fields["site"] == made.former]
            if len(moved) >= len(made.vips) or not back or time.monotonic() > end:
                break
            time.sleep(LOOK)
    except StoreError as error:
        print(f"the timeline cannot be read: {error}", file=sys.stderr)
    with suppress(BrokenPipeError):
        print(*lines(shown), sep="\n")
