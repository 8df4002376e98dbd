"""All pages that are generated, and where they stand."""

from __future__ import annotations

from pathlib import Path

from controller.core import (
    agentevents,
    discoveryevents,
    events,
    nameevents,
    nameserverevents,
    routeevents,
    switchevents,
    tierevents,
    vipevents,
    weightevents,
)
from controller.core.shown import Snapshot
from tests.reference import codes, commands, intent, metrics
from tests.reference.records import cause_rows, event_page, record_page

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"


STATUS = (
    "`status.json` and `evenkeel status --json` hold\none JSON object with the keys of [Snapshot](#snapshot).\n\n"
    "A controller that stands by shows `at` and `standby` and nothing else. `standby` holds `name` (its own),\n"
    "`leader` (the one that it waits for), `store` (why the store does not answer; empty: it does), `servers` (how\n"
    "many it probes meanwhile), `down` (how many of them it finds to be down) and `intent_errors` (what is wrong with\n"
    "its intent file)."
)
EVENTS = (
    "`evenkeel run` writes its journal to standard output,\n"
    "one JSON object a line. A slow reader holds nothing up: 10,000 events wait for it, further ones are lost. Every "
    "event\nhas these fields:"
)
GROUPS = {
    "The controller": events.PROGRAM,
    "Several controllers": events.LEADING,
    "Intent, pools and servers": events.SERVICE,
    "VIPs and sites": vipevents.VIPS,
    "Switches": switchevents.SWITCHES,
    "Fences of edges": switchevents.FENCES,
    "P4 switches": switchevents.P4,
    "Agents": agentevents.AGENTS,
    "Weights": weightevents.WEIGHTS,
    "Discovery": discoveryevents.DISCOVERY,
    "Routes": routeevents.ROUTES,
    "Names": nameevents.NAMES,
    "Name servers": nameserverevents.NAMESERVERS,
    "Layer-7 tier": tierevents.TIERS,
}


def pages() -> dict[str, str]:
    """File name to content."""
    return {
        "commands.md": commands.page(),
        "events.md": event_page("Events", EVENTS, GROUPS)
        + "\n".join(["", "## Causes", "", *cause_rows(), ""]),
        "exit-codes.md": codes.page(),
        "intent.md": intent.page(),
        "metrics.md": metrics.page(),
        "status.md": record_page("Status", STATUS, Snapshot),
    }


def stale(folder: Path = FOLDER) -> list[str]:
    """Names of the pages in ``folder`` that are not what the code says, sorted."""
    return sorted(
        name
        for name, text in pages().items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    )


def write(folder: Path = FOLDER) -> list[str]:
    """Write what is stale; returns its names."""
    folder.mkdir(parents=True, exist_ok=True)
    found, written = stale(folder), pages()
    for name in found:
        (folder / name).write_text(written[name], encoding="utf-8")
    return found
