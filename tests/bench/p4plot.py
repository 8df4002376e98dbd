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
    title = "Connections that find no room in the memory, by load"
    root = canvas(title, json.dumps([row._asdict() for row in rows]))
    _axes(root)
    new, of_all = points(rows)
    for name, colour, dots, curve in (
        ("new", NEW, new, lambda live: theory(live).new),
        ("all", ALL, of_all, lambda live: theory(live).all),
    ):
        _series(root, name, colour, dots, curve)
    text(root, *place(0.99, 0.62), "of connections that open at this load", "end", NEW)
    text(root, *place(1.385, 0.06), "of all that are live: what is pinned", "end", ALL)
    text(root, LEFT, 24, "Connections that find no room in the memory", "start", weight="bold")
    key = f"dots: the compiled program, {WAYS} ways of {CELLS:,} cells; lines: first fit in theory"
    text(root, LEFT, 44, key, "start")
    return Xml.tostring(root, encoding="unicode") + "\n"


def canvas(title: str, metadata: str) -> Xml.Element:
    """An empty picture on its own ground."""
    root = Xml.Element(
        "svg",
        xmlns=_NAMESPACE,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        width=str(WIDTH),
        height=str(HEIGHT),
        role="img",
        attrib={"font-family": "sans-serif", "font-size": "13"},
    )
    Xml.SubElement(root, "title").text = title
    Xml.SubElement(root, "metadata").text = metadata
    Xml.SubElement(root, "rect", width=str(WIDTH), height=str(HEIGHT), rx="6", fill=_GROUND)
    return root


def rows_of(picture: str) -> list[Row]:
    """What a picture was drawn from."""
    return [Row(**row) for row in json.loads(metadata(picture))]


def metadata(picture: str) -> str:
    """What a picture says of itself. Raises ValueError where it says nothing."""
    found = Xml.fromstring(picture).find(f"{{{_NAMESPACE}}}metadata")
    if found is None or found.text is None:
        raise ValueError("no picture of the memory: it has no metadata")
    return found.text


def _axes(root: Xml.Element) -> None:
    for tenth in range(0, 11, 2):
        x, y = place(0, tenth / 10)
        line(root, (x, y), (RIGHT, y))
        text(root, x - 8, y + 4, f"{tenth * 10} %", "end")
    for fifth in range(8):
        x, y = place(fifth / 5, 0)
        line(root, (x, y), (x, TOP))
        text(root, x, y + 20, f"{fifth / 5:.1f}", "middle")
    text(root, (LEFT + RIGHT) / 2, HEIGHT - 16, "live connections / cells", "middle")


def _series(
    root: Xml.Element,
    name: str,
    colour: str,
    dots: Sequence[tuple[float, float]],
    curve: Callable[[float], float],
) -> None:
    group = Xml.SubElement(root, "g", id=name, stroke=colour, fill="none")
    steps = [FULL * n / _SAMPLES for n in range(1, _SAMPLES + 1)]
    points = " ".join("{},{}".format(*place(live, curve(live))) for live in steps)
    Xml.SubElement(group, "polyline", points=points, attrib={"stroke-width": "2"})
    for live, share in dots:
        dot(group, place(live, share), f"{live:.2f}: {share:.2%}", colour)


def dot(group: Xml.Element, at: tuple[float, float], title: str, colour: str) -> None:
    """One that was measured."""
    made = Xml.SubElement(group, "circle", cx=str(at[0]), cy=str(at[1]), r="4.5", fill=colour, stroke=_GROUND)
    Xml.SubElement(made, "title").text = title


def line(root: Xml.Element, one: tuple[float, float], other: tuple[float, float]) -> None:
    """One of the grid."""
    ends = {"x1": one[0], "y1": one[1], "x2": other[0], "y2": other[1]}
    Xml.SubElement(root, "line", attrib={name: str(end) for name, end in ends.items()}, stroke=_GRID)


def text(
    root: Xml.Element, x: float, y: float, words: str, anchor: str, colour: str = _INK, weight: str = "normal"
) -> None:
    """Words; ``anchor``: which end of them is at x."""
    where = {"x": str(x), "y": str(y), "text-anchor": anchor, "font-weight": weight}
    Xml.SubElement(root, "text", attrib=where, fill=colour).text = words
