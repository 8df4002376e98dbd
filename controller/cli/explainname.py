"""``evenkeel explain name``: how a name is answered and why, by the running controller or by a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from controller.cli.asking import NoAnswer, NotExplained, explanation
from controller.cli.codes import ExplainName
from controller.cli.output import Output
from controller.exits.names.commands import NAME
from controller.exits.names.explaining import Explained, UnknownName, explained
from controller.exits.names.offline import presumed
from controller.model.errors import ConfigErrors
from controller.model.load import load_intent
from controller.spec.addresses import Address
from controller.spec.codec import encode

Row = Mapping[str, Any]
BY_FILE = "By a file alone: evenkeel explain name ... --file FILE"
PRESUMED = (
    "presumed: VIPs are at their first site, all servers and candidates live, nothing was counted or measured"
)


class Asked(NamedTuple):
    """The question."""

    name: str
    type: str
    client: str | None
    resolver: str | None


def explain_name_by_file(file: Path, asked: Asked, output: Output) -> ExplainName:
    """Print how a name is answered by a file. Returns an exit code."""
    try:
        made = _by_intent(file, asked)
    except ConfigErrors as errors:
        print(errors, file=sys.stderr)
        return ExplainName.BAD_INPUT
    except UnknownName as error:
        print(f"evenkeel explain name: {error}", file=sys.stderr)
        return ExplainName.BAD_INPUT
    said = encode(made)
    assert isinstance(said, dict)
    code = shown(said, output)
    if output is Output.TEXT:
        print(PRESUMED)
    return code


def explain_name_live(state: Path, asked: Asked, output: Output) -> ExplainName:
    """The same, asked of the running controller. Returns an exit code."""
    wanted = {"command": NAME, "name": asked.name, "type": asked.type}
    given = {"client": asked.client, "resolver": asked.resolver}
    wanted |= {key: value for key, value in given.items() if value is not None}
    try:
        return shown(explanation(state, wanted, BY_FILE), output)
    except NoAnswer as error:
        print(error, file=sys.stderr)
        return ExplainName.NO_ANSWER
    except NotExplained as error:
        print(error, file=sys.stderr)
        return ExplainName.BAD_INPUT


def shown(said: Row, output: Output) -> ExplainName:
    """Print an explanation. Returns an exit code."""
    print(json.dumps(said, indent=1) if output is Output.JSON else "\n".join(lines(said)))
    return ExplainName.ANSWER if said["answers"] or said["otherwise"] else ExplainName.NO_ANSWER_SET


def lines(said: Row) -> Iterator[str]:
    """It, for people."""
    change = f", change {said['revision']}" if said["revision"] else ""
    yield f"{said['name']} {said['type']}{_asker(said)}{change}"
    for each in said["candidates"]:
        yield f"  {_candidate(each)}"
    for number, step in enumerate(said["steps"], 1):
        yield from _step(number, step)
    yield from _answer(said)


def _asker(said: Row) -> str:
    if not said["client"]:
        return ", to a client in no region"
    by = "" if said["resolver"] == said["client"] else f" by {said['resolver']}"
    region = f", region {said['region']}" if said["region"] else ""
    times = ", ".join(f"{site} {seconds * 1000:.1f} ms" for site, seconds in said["rtts"].items())
    return f", to {said['client']}{by}{region}{': ' + times if times else ''}"


def _candidate(each: Row) -> str:
    own = f" (for {each['own']})" if each["own"] else ""
    where = f", at {each['site']}" if each["site"] else ""
    dead = f", DOES NOT LIVE: {each['dead']}" if each["dead"] else ""
    return f"{each['candidate']} = {each['address']}{own}{where}{dead}"


def _step(number: int, step: Row) -> Iterator[str]:
    at = f" [{step['at']}]" if step["at"] else ""
    note = f"  ({step['note']})" if step["note"] else ""
    yield f"{number}. {step['policy']}{at}: {len(step['given'])} in, {len(step['kept'])} out{note}"
    kept = set(step["kept"])
    for name in step["given"]:
        why = step["why"].get(name, "")
        yield f"     {'+' if name in kept else '-'} {name}{': ' + why if why else ''}"


def _answer(said: Row) -> Iterator[str]:
    holds = f", holds for /{said['scope']} of the client" if said["scope"] else ""
    if said["otherwise"]:
        yield f"answer: CNAME {said['otherwise']}, for {said['ttl']} s"
        return
    if not said["answers"]:
        yield f"answer: no address, for the zone's negative_ttl{holds}"
        return
    many = len(said["answers"]) if said["count"] is None else min(said["count"], len(said["answers"]))
    yield f"answer: {many} of {len(said['answers'])}, for {said['ttl']} s{holds}"
    for each in said["answers"]:
        first = "by counts" if each["first"] is None else f"first in {each['first']:.1%}"
        yield f"     {each['address']} ({each['candidate']}): {first}"


def _by_intent(file: Path, asked: Asked) -> Explained:
    intent = load_intent(file)
    client, resolver = _address("--client", asked.client), _address("--resolver", asked.resolver)
    return explained(presumed(intent), asked.name, asked.type, client, resolver)


def _address(option: str, text: str | None) -> Address | None:
    if text is None:
        return None
    try:
        return ip_address(text)
    except ValueError:
        raise UnknownName(f'{option} is "{text}", write an address') from None
