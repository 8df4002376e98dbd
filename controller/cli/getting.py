"""``evenkeel get``: resources as tables, JSON, YAML or names."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from controller.api.names import Kind
from controller.api.v1 import service_pb2 as api
from controller.cli import columns
from controller.cli.codes import Verb
from controller.cli.contexts import BadPlace
from controller.cli.kinds import INTENT, Asked, asked, said, whole_numbers
from controller.cli.place import Chosen
from controller.cli.reaching import failed, opened
from controller.cli.tables import table
from controller.client import Client

PAGE = 1000


class Shape(NamedTuple):
    """How it is printed."""

    output: str = "table"
    """``table``, ``wide``, ``json``, ``yaml`` or ``name``."""
    where: str = ""
    """A filter of the API."""
    labels: str = ""
    """A selector of labels."""

    @property
    def chooses(self) -> bool:
        """Among all of a kind."""
        return bool(self.where or self.labels)


def get(chosen: Chosen, kind: str, names: Sequence[str], shape: Shape) -> int:
    """Print resources. Returns an exit code."""
    try:
        if kind == INTENT:
            return _intent(chosen, names, shape)
        wanted = asked(kind, list(names))
        if shape.chooses and any(each.names for each in wanted):
            raise BadPlace("--filter and --selector choose among all of a kind: give no names with them")
        with opened(chosen) as client:
            _show(client, wanted, shape)
    except Exception as error:
        return failed(error)
    return Verb.DONE


def _show(client: Client, wanted: Sequence[Asked], shape: Shape) -> None:
    found = [(each.kind, read(client, each, shape.where, shape.labels)) for each in wanted]
    if shape.output in ("table", "wide"):
        _tables(client, found, shape.output == "wide")
        return
    resources = [resource for _, rows in found for resource in rows]
    if shape.output == "name":
        print(*(each.name for each in resources), sep="\n", end="\n" if resources else "")
        return
    single = len(resources) == 1 and sum(len(each.names) for each in wanted) == 1
    rows = [plain_of(each) for each in resources]
    if shape.output == "json":
        print(json.dumps(rows[0] if single else rows, indent=2))
    else:
        print("---\n".join(yaml_of(each) for each in rows), end="")


def read(client: Client, wanted: Asked, where: str = "", labels: str = "") -> list[api.Resource]:
    """Resources by name, or all of a kind. Raises ApiError."""
    if wanted.names:
        return [client.get(each) for each in wanted.names]
    return list(client.list(cast(api.Kind, wanted.kind.number), where, PAGE, labels))


def _tables(client: Client, found: Sequence[tuple[Kind, Sequence[api.Resource]]], wide: bool) -> None:
    status = whole_numbers(client.status())
    for number, (kind, resources) in enumerate(found):
        if number:
            print()
        heads, rows = table(kind, resources, status, wide)
        columns.show(heads, rows)


def _intent(chosen: Chosen, names: Sequence[str], shape: Shape) -> int:
    if names or shape.chooses or shape.output not in ("json", "yaml"):
        raise BadPlace(
            "evenkeel get intent prints the whole intent: write -o yaml or -o json, and nothing else"
        )
    with opened(chosen) as client:
        found = said(client.get_document().document)
    print(json.dumps(found, indent=2) if shape.output == "json" else yaml_of(found).rstrip("\n"))
    return Verb.DONE


def plain_of(resource: api.Resource) -> dict[str, Any]:
    """A resource as JSON and YAML have it."""
    return said(resource)


def yaml_of(value: Any) -> str:
    """YAML, in the order of the intent's keys."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 110
    out = io.StringIO()
    yaml.dump(value, out)
    return out.getvalue()
