"""Several resources put or taken away in one commit: all of them, or none.

The API changes one resource, or the whole intent. So several are changed in the intent as it is, which is given back
if it is still that; if others changed it meanwhile, once more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import grpc

from controller.api.v1 import resources_pb2 as messages
from controller.api.v1 import service_pb2 as api
from controller.cli.kinds import kind_of_name, value
from controller.client import ApiError, Client

Edit = Callable[[messages.Document], None]


class Step(NamedTuple):
    """One resource."""

    name: str
    resource: api.Resource | None
    """What it becomes; None: it is taken away."""
    expected: int | None = None
    """The revision that it must have; 0: it must not be there."""


def carry_out(client: Client, steps: Sequence[Step], dry_run: bool, patience: float) -> api.Outcome:
    """All steps in one commit. Raises ApiError. ``patience``: seconds for which others' changes are borne."""
    if len(steps) == 1:
        name, resource, expected = steps[0]
        if resource is None:
            return client.delete(name, expected=expected, dry_run=dry_run)
        return client.apply(resource, expected=expected, dry_run=dry_run)
    end = time.monotonic() + patience
    while True:
        found = edited(client, steps)
        try:
            return client.apply(found.document, expected=found.revision, dry_run=dry_run)
        except ApiError as error:
            if error.reason != "REVISION_MISMATCH" or time.monotonic() > end:
                raise


def edited(client: Client, steps: Sequence[Step]) -> api.GetDocumentResponse:
    """The intent as it is, with all steps made, and the revision that it was before. Raises ApiError."""
    found = client.get_document()
    _check(client, steps)
    for step in steps:
        _edit(found.document, step)
    return found


def _check(client: Client, steps: Sequence[Step]) -> None:
    """Revisions of resources, which the one of the document then guards."""
    for step in steps:
        if step.expected is None:
            continue
        try:
            actual = client.get(step.name).revision
        except ApiError as error:
            if error.reason != "NOT_FOUND":
                raise
            actual = 0
        if actual != step.expected:
            there = f"has the revision {actual}" if actual else "is not there"
            text = f"{step.name} {there}, not {step.expected}"
            raise ApiError(grpc.StatusCode.ABORTED, "REVISION_MISMATCH", text)


def _edit(document: messages.Document, step: Step) -> None:
    rows, own = _rows(document, step.name)
    at = next((i for i, each in enumerate(rows) if each.name == own), None)
    if step.resource is None:
        if at is None:
            raise _missing(step.name)
        del rows[at]
    elif at is None:
        rows.add().CopyFrom(value(step.resource))
    else:
        rows[at].CopyFrom(value(step.resource))


def _rows(document: messages.Document, name: str) -> tuple[Any, str]:
    """The list that holds a resource, or would, and its name there."""
    steps = name.split("/")
    rows = getattr(document, steps[0])
    if len(steps) == 2:
        return rows, steps[1]
    pool = next((each for each in rows if each.name == steps[1]), None)
    if pool is None:
        raise _missing(f"pools/{steps[1]}")
    return pool.backends, steps[3]


def _missing(name: str) -> ApiError:
    return ApiError(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", f'there is no "{name}"', resource=name)


def place_of(document: messages.Document, step: Step) -> str:
    """The path of a resource in the document that would hold it, such as ``pools[2].backends[0]``."""
    rows, own = _rows(document, step.name)
    at = next((i for i, each in enumerate(rows) if each.name == own), len(rows))
    steps = step.name.split("/")
    if len(steps) == 2:
        return f"{steps[0]}[{at}]"
    pool = next(i for i, each in enumerate(document.pools) if each.name == steps[1])
    return f"pools[{pool}].backends[{at}]"


def places(
    client: Client, steps: Sequence[Step], where: Mapping[str, Callable[[str], str]]
) -> Callable[[str], str]:
    """From paths in the document that would result to places in files. ``where``: by name, from a path in it."""
    document = client.get_document().document
    found: dict[str, Callable[[str], str]] = {}
    for step in sorted(steps, key=lambda each: kind_of_name(each.name).field == "backend"):
        found[place_of(document, step)] = where[step.name]
        if step.resource is not None:
            _edit(document, step)

    def locate(path: str) -> str:
        for place in sorted(found, key=len, reverse=True):
            if path == place or path.startswith((f"{place}.", f"{place}[")):
                return found[place](path[len(place) :].lstrip("."))
        return path

    return locate
