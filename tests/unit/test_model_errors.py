"""Each thing that can be wrong in an intent file is named at its place, in these words."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from ruamel.yaml import YAML

from controller.model.errors import ConfigErrors
from controller.model.load import load_text
from controller.spec.access import MOST_RULES
from flows.tables import BACKEND_ZONES, COUNT, MOST_VIPS, ZONES_PER_VIP, ZoneBase
from tests.unit.spoil import DATA, spoil

BASE = (DATA / "base.yaml").read_text()
OURS = f'the tables of evenkeel on switch "lb1" are 10 to {9 + COUNT}'
FREE = f"choose a tables_from with {COUNT} free tables after it"


class Row(NamedTuple):
    """Replacements in the base, and the errors that follow."""

    edit: dict[str, str]
    says: list[str]


def rows() -> list[object]:
    """The rows of the data file, named by group and first error."""
    groups = YAML(typ="safe").load(DATA / "model_errors.yaml")
    return [
        pytest.param(Row(**row), id=f"{group}: {row['says'][0][:60]}")
        for group, group_rows in groups.items()
        for row in group_rows
    ]


TABLE_ROWS = [
    Row(
        {"tables_from: 10": "tables_from: ¦240"},
        [
            f'the tables of evenkeel on switch "lb1" are 240 to {239 + COUNT}, and 253 is the last, '
            f"set tables_from to at most {254 - COUNT}"
        ],
    ),
    Row(
        {"next_table: 200": f"next_table: ¦{9 + COUNT}"},
        [f"{OURS}, and next_table {9 + COUNT} is one of them, {FREE}"],
    ),
    Row(
        {"entry_table: 0": "entry_table: ¦12"},
        [f"{OURS}, and entry_table 12 is one of them, {FREE}"],
    ),
    Row(
        {"entry_table: 0, tables_from: 10": "entry_table: 100, tables_from: ¦10"},
        [f"{OURS}, before entry_table 100, raise tables_from above entry_table: OpenFlow jumps forward only"],
    ),
    Row(
        {"entry_table: 0": "entry_table: 5", "next_table: 200": "next_table: ¦5"},
        [
            'next_table of switch "lb1" is the entry_table 5, name the table of others that follows, '
            "or leave next_table out"
        ],
    ),
]


@pytest.mark.parametrize("row", [*rows(), *TABLE_ROWS])
def test_every_error_names_its_place_and_what_would_be_right(row: Row) -> None:
    spoiled = spoil(BASE, row.edit, row.says, "fabric.yaml")
    with pytest.raises(ConfigErrors) as raised:
        load_text(spoiled.text, "fabric.yaml")
    assert [str(error) for error in raised.value] == spoiled.expected


def with_vips(count: int) -> str:
    """The base with so many VIPs."""
    vip = "  - {{name: v{0}, address: 10.0.0.100, mac: 02:45:56:00:01:03, owners: [east], listeners: []}}"
    more = [vip.format(n).replace("10.0.0.100", f"10.2.{n + 1 >> 8}.{n + 1 & 255}") for n in range(count - 2)]
    return (
        BASE.replace("prefixes: [10.0.0.0/24,", "prefixes: [10.0.0.0/24, 10.2.0.0/16,")
        + "\n".join(more)
        + "\n"
    )


def test_more_vips_than_conntrack_zones_have_room_for_are_refused_at_the_first_too_many() -> None:
    load_text(with_vips(MOST_VIPS), "fabric.yaml")
    with pytest.raises(ConfigErrors) as raised:
        load_text(with_vips(MOST_VIPS + 1), "fabric.yaml")
    (error,) = raised.value
    assert error.message == (
        f'vip "v{MOST_VIPS - 2}" is one of {MOST_VIPS + 1}, '
        f"and ovs switches have conntrack zones for {MOST_VIPS} VIPs"
    )


def test_the_last_vip_has_zones_below_those_of_backends() -> None:
    assert ZONES_PER_VIP * MOST_VIPS + ZONES_PER_VIP <= ZoneBase.BACKENDS
    assert ZoneBase.BACKENDS + BACKEND_ZONES <= ZoneBase.FRAGMENTS


def test_an_access_list_of_more_prefixes_than_the_bound_is_refused() -> None:
    def listed(count: int) -> str:
        prefixes = ", ".join(f"10.{n >> 8}.{n & 255}.0/24" for n in range(count))
        return BASE.replace("    authority: 30s", f"    authority: 30s\n    access: {{block: [{prefixes}]}}")

    load_text(listed(MOST_RULES), "fabric.yaml")
    with pytest.raises(ConfigErrors) as raised:
        load_text(listed(MOST_RULES + 1), "fabric.yaml")
    messages = [error.message for error in raised.value]
    assert f'access of vip "shop" names {MOST_RULES + 1} prefixes, more than {MOST_RULES}' in messages


ALLOWED: dict[str, dict[str, str]] = YAML(typ="safe").load(DATA / "model_allowed.yaml")


@pytest.mark.parametrize("edit", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_only_looks_wrong_is_accepted(edit: dict[str, str]) -> None:
    assert spoil(BASE, edit, [], "fabric.yaml").text != BASE
    load_text(spoil(BASE, edit, [], "fabric.yaml").text, "fabric.yaml")


def test_all_errors_are_reported_at_once_in_file_order() -> None:
    edit = {
        "authority: 30s": "authority: ¦1s",
        "weight: 2": "weight: ¦-1",
        "roles: [leaf]": "roles: [¦leef]",
        "mode: tun}": "mode: ¦tunnel}",
        "pool: dns": "pool: ¦dsn",
        "timeout: 1s": "timeout: ¦3s",
        "address: 10.0.0.100": "address: ¦10.0.0",
        "port: 82": "port: ¦81",
    }
    says = [
        'roles[0] is "leef", write edge, lb or leaf',
        'the probes of pool "web" have a timeout of 3s, longer than their interval 2s, '
        "shorten timeout or lengthen interval",
        "weight is -1, write a whole number from 0 to 65535",
        'address is "10.0.0", which is no IP address, write one such as 10.0.0.100 or fd00::100',
        "authority is 1s, write one from 3s to 65535s",
        "listener shop/tcp/81 is given twice (first at line 46), "
        "keep one of the two or change protocol or port",
        'mode is "tunnel", write dr, nat, fullnat or tun',
        'listener dns6/udp/53 names the pool "dsn", which does not exist, did you mean "dns"?',
    ]
    spoiled = spoil(BASE, edit, says, "fabric.yaml")
    with pytest.raises(ConfigErrors) as raised:
        load_text(spoiled.text, "fabric.yaml")
    assert [str(error) for error in raised.value] == spoiled.expected


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"vips:": "moves: {¦held: 60s}\nvips:"}, 'moves has the unknown key "held"'),
        ({"vips:": "moves: {hold: ¦soon}\nvips:"}, 'hold is "soon"'),
        ({"    mac: 02:45:56:00:01:01": "    mac: ¦x"}, 'mac is "x"'),
        ({"    mac: 02:45:56:01:00:21": "    mac: ¦x"}, 'mac is "x"'),
        ({"    local: [10.3.1.0/30]": "    local: [¦10.3.1.1/30]"}, 'local[0] is "10.3.1.1/30"'),
        ({"    tunnel_port: 20": "    tunnel_port: ¦x"}, 'tunnel_port is "x"'),
        ({"    tunnel_port: 20": "    ¦tunel_port: 20"}, 'switch "lb1" has the unknown key "tunel_port"'),
        ({"roles: [lb, edge]": "roles: ¦lb"}, 'roles is "lb"'),
        ({"address: 10.1.0.11, mac": "address: ¦10.1.0, mac"}, 'address is "10.1.0"'),
        ({"mac: 02:45:56:02:00:01": "mac: ¦x"}, 'mac is "x"'),
        ({"    id: 0x21": "    id: ¦x"}, 'id is "x"'),
        ({"    max_backends: 3": "    max_backends: ¦x"}, 'max_backends is "x"'),
    ],
)
def test_an_error_has_no_echo_where_the_bad_value_would_have_been_used(
    edit: dict[str, str], says: str
) -> None:
    with pytest.raises(ConfigErrors) as raised:
        load_text(spoil(BASE, edit, [says], "fabric.yaml").text, "fabric.yaml")
    assert [error.message[: len(says)] for error in raised.value] == [says]
