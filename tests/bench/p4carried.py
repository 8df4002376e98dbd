"""How many connections an lb switch carries, by the share of its slots that are tracked: measured.

Connections of settled slots have no cells, so what bounds a switch is how many of them are on tracked slots. It runs as
``p4memory`` does, and every run finds the same.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from itertools import islice
from math import log10
from typing import NamedTuple
from xml.etree import ElementTree as Xml

from controller.spec.types import Mode
from p4src.ids import Reason
from tests.bench import p4plot as plot
from tests.bench import p4scene as scene
from tests.bench.p4memory import WAYS, talks, theory
from tests.p4.box import Said
from tests.p4.embedded import EmbeddedBox

CELLS = 1 << 11
"""Of a way; shares of them do not depend on it."""
SHARES = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02)
"""Of slots that are tracked."""
PINNED = 0.01
"""Of the connections of tracked slots: so many find no room when a switch counts as full."""
_MOST = 100.0
"""Where the y axis ends, connections a cell."""
_LEAST = 0.3
_SAMPLES = 200


class Carried(NamedTuple):
    """What a switch carries."""

    tracked: float
    """Share of its slots."""
    live: float
    """Connections a cell, of all slots, when so many as ``PINNED`` says had no room."""


def carried(tracked: float, cells: int = CELLS, seed: int = 1) -> Carried:
    """Open connections one after the other until the switch counts as full."""
    box = EmbeddedBox()
    box.hold(scene.target(cells=cells, tracked=tracked))
    port = scene.ways(Mode.DR)["tracked"]
    source = talks(random.Random(seed), port)
    step, count, refused = max(1, cells // 8), 0, set[tuple[object, int]]()
    # The first of them may find no room by chance.
    while len(refused) < PINNED * tracked * max(count, WAYS * cells / 2):
        box.send([(1, frame) for talk in islice(source, step) for frame in talk])
        count += step
        said = (told for told in box.told() if isinstance(told, Said) and told.reason == Reason.OVERFLOW)
        refused |= {(told.client, told.port) for told in said}
    box.close()
    return Carried(tracked, count / (WAYS * cells))


def full() -> float:
    """Remembered connections a cell at which a switch counts as full, in theory."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if theory(middle).all < PINNED else (low, middle)
    return low


def place(tracked: float, live: float) -> tuple[float, float]:
    """Where a value stands in the picture; the y axis is logarithmic."""
    x = plot.LEFT + (plot.RIGHT - plot.LEFT) * tracked
    y = plot.BOTTOM - (plot.BOTTOM - plot.TOP) * log10(live / _LEAST) / log10(_MOST / _LEAST)
    return round(x, 2), round(y, 2)


def svg(rows: Sequence[Carried]) -> str:
    """The picture: measured dots, the line of theory, the data in its metadata."""
    title = "Connections that a switch carries, by the share of its slots that are tracked"
    root = plot.canvas(title, json.dumps([row._asdict() for row in rows]))
    for live in (1, 10, 100):
        x, y = place(0, live)
        plot.line(root, (x, y), (plot.RIGHT, y))
        plot.text(root, x - 8, y + 4, f"{live}", "end")
    for fifth in range(6):
        x, y = place(fifth / 5, _LEAST)
        plot.line(root, (x, y), (x, plot.TOP))
        plot.text(root, x, y + 20, f"{fifth * 20} %", "middle")
    middle = (plot.LEFT + plot.RIGHT) / 2
    plot.text(
        root, middle, plot.HEIGHT - 16, "tracked slots; at 0 % (all settled) there is no bound", "middle"
    )
    group = Xml.SubElement(root, "g", id="carried", stroke=plot.NEW, fill="none")
    shares = [full() / _MOST + (1 - full() / _MOST) * n / _SAMPLES for n in range(_SAMPLES + 1)]
    points = " ".join("{},{}".format(*place(share, full() / share)) for share in shares)
    Xml.SubElement(group, "polyline", points=points, attrib={"stroke-width": "2"})
    for row in rows:
        plot.dot(group, place(*row), f"{row.tracked:.0%}: {row.live:.2f}", plot.NEW)
    plot.text(root, plot.LEFT, 24, "Live connections / cells that a switch carries", "start", weight="bold")
    key = f"until {PINNED:.0%} of those on tracked slots are pinned for want of room; dots: the compiled program"
    plot.text(root, plot.LEFT, 44, key, "start")
    return Xml.tostring(root, encoding="unicode") + "\n"


def rows_of(picture: str) -> list[Carried]:
    """What a picture was drawn from."""
    return [Carried(**row) for row in json.loads(plot.metadata(picture))]
