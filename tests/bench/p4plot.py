"""Draws how full memory gets as an SVG file: what was measured as dots, theory as lines, the data in its metadata."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from xml.etree import ElementTree as Xml

from tests.bench.p4memory import CELLS, WAYS, Row, theory

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 740, 64, 380
"""The plot's edges."""
FULL = 1.4
"""Where the x axis ends, connections a cell; the y axis ends at 1."""
NEW, ALL = "#0b61c4", "#b3430f"
"""Colours of the two shares. They stand on the picture's own light ground, whatever page it is on."""
_GROUND, _INK, _GRID = "#ffffff", "#24292f", "#d5dae0"
_SAMPLES = 280
_NAMESPACE = "http://www.w3.org/2000/svg"


def place(live: float, share: float) -> tuple[float, float]:
    """Where a value stands in the picture."""
    x = LEFT + (RIGHT - LEFT) * live / FULL
    y = BOTTOM - (BOTTOM - TOP) * share
    return round(x, 2), round(y, 2)


def points(rows: Sequence[Row]) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """(live, share) of each dot: those of new connections, in the middle of their step, and those of all."""
    new, last = [], 0.0
    for row in rows:
        new.append(((last + row.live) / 2, row.no_room_new))
        last = row.live
    return new, [(row.live, row.no_room_all) for row in rows]


def svg(rows: Sequence[Row]) -> str:
    """The picture of what ``occupancy`` found."""
    root = Xml.Element(
        "svg",
        xmlns=_NAMESPACE,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        width=str(WIDTH),
        height=str(HEIGHT),
        role="img",
        attrib={"font-family": "sans-serif", "font-size": "13"},
    )
    Xml.SubElement(root, "title").text = "Connections that find no room in the memory, by load"
    Xml.SubElement(root, "metadata").text = json.dumps([row._asdict() for row in rows])
    Xml.SubElement(root, "rect", width=str(WIDTH), height=str(HEIGHT), rx="6", fill=_GROUND)
    _axes(root)
    new, of_all = points(rows)
    for name, colour, dots, curve in (
        ("new", NEW, new, lambda live: theory(live).new),
        ("all", ALL, of_all, lambda live: theory(live).all),
    ):
        _series(root, name, colour, dots, curve)
    _text(root, *place(0.99, 0.62), "of connections that open at this load", "end", NEW)
    _text(root, *place(1.385, 0.06), "of all that are live: what is pinned", "end", ALL)
    _text(root, LEFT, 24, "Connections that find no room in the memory", "start", weight="bold")
    key = f"dots: the compiled program, {WAYS} ways of {CELLS:,} cells; lines: first fit in theory"
    _text(root, LEFT, 44, key, "start")
    return Xml.tostring(root, encoding="unicode") + "\n"


def rows_of(picture: str) -> list[Row]:
    """What a picture was drawn from."""
    found = Xml.fromstring(picture).find(f"{{{_NAMESPACE}}}metadata")
    if found is None or found.text is None:
        raise ValueError("no picture of the memory: it has no metadata")
    return [Row(**row) for row in json.loads(found.text)]


def _axes(root: Xml.Element) -> None:
    for tenth in range(0, 11, 2):
        x, y = place(0, tenth / 10)
        _line(root, (x, y), (RIGHT, y))
        _text(root, x - 8, y + 4, f"{tenth * 10} %", "end")
    for fifth in range(8):
        x, y = place(fifth / 5, 0)
        _line(root, (x, y), (x, TOP))
        _text(root, x, y + 20, f"{fifth / 5:.1f}", "middle")
    _text(root, (LEFT + RIGHT) / 2, HEIGHT - 16, "live connections / cells", "middle")


def _series(
    root: Xml.Element,
    name: str,
    colour: str,
    dots: Sequence[tuple[float, float]],
    curve: Callable[[float], float],
) -> None:
    group = Xml.SubElement(root, "g", id=name, stroke=colour, fill="none")
    steps = [FULL * n / _SAMPLES for n in range(1, _SAMPLES + 1)]
    line = " ".join("{},{}".format(*place(live, curve(live))) for live in steps)
    Xml.SubElement(group, "polyline", points=line, attrib={"stroke-width": "2"})
    for live, share in dots:
        x, y = place(live, share)
        dot = Xml.SubElement(group, "circle", cx=str(x), cy=str(y), r="4.5", fill=colour, stroke=_GROUND)
        Xml.SubElement(dot, "title").text = f"{live:.2f}: {share:.2%}"


def _line(root: Xml.Element, one: tuple[float, float], other: tuple[float, float]) -> None:
    ends = {"x1": one[0], "y1": one[1], "x2": other[0], "y2": other[1]}
    Xml.SubElement(root, "line", attrib={name: str(end) for name, end in ends.items()}, stroke=_GRID)


def _text(
    root: Xml.Element, x: float, y: float, text: str, anchor: str, colour: str = _INK, weight: str = "normal"
) -> None:
    where = {"x": str(x), "y": str(y), "text-anchor": anchor, "font-weight": weight}
    Xml.SubElement(root, "text", attrib=where, fill=colour).text = text
