"""The run as one inline SVG: new connections over time, what went wrong, who was down when. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from html import escape

from topo.demo.events import Happened, Kind
from topo.demo.ledger import Verdict
from topo.demo.outcome import Outcome

WIDTH = 1160.0
LEFT, RIGHT = 120.0, 20.0
BIN = 1.0
"""Seconds per step of the areas."""
COLOURS = ("#4e79a7", "#59a14f", "#f2a541", "#76b7b2", "#9c755f", "#b07aa1", "#8cd17d", "#499894")
BAD = "#d62728"
CONTROLLER = "controller"
"""The target of the steps that kill and restart it."""
MAX_TICKS = 2000
"""More troubles than that are not drawn one by one."""


def _n(value: float) -> str:
    return f"{value:.1f}"


@dataclass(frozen=True)
class Scale:
    """Seconds to pixels."""

    start: float
    end: float

    def x(self, t: float) -> float:
        """Pixels from the left for a CLOCK_MONOTONIC time."""
        share = (t - self.start) / max(self.end - self.start, 1e-9)
        return LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, share))


def colours(names: list[str]) -> dict[str, str]:
    """One colour per backend."""
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(sorted(names))}


def _text(x: float, y: float, text: str, anchor: str = "start", extra: str = "") -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" {extra}>{escape(text)}</text>'


def _rect(
    x: float, y: float, width: float, height: float, fill: str, title: str = "", extra: str = ""
) -> str:
    inner = f"<title>{escape(title)}</title>" if title else ""
    place = f'x="{_n(x)}" y="{_n(y)}" width="{_n(max(width, 0.5))}" height="{_n(height)}"'
    return f'<rect {place} fill="{fill}" {extra}>{inner}</rect>'


def _areas(outcome: Outcome, scale: Scale, top: float, height: float) -> list[str]:
    """New connections per second, one stacked area per backend."""
    seen = outcome.observed
    # A last step that is cut short would look like a breakdown.
    bins = max(1, int((seen.end - seen.start) / BIN))
    counts: dict[str, list[int]] = defaultdict(lambda: [0] * bins)
    for one in seen.requests:
        if one.result == "ok" and seen.start <= one.t < seen.start + bins * BIN:
            counts[one.server][int((one.t - seen.start) / BIN)] += 1
    palette = colours([*seen.fleet.weights])
    highest = max((sum(column) for column in zip(*counts.values(), strict=True)), default=1) or 1
    floor = [0.0] * bins
    parts = []
    for name in sorted(counts):
        roof = [low + count for low, count in zip(floor, counts[name], strict=True)]

        def point(index: int, value: float) -> str:
            x = scale.x(seen.start + (index + 0.5) * BIN)
            return f"{_n(x)},{_n(top + height - height * value / highest)}"

        upper = [point(index, value) for index, value in enumerate(roof)]
        lower = [point(index, value) for index, value in enumerate(floor)]
        parts.append(
            f'<polygon points="{" ".join([*upper, *reversed(lower)])}" fill="{palette.get(name, "#999")}" '
            f'fill-opacity="0.8"><title>{escape(name)}</title></polygon>'
        )
        floor = roof
    parts.append(_text(LEFT - 8, top + 10, f"{highest / BIN:.0f}/s", "end"))
    parts.append(_text(LEFT - 8, top + height / 2, "new connections", "end"))
    return parts


def _troubles(outcome: Outcome, scale: Scale, top: float, height: float) -> list[str]:
    parts = [_text(LEFT - 8, top + height - 3, "went wrong", "end")]
    wrong = [*outcome.before, *(one for event in outcome.events for one in event.wrong)]
    ticks = [
        _rect(scale.x(one.t), top, 1.0, height, BAD, f"{one.listener}: {one.what}")
        for one in wrong[:MAX_TICKS]
    ]
    return [*parts, *ticks]


def _repairs(outcome: Outcome, scale: Scale, top: float, height: float) -> list[str]:
    """Each event as a line with its number, its repair time as a red shade."""
    parts = []
    for number, one in enumerate(outcome.events, 1):
        x = scale.x(one.happened.t)
        if one.repair_ms:
            until = scale.x(one.happened.t + one.repair_ms / 1000.0)
            note = f"{one.happened.step.title}: {one.repair_ms:.0f} ms"
            parts.append(_rect(x, top, until - x, height, BAD, note, 'fill-opacity="0.25"'))
        parts.append(
            f'<line x1="{_n(x)}" y1="{_n(top)}" x2="{_n(x)}" y2="{_n(top + height)}" class="event"/>'
            f'<circle cx="{_n(x)}" cy="{_n(top - 9)}" r="8" class="event"><title>'
            f"{escape(one.happened.step.title)}</title></circle>"
        )
        parts.append(_text(x, top - 5.5, str(number), "middle", 'class="number"'))
    return parts


Away = dict[str, list[tuple[float, float, str]]]
"""Per thing: (from, to, state)."""


def _away(happened: tuple[Happened, ...], start: float, end: float) -> Away:
    """Every time in which something was not plainly up."""
    lanes: Away = defaultdict(list)
    for one in happened:
        name, kind = one.step.target, one.step.kind
        if kind is Kind.ADD_BACKEND:
            lanes[name].append((start, one.t, "absent"))
        elif kind is Kind.DRAIN_BACKEND:
            lanes[name].append((one.t, end, "draining"))
        elif kind in (Kind.KILL_SERVER, Kind.KILL_LB, Kind.KILL_CONTROLLER):
            lanes[name].append((one.t, end, "down"))
        elif kind in (Kind.HEAL_LB, Kind.RESTART_CONTROLLER) and lanes[name]:
            since, _, state = lanes[name][-1]
            lanes[name][-1] = (since, one.t, state)
    return lanes


_LANE = {"absent": "#dddddd", "draining": "#f2a541", "down": "#444444"}


def _lanes(outcome: Outcome, scale: Scale, top: float, step: float) -> list[str]:
    """One lane per backend, switch and the controller: its long-lived connections, and when it was away."""
    seen = outcome.observed
    away = _away(seen.happened, seen.start, seen.end)
    palette = colours([*seen.fleet.weights])
    names = [*sorted(seen.fleet.weights), *sorted(set(away) - set(seen.fleet.weights) - {"connection"})]
    parts = []
    for number, name in enumerate(names):
        y = top + number * step
        parts.append(_text(LEFT - 8, y + step - 6, name, "end"))
        width = scale.x(seen.end) - LEFT
        fill = palette.get(name, "#8899aa")
        parts.append(_rect(LEFT, y + 2, width, step - 4, fill, extra='fill-opacity="0.35"'))
        for since, until, state in away.get(name, []):
            x = scale.x(since)
            parts.append(_rect(x, y + 2, scale.x(until) - x, step - 4, _LANE[state], f"{name} {state}"))
        if name == CONTROLLER:
            for t, text in seen.said[:MAX_TICKS]:
                parts.append(_rect(scale.x(t), y + 2, 1.0, step - 4, "#223344", text))
        for one in outcome.judgements:
            if one.server == name and one.at is not None and one.verdict is Verdict.BROKEN:
                note = f"{one.id} ({one.listener}): {one.cause}"
                parts.append(_rect(scale.x(one.at) - 1.5, y, 3.0, step, BAD, note))
    return parts


def draw(outcome: Outcome) -> str:
    """The SVG element."""
    seen = outcome.observed
    scale = Scale(seen.start, seen.end)
    lanes = len(set(seen.fleet.weights) | {one.step.target for one in seen.happened} - {"connection"})
    areas_top, areas_height, tick_height, step = 28.0, 170.0, 18.0, 20.0
    ticks_top = areas_top + areas_height + 8
    lanes_top = ticks_top + tick_height + 8
    axis = lanes_top + lanes * step + 6
    parts = [
        *_areas(outcome, scale, areas_top, areas_height),
        *_troubles(outcome, scale, ticks_top, tick_height),
        *_lanes(outcome, scale, lanes_top, step),
        *_repairs(outcome, scale, areas_top, axis - areas_top),
    ]
    seconds = 0
    while seen.start + seconds <= seen.end:
        x = scale.x(seen.start + seconds)
        parts.append(f'<line x1="{_n(x)}" y1="{_n(axis)}" x2="{_n(x)}" y2="{_n(axis + 4)}" class="axis"/>')
        parts.append(_text(x, axis + 17, f"{seconds} s", "middle"))
        seconds += 10
    height = axis + 26
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(WIDTH)} {_n(height)}" role="img" '
        f'aria-label="Timeline of the run">{"".join(parts)}</svg>'
    )
