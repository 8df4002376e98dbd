"""A compiled P4 program as the driver needs it: what to push, its cookie, and every name with its numbers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from finsy.proto import p4i, p4r
from google.protobuf import text_format

from p4src.compile import outputs

_COOKIE_BYTES = 8


@dataclass(frozen=True)
class Field:
    """One match field of a table."""

    id: int
    width: int
    """Bits."""
    lpm: bool
    """Longest prefix match; else exact."""


@dataclass(frozen=True)
class Action:
    """An action by its alias."""

    name: str
    id: int
    params: tuple[int, ...]
    """Ids, in the order of the P4 source."""


@dataclass(frozen=True)
class Table:
    """A table by its alias."""

    name: str
    id: int
    fields: tuple[Field, ...]
    metered: bool
    """Whether it has a direct meter."""


@dataclass(frozen=True)
class Pipeline:
    """One program, loaded once and shared by all switches."""

    config: p4r.ForwardingPipelineConfig
    cookie: int
    """First 8 bytes of the SHA-256 of JSON and P4Info: a switch that shows it holds exactly this program."""
    tables: dict[str, Table]
    actions: dict[str, Action]
    tables_by_id: dict[int, Table]
    actions_by_id: dict[int, Action]
    numbers: dict[str, int]
    """Counters, meters and digests: id by alias."""
    packet_in: dict[int, str]
    """Name of each metadata field by id."""
    packet_out: dict[str, int]
    """Id of each metadata field by name."""


def load(program: Path, p4info: Path) -> Pipeline:
    """Read a program that p4c compiled. Raises OSError, ``text_format.ParseError``, ValueError (match kinds)."""
    made, described = program.read_bytes(), p4info.read_bytes()
    digest = hashlib.sha256(made + described).digest()
    cookie = int.from_bytes(digest[:_COOKIE_BYTES], "big")
    info = text_format.Parse(described.decode(), p4i.P4Info())
    config = p4r.ForwardingPipelineConfig(p4info=info, p4_device_config=made)
    config.cookie.cookie = cookie
    return of(config)


def of(config: p4r.ForwardingPipelineConfig) -> Pipeline:
    """A program as its P4Info describes it. Raises ValueError (match kinds)."""
    info = config.p4info
    arrays = (*info.counters, *info.meters, *info.digests, *info.direct_counters, *info.direct_meters)
    tables = [_table(info, item) for item in info.tables]
    actions = [_action(item) for item in info.actions]
    return Pipeline(
        config,
        config.cookie.cookie,
        {table.name: table for table in tables},
        {action.name: action for action in actions},
        {table.id: table for table in tables},
        {action.id: action for action in actions},
        {item.preamble.alias: item.preamble.id for item in arrays},
        {m.id: m.name for m in _metadata(info, "packet_in")},
        {m.name: m.id for m in _metadata(info, "packet_out")},
    )


def balancer() -> Pipeline:
    """The balancer for v1model, from ``p4src/build``. Raises as ``load`` does."""
    return load(*outputs("balancer"))


def _metadata(info: p4i.P4Info, header: str) -> list[p4i.ControllerPacketMetadata.Metadata]:
    return [
        m for item in info.controller_packet_metadata if item.preamble.name == header for m in item.metadata
    ]


def _table(info: p4i.P4Info, table: p4i.Table) -> Table:
    resources = set(table.direct_resource_ids)
    return Table(
        table.preamble.alias,
        table.preamble.id,
        tuple(_field(table, field) for field in table.match_fields),
        any(meter.preamble.id in resources for meter in info.direct_meters),
    )


def _field(table: p4i.Table, field: p4i.MatchField) -> Field:
    kinds = {p4i.MatchField.EXACT: False, p4i.MatchField.LPM: True}
    if field.match_type not in kinds:
        kind = p4i.MatchField.MatchType.Name(field.match_type)
        raise ValueError(f"table {table.preamble.alias}, field {field.name}: {kind}, expected EXACT or LPM")
    return Field(field.id, field.bitwidth, kinds[field.match_type])


def _action(action: p4i.Action) -> Action:
    return Action(action.preamble.alias, action.preamble.id, tuple(param.id for param in action.params))
