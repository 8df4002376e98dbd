"""``evenkeel check`` prints every error and exits 2, or prints one screen and exits 0."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.cli.check import check
from controller.model.load import load_text
from controller.model.summary import notes, summarise
from controller.spec.types import Intent
from tests.fakes.core import text
from tests.unit.spoil import DATA

BASE = (DATA / "base.yaml").read_text()


def test_a_bad_file_exits_2_with_every_error_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fabric.yaml"
    path.write_text(BASE.replace("weight: 2", "weight: two").replace("pool: dns", "pool: dsn"))
    assert check(path) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f'{path}:31:83: weight is "two", write a whole number from 0 to 65535',
        f'{path}:54:41: listener dns6/udp/53 names the pool "dsn", which does not exist, did you mean "dns"?',
        "2 errors",
    ]


SUMMARY = """\
{path}: good

SITE  SUBNETS      SWITCHES                      OWNS FIRST
east  front, rack  2 ovs (1 edge, 1 lb, 1 leaf)  2 of 2 VIPs
west  none         1 bmv2 (1 edge)               0 of 2 VIPs

POOL  BACKENDS  WEIGHT  SLOTS  HEALTH                       WHEN DOWN (TCP)  DRAIN
web   2 of 3    3       512    http every 2s, down after 3  10s, move        5m, keep
dns   2 of 40   2       4,096  udp every 1s, down after 3   10s, move        5m, keep

VIP   ADDRESS     LISTENERS       MODE     POOL  OWNERS
shop  10.0.0.100  tcp/80          dr       web   east
                  tcp/81 to 8081  nat      web   east
                  tcp/82          fullnat  web   east
                  tcp/83          tun      web   east
dns6  fd00::53    udp/53 to 5353  nat      dns   east
"""


def test_a_good_file_exits_0_with_its_summary_on_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fabric.yaml"
    path.write_text(BASE)
    assert check(path) == 0
    out, err = capsys.readouterr()
    assert out == SUMMARY.format(path=path)
    assert err == ""


def test_a_vip_of_several_owners_is_said_to_stay_where_no_store_is_shared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fabric.yaml"
    path.write_text(text("two-site-small"))
    assert check(path) == 0
    note = "stays at west; without etcd no VIP moves by itself to east"
    assert note in capsys.readouterr().out


def intent(**replace: str) -> Intent:
    """The base with texts replaced (keys are the names of ``PARTS``)."""
    text = BASE
    for part, new in replace.items():
        assert PARTS[part] in text
        text = text.replace(PARTS[part], new)
    return load_text(text, "fabric.yaml")


PARTS = {
    "first_weight": "weight: 2, drain: false}",
    "s2": '      - {name: s2, addresses: [10.1.0.12, "fd00::12"], mac: 02:45:56:02:00:02}\n',
    "health": '    health: {type: udp, send: "hex:0a0b", expect: "pong"}\n',
    "max": "max_backends: 3",
    "dns_listener": "\n      - {protocol: udp, port: 53, pool: dns, mode: nat, backend_port: 5353}",
}


@pytest.mark.parametrize(
    ("replace", "note"),
    [
        (
            {"first_weight": "weight: 0}", "s2": ""},
            'pool "web" gives nothing to any backend: all weights are 0 or drained',
        ),
        ({"first_weight": "drain: true}"}, 'pool "web" drains s1'),
        ({"health": ""}, 'pool "dns" has no health check: its backends always count as alive'),
        ({"max": "max_backends: 2"}, 'pool "web" is full: max_backends is 2'),
        ({"dns_listener": " []"}, 'vip "dns6" has no listeners'),
        ({"dns_listener": " []"}, 'pool "dns" is used by no listener'),
    ],
)
def test_what_may_not_be_meant_is_noted(replace: dict[str, str], note: str) -> None:
    changed = intent(**replace)
    assert note in notes(changed)
    assert f"note: {note}" in summarise(changed).splitlines()


def test_listeners_of_one_vip_with_one_mode_and_pool_share_a_line() -> None:
    text = summarise(load_text(BASE.replace("mode: tun", "mode: dr"), "fabric.yaml"))
    assert ["shop", "10.0.0.100", "tcp/80,", "tcp/83", "dr", "web", "east"] in [
        line.split() for line in text.splitlines()
    ]


def test_the_base_has_nothing_to_note() -> None:
    assert notes(intent()) == []


def test_a_long_intent_still_fits_one_screen() -> None:
    pools = "".join(f"  - {{name: p{i}, backends: []}}\n" for i in range(200))
    text = summarise(load_text(BASE.replace("vips:\n", f"{pools}vips:\n"), "fabric.yaml"))
    assert len(text.splitlines()) <= 50
    assert "... and 190 more" in text
