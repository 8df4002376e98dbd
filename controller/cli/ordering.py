"""``evenkeel move`` and ``evenkeel site``: where VIPs are owned, until it is withdrawn."""

from __future__ import annotations

from pathlib import Path

from controller.cli.asking import NotDone, carried_out
from controller.cli.codes import Asked


def move(state: Path, vip: str, site: str | None) -> int:
    """Own the group of a VIP (or MAC) at a site; None: where the intent has it. Returns an exit code."""
    try:
        answer = carried_out(
            state, {"command": "move", "vip": vip} | ({} if site is None else {"site": site})
        )
    except NotDone as error:
        return error.code
    where = "where the intent has them" if site is None else f"at {site}"
    print(
        f"{', '.join(answer['vips'])}: {where}, change {answer['revision']}; evenkeel status shows who owns them"
    )
    return Asked.DONE


def site(state: Path, name: str, action: str) -> int:
    """``action``: ``drain`` or ``undrain``. Returns an exit code."""
    try:
        answer = carried_out(state, {"command": "site", "site": name, "action": action})
    except NotDone as error:
        return error.code
    print(f"site {name}: {action}ed, change {answer['revision']}; evenkeel status shows who owns what")
    return Asked.DONE
