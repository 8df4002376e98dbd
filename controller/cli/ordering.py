"""``evenkeel move`` and ``evenkeel site``: where VIPs are owned, until it is withdrawn."""

from __future__ import annotations

from controller.cli.asking import carry_out
from controller.cli.place import Place


def move(place: Place, vip: str, site: str | None) -> int:
    """Own the group of a VIP (or MAC) at a site; None: where the intent has it. Returns an exit code."""
    request = {"command": "move", "vip": vip} | ({} if site is None else {"site": site})
    where = "where the intent has them" if site is None else f"at {site}"
    return carry_out(
        place,
        request,
        lambda answer: (
            f"{', '.join(answer['vips'])}: {where}, change {answer['revision']}; "
            "evenkeel status shows who owns them"
        ),
    )


def claim(place: Place) -> int:
    """Have the leader answer without its store. Returns an exit code."""
    return carry_out(
        place,
        {"command": "claim", "confirmed": "yes"},
        lambda _: "claimed: VIPs are answered for until the store answers again",
    )


def site(place: Place, name: str, action: str) -> int:
    """``action``: ``drain`` or ``undrain``. Returns an exit code."""
    return carry_out(
        place,
        {"command": "site", "site": name, "action": action},
        lambda answer: (
            f"site {name}: {action}ed, change {answer['revision']}; evenkeel status shows who owns what"
        ),
    )
