"""``out/report.html``: the scoreboard and the timeline as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from topo.demo.ledger import Verdict
from topo.demo.outcome import EventResult, Outcome
from topo.demo.timeline import colours, draw

_STYLE = """
body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1180px;
padding:0 1em;color:#222;background:#fff}
h1{font-size:1.5em;margin-bottom:.2em} h2{font-size:1.15em;margin-top:1.8em}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.25em .7em;border-bottom:1px solid #ddd}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums} .yes{color:#1a7f37}
.no{color:#d62728;font-weight:600}
.big{font-size:1.1em;margin:.2em 0 1em} svg{width:100%;height:auto} svg text{font-size:11px;fill:#333}
svg line.event{stroke:#333;stroke-dasharray:3 3} svg circle.event{fill:#333}
svg text.number{fill:#fff;font-size:10px}
svg line.axis{stroke:#333} .key span{display:inline-block;margin-right:1.1em}
.key i{display:inline-block;width:.9em;height:.9em;margin-right:.35em;vertical-align:-.1em}
"""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: frozenset[int] = frozenset()) -> str:
    """Cells are markup already; columns in ``numbers`` are set to the right."""

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f'<{tag} class="n">{cell}</{tag}>' if column in numbers else f"<{tag}>{cell}</{tag}>"
            for column, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', heads)}</tr></thead><tbody>{body}</tbody></table>"


def _held(held: bool) -> str:
    return '<span class="yes">kept</span>' if held else '<span class="no">not kept</span>'


def _event_row(number: int, result: EventResult, start: float) -> list[str]:
    return [
        str(number),
        escape(result.happened.step.title),
        f"{result.happened.t - start:.1f} s",
        f"{result.repair_ms:.0f} ms",
        f"{result.bound_ms:.0f} ms",
        str(len(result.wrong)),
        f"{result.stall_ms:.0f} ms",
        str(result.broken),
        _held(result.held),
    ]


def _key(names: Iterable[str]) -> str:
    palette = colours(list(names))
    items = []
    states = (
        ("#dddddd", "not in the pool yet"),
        ("#f2a541", "draining"),
        ("#444444", "killed"),
        ("#223344", "the controller acted"),
        ("#d62728", "lost, delayed, misdirected or broken"),
    )
    for colour, text in (*((colour, escape(name)) for name, colour in palette.items()), *states):
        items.append(f'<span><i style="background:{colour}"></i>{text}</span>')
    return f'<p class="key">{"".join(items)}</p>'


def _broken(outcome: Outcome) -> str:
    rows = [
        [escape(one.id), escape(one.listener), escape(one.server or "?"), escape(one.cause)]
        for one in outcome.judgements
        if one.verdict is Verdict.BROKEN
    ]
    if not rows:
        return ""
    heads = ["connection", "listener", "server", "cause"]
    return "<h2>Broken although the server lived</h2>" + _table(heads, rows)


def _spread(outcome: Outcome) -> str:
    rows = [
        [
            escape(row.phase),
            escape(row.listener),
            ", ".join(f"{escape(name)} {row.observed[name]} ({each})" for name, each in row.weights.items()),
            f"{row.fit.statistic:.1f}",
            str(row.fit.df),
            f"{row.fit.p:.3f}",
        ]
        for row in outcome.spreads
    ]
    heads = ["after", "listener", "new connections (weight)", "chi-square", "df", "p"]
    return _table(heads, rows, frozenset({3, 4, 5}))


def render(outcome: Outcome) -> str:
    """The whole page; well-formed XML as well as HTML."""
    seen = outcome.observed
    counts = ", ".join(f"{count} {escape(name)}" for name, count in sorted(outcome.verdicts.items()))
    mode = " (one connection moved by hand)" if seen.sabotage else ""
    hosts = ", simulated hosts" if seen.simulated else ""
    events = _table(
        ["", "event", "at", "repair", "promised", "wrong", "longest stall", "broken", ""],
        [_event_row(number, one, seen.start) for number, one in enumerate(outcome.events, 1)],
        frozenset({2, 3, 4, 5, 6, 7}),
    )
    promises = _table(
        ["promise", "value", "bound", ""],
        [[escape(one.text), f"{one.value:g}", f"{one.bound:g}", _held(one.held)] for one in outcome.promises],
        frozenset({1, 2}),
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><title>Evenkeel demo</title>'
        f"<style>{_STYLE}</style></head><body><h1>Evenkeel demo</h1>"
        f'<p class="big">{_passed(outcome)} Seed {seen.seed}{mode}, {seen.scale.switch} switches{hosts}. '
        f"Broken although the server lived: <b>{outcome.broken}</b>. Connections: {counts}. "
        f"Short requests: {len(seen.requests)}. Distribution p {outcome.p:.3f}.</p>"
        f"<h2>Timeline</h2>{draw(outcome)}{_key(seen.fleet.weights)}"
        f"<h2>Events</h2>{events}<h2>Promises</h2>{promises}{_broken(outcome)}"
        f"<h2>Distribution</h2>{_spread(outcome)}</body></html>\n"
    )


def _passed(outcome: Outcome) -> str:
    if outcome.observed.sabotage:
        text = "The sabotage was found." if outcome.passed else "The sabotage was not found exactly once."
    else:
        text = "All promises held." if outcome.passed else "Not all promises held."
    return f'<span class="{"yes" if outcome.passed else "no"}">{text}</span>'


def write(outcome: Outcome, path: Path) -> None:
    """Write the page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(outcome), encoding="utf-8")
