"""A plan for people: what becomes of pools, of connections, of VIPs and of switches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
_OUTCOMES = {
    "stay": "established connections stay; new ones of {slots} slots go elsewhere",
    "drain": "established connections drain",
    "move": "established connections are moved now, and break where the server does not know them",
    "reset": "established connections are reset now",
}
_THEN = {
    "keep": "then they stay while they speak",
    "move": "then they are moved",
    "reset": "then they are reset",
}


def text(plan: Row, name: str) -> str:
    """All of it."""
    return "\n".join(_lines(plan, name))


def _lines(plan: Row, name: str) -> Iterator[str]:
    if plan["refused"]:
        yield f"{name}: would be REFUSED:"
        yield from (f"  {why}" for why in plan["refused"])
    else:
        yield f"{name}: would be accepted (compared with change {plan['revision']})"
    if not (plan["pools"] or plan["vips"] or plan["switches"]):
        if not plan["refused"]:
            yield "nothing would change"
        return
    if plan["refused"]:
        yield "if it were accepted all the same:"
    yield f"hitless: {plan['hitless']}"
    yield from (f"  {loss}" for loss in plan["losses"])
    for pool in plan["pools"]:
        yield ""
        yield from _pool(pool)
    if plan["vips"]:
        yield ""
        yield from (_vip(move) for move in plan["vips"])
    if plan["switches"]:
        yield ""
        yield from _switches(plan["switches"])


def _pool(pool: Row) -> Iterator[str]:
    moved, slots = pool["moved"], pool["slots"]
    yield f"pool {pool['key']}: {moved} of {slots} slots move ({_share(moved / slots)}), {_counts(pool)}"
    rows = [(each["former"] or "-", each["now"] or "-", each["slots"]) for each in pool["shifts"]]
    if rows:
        yield from _table(("FROM", "TO", "SLOTS", "SHARE"), [(*row, _share(row[2] / slots)) for row in rows])
    for each in pool["connections"]:
        yield f"  {each['backend']}: {_outcome(each)}"
        yield f"    {_size(each)}"


def _counts(pool: Row) -> str:
    serving, before = pool["serving"], pool["formerly_serving"]
    serve = f"{serving} backends serve" + ("" if serving == before else f", {before} before")
    tracked, was = pool["tracked"], pool["formerly_tracked"]
    return serve + (f"; {tracked} slots tracked, {was} before" if tracked or was else "")


def _outcome(each: Row) -> str:
    said = _OUTCOMES[each["outcome"]].format(slots=each["slots"])
    if each["seconds"] is None:
        return said
    return f"{said} for {each['seconds']:.0f} s, {_THEN[each['then']]}"


def _size(each: Row) -> str:
    if each["outcome"] == "stay":
        share = f"these slots are {_share(each['share'])} of the pool"
    else:
        share = f"about {_share(each['share'])} of the pool's connections, by its slots"
    return f"{share}; {each['pinned']} of its connections are pinned, {each['packets']} packets so far"


def _vip(move: Row) -> str:
    former, site = move["former"], move["site"]
    if not former:
        return f"VIP {move['vip']}: owned at {site}, by no site before"
    return f"VIP {move['vip']}: {f'moves from {former} to {site}' if site else f'owned by no site, before at {former}'}"


def _switches(switches: Sequence[Row]) -> Iterator[str]:
    rows = [(s["switch"], s["added"], s["modified"], s["deleted"], _note(s)) for s in switches]
    yield from _table(("SWITCH", "ADDED", "MODIFIED", "DELETED", ""), rows, indent="")
    for switch in switches:
        if switch["entries"]:
            yield ""
            yield f"{switch['switch']}:"
            yield from (f"  {each['what']:9} {each['entry']}" for each in switch["entries"])
            if switch["left_out"]:
                yield f"  and {switch['left_out']} more"


def _note(switch: Row) -> str:
    notes = []
    if switch["joins"]:
        notes.append("new")
    if switch["leaves"]:
        notes.append("leaves, and is emptied")
    if switch["connected"] is False:
        notes.append("not connected")
    return ", ".join(notes)


def _table(head: Sequence[str], rows: Sequence[Sequence[object]], indent: str = "  ") -> Iterator[str]:
    """Columns as wide as they have to be; numbers to the right."""
    cells = [tuple(map(str, row)) for row in rows]
    wide = [max(len(row[n]) for row in [tuple(head), *cells]) for n in range(len(head))]
    right = [bool(rows) and isinstance(rows[0][n], int) for n in range(len(head))]
    for row in [tuple(head), *cells]:
        padded = (
            text.rjust(size) if to_right else text.ljust(size)
            for text, size, to_right in zip(row, wide, right, strict=True)
        )
        yield (indent + "  ".join(padded)).rstrip()


def _share(part: float) -> str:
    return f"{100 * part:.1f} %"
