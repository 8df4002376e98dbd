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
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, NoReturn, cast

from controller.cli import codes
from controller.cli.asking import NoAnswer, ask
from controller.cli.spans import seconds
from controller.cli.stores import Where, log_of
from controller.cli.timelinetext import lines
from controller.clock import SystemClock
from controller.core.control import socket_beside
from controller.core.drilling import LOOK, Answer, Drill, Failed, Interrupted, Shown
from controller.sites.base import StoreError
from controller.sites.eventlog import entries
from controller.sites.timeline import Entry, Wanted, chosen, merged

CURRENT = 15.0
"""Seconds for which a status that is current is waited for at the beginning."""
REPORTED = 3.0
"""Seconds for which the last event may take to be in the log."""


class Spans(NamedTuple):
    """What the options say."""

    stay: str = "10s"
    within: str = "60s"


def drill(where: Where, vip: str, site: str, spans: Spans) -> int:
    """Carry a drill out and print its timeline. Returns an exit code."""
    began = time.time()
    status = _status_of(where)
    made = Drill(
        vip,
        site,
        lambda request: cast(Answer, ask(socket_beside(where.state), dict(request))),
        lambda: cast(Shown, status()),
        SystemClock().now,
    )
    code = codes.Drill.DONE
    try:
        stay, within = seconds("--stay", spans.stay), seconds("--within", spans.within)
        with interruptible():
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
        back = made.former if code is codes.Drill.DONE else ""
        report(lambda: merged(entries(asyncio.run(log_of(where)).values).entries), made.vips, began, back)
    return code


def _said(code: codes.Drill, error: Exception) -> codes.Drill:
    print(error, file=sys.stderr)
    return code


@contextmanager
def interruptible() -> Iterator[None]:
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


def report(read: Callable[[], list[Entry]], vips: Collection[str], began: float, back: str) -> None:
    """The timeline of these VIPs since then, once it is there. ``back``: the site that they came back to, if they did.

    ``read``: all events; raises StoreError.
    """
    shown: list[Entry] = []
    end = time.monotonic() + REPORTED
    try:
        while True:
            known = read()
            found = [each for vip in vips for each in chosen(known, Wanted(began, vip=vip))]
            shown = [each for each in known if each in found]
            moved = [e for e in shown if e.event == "vip_moved" and e.fields["site"] == back]
            if len(moved) >= len(vips) or not back or time.monotonic() > end:
                break
            time.sleep(LOOK)
    except StoreError as error:
        print(f"the timeline cannot be read: {error}", file=sys.stderr)
    with suppress(BrokenPipeError):
        print(*lines(shown), sep="\n")
