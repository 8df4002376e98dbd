"""``evenkeel plan FILE``: what an intent file would do, asked of the running controller or of its store."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from controller.cli.asking import NoAnswer, ask
from controller.cli.codes import Plan
from controller.cli.output import Output
from controller.cli.plantext import text
from controller.cli.stores import Where, values_of
from controller.core.commands import PLANNED
from controller.core.control import socket_beside
from controller.model.errors import ConfigErrors
from controller.model.load import load_intent
from controller.sites.base import StoreError
from controller.spec.codec import encode


def plan(file: Path, where: Where, offline: bool, entries: int, output: Output) -> Plan:
    """Print what a file would do. Returns an exit code."""
    try:
        said = _stored(file, where, entries) if offline else _asked(file, where, entries)
    except (ConfigErrors, StoreError) as error:
        print(error, file=sys.stderr)
        return Plan.BAD_INPUT
    except NoAnswer as error:
        hint = f"is a controller running with --state {where.state}? Without one: --offline"
        print(f"{error}; {hint}", file=sys.stderr)
        return Plan.NO_ANSWER
    if isinstance(said, list):
        print(*said, sep="\n", file=sys.stderr)
        return Plan.BAD_INPUT
    return shown(said, str(file), output)


def shown(said: Mapping[str, Any], name: str, output: Output) -> Plan:
    """Print a plan. Returns an exit code. ``name``: of what was planned."""
    print(json.dumps(said, indent=1) if output is Output.JSON else text(said, name))
    return Plan.REFUSED if said["refused"] else Plan.ACCEPTED


def _asked(file: Path, where: Where, entries: int) -> dict[str, Any] | list[str]:
    """The running controller's plan, or why it made none. Raises NoAnswer."""
    request = {"command": "plan", "file": str(file.absolute()), "entries": str(entries)}
    answer: Mapping[str, Any] = ask(socket_beside(where.state), request, PLANNED + 5.0)
    if answer.get("ok") is True:
        made: dict[str, Any] = answer["plan"]
        return made
    return list(answer.get("refused", [answer.get("not_stored", "it was not made")]))


def _stored(file: Path, where: Where, entries: int) -> dict[str, Any]:
    """The same from what the store holds, while no controller runs. Raises ConfigErrors, StoreError."""
    from controller.app.offline import stored_preview

    intent = load_intent(file)
    loaded = asyncio.run(values_of(where))
    made = encode(
        stored_preview(where.url or str(where.state), loaded, intent, where.url is not None, entries)
    )
    assert isinstance(made, dict)
    return dict(made)
