"""How full memory gets: theory, the compiled program and the picture of the P4 page say the same."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from tests.bench import p4plot
from tests.bench.p4memory import CELLS, STEPS, WAYS, Row, occupancy, theory

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "tests" / "bench" / "plots" / "memory.svg"
PAGE = (ROOT / "docs" / "pipeline-p4.md").read_text()
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """What the committed picture says was measured."""
    return p4plot.rows_of(PICTURE.read_text())


def dots(picture: Xml.Element, name: str) -> list[tuple[float, float]]:
    found = picture.findall(f"{SVG}g[@id='{name}']/{SVG}circle")
    return [(float(each.attrib["cx"]), float(each.attrib["cy"])) for each in found]


def test_the_compiled_program_fills_its_memory_as_theory_says() -> None:
    found = occupancy(cells=1024)
    assert [row.live for row in found] == list(STEPS)
    for row in found:
        assert row.cells_used + row.no_room == row.connections == int(row.live * WAYS * 1024)
        assert row.no_room_all == pytest.approx(theory(row.live).all, abs=0.01)
    assert found[0].no_room == 0
    assert found[-1].no_room > 1000


def test_every_run_finds_the_same() -> None:
    assert occupancy(cells=64, seed=7) == occupancy(cells=64, seed=7)
    assert occupancy(cells=64, seed=7) != occupancy(cells=64, seed=8)


def test_theory_counts_new_connections_and_all_of_them_alike() -> None:
    """What is pinned at a load is what found no room on the way to it."""
    steps = 10_000
    grown = sum(theory((n + 0.5) * 1.4 / steps).new for n in range(steps)) * 1.4 / steps
    assert grown == pytest.approx(theory(1.4).all * 1.4, rel=1e-4)


def test_the_picture_is_drawn_from_the_figures_it_carries(rows: list[Row]) -> None:
    assert p4plot.svg(rows) == PICTURE.read_text()


def test_the_picture_s_figures_are_of_the_whole_memory_and_fit_theory(rows: list[Row]) -> None:
    assert [(row.live, row.connections) for row in rows] == [(n, int(n * WAYS * CELLS)) for n in STEPS]
    for row in rows:
        assert row.cells_used + row.no_room == row.connections
        assert row.no_room_all == pytest.approx(theory(row.live).all, abs=0.001)


def test_dots_stand_where_their_figures_are(rows: list[Row]) -> None:
    picture = Xml.fromstring(PICTURE.read_text())
    width, height = p4plot.RIGHT - p4plot.LEFT, p4plot.BOTTOM - p4plot.TOP
    new, of_all = dots(picture, "new"), dots(picture, "all")
    assert len(new) == len(of_all) == len(rows)
    for row, one, other in zip(rows, new, of_all, strict=True):
        assert (other[0] - p4plot.LEFT) / width * p4plot.FULL == pytest.approx(row.live, abs=0.001)
        assert (p4plot.BOTTOM - other[1]) / height == pytest.approx(row.no_room_all, abs=0.001)
        assert (one[0] - p4plot.LEFT) / width * p4plot.FULL == pytest.approx(row.live - 0.05, abs=0.001)
        assert (p4plot.BOTTOM - one[1]) / height == pytest.approx(row.no_room_new, abs=0.001)


def test_the_picture_brings_its_own_ground_for_dark_pages() -> None:
    picture = Xml.fromstring(PICTURE.read_text())
    shapes = [each for each in picture if each.tag not in (f"{SVG}title", f"{SVG}metadata")]
    assert shapes[0].tag == f"{SVG}rect"
    assert shapes[0].attrib["fill"] == "#ffffff"
    assert [shapes[0].attrib[side] for side in ("width", "height")] == [
        picture.attrib[s] for s in ("width", "height")
    ]


def test_the_page_shows_the_picture_and_its_figures(rows: list[Row]) -> None:
    assert "](../tests/bench/plots/memory.svg)" in PAGE
    shown = [row for row in rows if row.live >= 0.5]
    for title, figures in (
        ("live connections / cells", [f"{row.live:.1f}" for row in shown]),
        ("pinned, of all", [f"{row.no_room_all:.1%}" for row in shown]),
        ("without room, of the last", [f"{row.no_room_new:.1%}" for row in shown]),
    ):
        line = next(line for line in PAGE.splitlines() if line.strip().startswith(title))
        assert line.replace(" %", "%").split()[-len(shown) :] == figures
