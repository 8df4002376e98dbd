"""An explanation for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Row = Mapping[str, Any]


def text(said: Row) -> str:
    """All of it."""
    return "\n".join(_lines(said))


def _lines(said: Row) -> Iterator[str]:
    head = f"{said['source']} -> {said['target']} {said['protocol']}"
    if said["listener"] is None:
        yield f"{head}: no backend: no listener"
    else:
        owner = (
            f"VIP {said['vip']} owned at {said['owner']}"
            if said["owner"]
            else f"VIP {said['vip']} owned nowhere"
        )
        change = f", change {said['change']}" if said["change"] else ""
        yield f"{head}  {said['listener']}: pool {said['pool']}, table {said['table']}, {owner}{change}"
    for switch in said["switches"]:
        yield from _switch(switch)
    for each in said["health"]:
        up = {True: "up", False: "DOWN", None: "not probed"}[each["up"]]
        since = "" if each["seconds"] is None else f" for {each['seconds']:.0f} s"
        yield f"health of {each['backend']}: {up}{since}{': ' + each['reason'] if each['reason'] else ''}"
        if each.get("weight"):
            yield f"  {each['weight']}"
    if said["history"]:
        yield "history:"
        yield from (
            f"  {_time(each['at'])}  change {each['change']}  {each['text']}" for each in said["history"]
        )
    yield from (f"DIFFERS: {each}" for each in said["differences"])
    yield f"presumed: {said['presumed']}"


def _switch(switch: Row) -> Iterator[str]:
    yield f"{switch['switch']} ({switch['site']}){_state(switch)}: {_slot(switch)}"
    if switch["pin"]:
        yield f"  pinned to {switch['pin']}, reported by {switch['reporter'] or 'none'}"
    yield from _decisions(switch["decisions"])
    for hop in switch["hops"]:
        yield f"  to {hop['backend']}: {_hop(hop)}"
    if switch["checked"] is not None:
        yield f"  read now:{_checked(switch['checked'])}"
    if switch["problem"]:
        yield f"  not read: {switch['problem']}"


def _state(switch: Row) -> str:
    if switch["connected"] is None:
        return ""
    if not switch["connected"]:
        return ", not connected"
    use = "in use" if switch["admitted"] else "not in use"
    return f", {use}, plan of change {switch['change']}{'' if switch['taken'] else ', NOT the newest'}"


def _slot(switch: Row) -> str:
    if switch["slot"] is None:
        return f"its hash {switch['hash']} is not known here"
    where = f"slot {switch['slot']} of {switch['slots']} ({switch['spread']})"
    if switch["tracked"]:
        base = f", base {switch['base']}" if switch["base"] else ", its base has ended"
        return f"{where} is {switch['now'] or 'empty'}'s, tracked{base}"
    if switch["before"] and switch["before"] != switch["now"]:
        return f"{where} moves from {switch['before']} to {switch['now'] or 'none'}"
    return f"{where} is {switch['now']}'s" if switch["now"] else f"{where} is empty"


def _decisions(decisions: Sequence[Row]) -> Iterator[str]:
    kinds = [each["packet"] for each in decisions]
    alike = len(decisions) == 2 and {**decisions[0], "packet": ""} == {**decisions[1], "packet": ""}
    for each in decisions[:1] if alike else decisions:
        kind = " and ".join(kinds) if alike else each["packet"]
        goes = f"{each['backend']}, by {each['by']}" if each["backend"] else f"no backend: {each['by']}"
        yield f"  {kind}: {goes}"
        yield from (f"    {reason}" for reason in each["reasons"])


def _hop(hop: Row) -> str:
    ports = ", ".join(hop["ports"]) or "by the switch's routes"
    fate = "" if hop["fate"] == "normal" else f", fate {hop['fate']}"
    packets = "" if hop["packets"] is None else f", {hop['packets']} packets so far"
    return f"{hop['mode']}, {' '.join(hop['addresses'])}, MAC {hop['mac'] or 'learned'}, port {ports}{fate}{packets}"


def _checked(rows: Sequence[Row]) -> str:
    good = [row for row in rows if row["state"] == "as planned"]
    wrong = [row for row in rows if row["state"] != "as planned"]
    parts = [f"{row['what']} as planned, {row['entry']}{_hits(row)}" for row in good]
    parts += [f"{row['what']} {row['state'].upper()}, {row['entry']}" for row in wrong]
    return "\n    ".join(["", *parts]) if parts else " neither slot nor pin has an entry, as planned"


def _hits(row: Row) -> str:
    return "" if row["packets"] is None else f" ({row['packets']} packets)"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
