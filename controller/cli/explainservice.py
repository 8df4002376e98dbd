"""``evenkeel explain-service``: what clients are told of a service, by the running controller or by a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from controller.cli.asking import NoAnswer, NotExplained, explanation
from controller.cli.codes import ExplainService
from controller.cli.output import Output
from controller.model.errors import ConfigErrors
from controller.model.load import load_intent
from controller.spec.codec import encode

Row = Mapping[str, Any]
NAME = "explain_service"
PRESUMED = "presumed: all servers live, and none says anything of itself"


def explain_by_file(file: Path, service: str, region: str, output: Output) -> ExplainService:
    """Print what clients would be told by a file. Returns an exit code."""
    from controller.exits.xds.offline import by_intent

    try:
        said = encode(by_intent(load_intent(file), service, region))
    except ConfigErrors as errors:
        print(errors, file=sys.stderr)
        return ExplainService.BAD_INPUT
    except ValueError as error:
        print(f"evenkeel explain-service: {error}", file=sys.stderr)
        return ExplainService.BAD_INPUT
    assert isinstance(said, dict)
    code = shown(said, output)
    if output is Output.TEXT:
        print(PRESUMED)
    return code


def explain_live(state: Path, service: str, region: str, output: Output) -> ExplainService:
    """The same, asked of the running controller. Returns an exit code."""
    wanted = {"command": NAME, "service": service} | ({"region": region} if region else {})
    try:
        return shown(explanation(state, wanted, "By a file alone: add --file FILE"), output)
    except NoAnswer as error:
        print(error, file=sys.stderr)
        return ExplainService.NO_ANSWER
    except NotExplained as error:
        print(error, file=sys.stderr)
        return ExplainService.BAD_INPUT


def shown(said: Row, output: Output) -> ExplainService:
    """Print an explanation. Returns an exit code."""
    print(json.dumps(said, indent=1) if output is Output.JSON else "\n".join(lines(said)))
    serves = all(any(place["share"] for place in each["places"]) for each in _led_to(said))
    return ExplainService.SERVED if serves else ExplainService.NOT_SERVED


def _led_to(said: Row) -> list[Row]:
    used = {to["cluster"] for route in said["routes"] for to in route["to"]}
    return [each for each in said["clusters"] if each["name"] in used]


def lines(said: Row) -> Iterator[str]:
    """It, for people."""
    where = f"clients at {said['region']}" if said["region"] else "clients at no site"
    change = f", change {said['revision']}" if said["revision"] else ""
    yield f"{said['service']}, to {where}{change}"
    for route in said["routes"]:
        headers = "".join(f" [{each}]" for each in route["headers"])
        shares = ", ".join(f"{to['share']:.4g} {to['cluster']}" for to in route["to"])
        yield f"  {route['path']}{headers} -> {shares}"
    for each in said["clusters"]:
        limits = ", ".join(f"{key} {value}" for key, value in each["limits"].items() if value is not None)
        yield f"{each['name']}: pool {each['pool']}, version {each['version']}{'; at most ' * bool(limits)}{limits}"
        for place in each["places"]:
            yield f"  {_place(place)}"


def _place(of: Row) -> str:
    where = of["site"] or "site not known"
    zone = f" {of['zone']}" if of["zone"] else ""
    share = f"{of['share']:.1%} of priority {of['priority']}" if of["share"] else "takes nothing"
    servers = ", ".join(f"{s['name']} {_at(s)} {s['state']}" for s in of["servers"])
    return f"{where}{zone}, {share}: {servers}"


def _at(server: Row) -> str:
    address = server["address"]
    return f"[{address}]:{server['port']}" if ":" in address else f"{address}:{server['port']}"
