"""``evenkeel explain FILE``, and ``decide``: the answer, why, and what it says to packets that make no sense."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path

import pytest

from controller import dp_hash, maglev, ovs_hash
from controller.cli.explain import explain_by_file as decide
from controller.cli.output import Output
from controller.maglev import WeightedBackend
from controller.spec.types import Protocol

CONFIG = """
sites:
  - name: east
    subnets:
      - {name: front, prefixes: [10.0.0.0/24, "fd00::/64"]}
      - {name: rack, prefixes: [10.1.0.0/24, "fd00:0:0:1::/64"]}
switches:
  - {name: lb1, kind: ovs, id: 0x21, site: east, roles: [lb], mac: 02:45:56:01:00:21}
pools:
  - name: web
    backends:
      - {name: s1, addresses: [10.1.0.11, "fd00:0:0:1::11"], mac: 02:45:56:02:00:01, weight: 3}
      - {name: s2, addresses: [10.1.0.12, "fd00:0:0:1::12"], mac: 02:45:56:02:00:02}
      - {name: s3, addresses: [10.1.0.13, "fd00:0:0:1::13"], mac: 02:45:56:02:00:03, drain: true}
      - {name: s4, addresses: [10.1.0.14, "fd00:0:0:1::14"], mac: 02:45:56:02:00:04, group: 1}
  - name: void
    backends: []
vips:
  - name: shop
    address: 10.0.0.100
    mac: 02:45:56:00:01:01
    owners: [east]
    listeners:
      - {protocol: tcp, port: 80, pool: web, mode: dr}
      - {protocol: udp, port: 53, pool: web, mode: dr, affinity: source}
      - {protocol: tcp, port: 81, pool: void, mode: dr}
  - name: shop6
    address: "fd00::100"
    mac: 02:45:56:00:01:01
    owners: [east]
    listeners:
      - {protocol: tcp, port: 80, pool: web, mode: dr}
"""
SLOTS = 4096
NAMES = {1: "s1", 2: "s2"}
TABLE = maglev.build([WeightedBackend("s1", 1, 3), WeightedBackend("s2", 2, 1)], SLOTS)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "evenkeel.yaml"
    path.write_text(CONFIG)
    return path


def _slot(source: str, target: str) -> int:
    """By the datapath's hash, from port 40,000 of the source."""
    address, _, port = target.replace("[", "").replace("]", "").rpartition(":")
    return dp_hash.slot(ip_address(source), ip_address(address), Protocol.TCP, 40_000, int(port), SLOTS)


@pytest.mark.parametrize(
    ("source", "target", "udp", "hashed"),
    [
        ("10.0.0.11:40000", "10.0.0.100:80", False, ("10.0.0.11", 40_000)),
        ("[fd00::11]:40000", "[fd00::100]:80", False, ("fd00::11", 40_000)),
        ("10.0.0.11:40000", "10.0.0.100:53", True, ("10.0.0.11", 0)),
    ],
    ids=["IPv4", "IPv6", "affinity source"],
)
def test_answer_is_who_holds_the_slot_among_those_that_serve(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    source: str,
    target: str,
    udp: bool,
    hashed: tuple[str, int],
) -> None:
    assert decide(config, source, target, udp=udp, output=Output.JSON) == 0
    answer = json.loads(capsys.readouterr().out)
    slot = ovs_hash.slot(ip_address(hashed[0]), hashed[1], SLOTS) if udp else _slot(hashed[0], target)
    (switch,) = answer["switches"]
    (decision,) = switch["decisions"]
    assert (switch["slot"], switch["now"], decision["backend"]) == (slot, *[NAMES[TABLE[slot]]] * 2)
    assert (answer["pool"], decision["packet"]) == (("web/udp", "datagram") if udp else ("web/tcp", "syn"))
    assert decision["by"] == ("slot" if udp else "settled slot")


def test_text_names_listener_backend_reasons_and_what_is_presumed(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert decide(config, "10.0.0.11:40000", "10.0.0.100:80", flags="ack") == 0
    head, place, decision, *reasons, hop, presumed = capsys.readouterr().out.splitlines()
    slot = _slot("10.0.0.11", "10.0.0.100:80")
    backend = NAMES[TABLE[slot]]
    listener = "shop/tcp/80: pool web/tcp, table 1, VIP shop owned at east"
    assert head == f"10.0.0.11:40000 -> 10.0.0.100:80 tcp  {listener}"
    assert place == f"lb1 (east): slot {slot} of 4096 (datapath) is {backend}'s"
    assert decision == f"  established: {backend}, by settled slot"
    assert [line.strip().partition(":")[0] for line in reasons] == ["listener", "pin", "slot"]
    assert hop.startswith(f"  to {backend}: dr, 10.1.0.1")
    assert presumed.startswith("presumed: every backend is healthy")
    assert "lb switches' datapaths hash alike" in presumed


@pytest.mark.parametrize(
    ("target", "stage"), [("10.0.0.100:82", "no listener"), ("10.0.0.100:81", "no backend")]
)
def test_a_packet_that_goes_nowhere_says_so_and_exits_1(
    config: Path, capsys: pytest.CaptureFixture[str], target: str, stage: str
) -> None:
    assert decide(config, "10.0.0.11:40000", target) == 1
    assert f"no backend: {stage}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        ("10.0.0.11", "10.0.0.100:80", {}, "--from 10.0.0.11: give ADDRESS:PORT, like 10.0.0.11:40000"),
        ("10.0.0.11:70000", "10.0.0.100:80", {}, "--from 10.0.0.11:70000: give ADDRESS:PORT"),
        ("fd00::11:4", "[fd00::100]:80", {}, "--from fd00::11:4: give ADDRESS:PORT"),
        ("10.0.0.11:1", "shop:80", {}, "--to shop:80: give ADDRESS:PORT"),
        ("10.0.0.11:1", "[fd00::100]:80", {}, "give two addresses of one IP version"),
        ("10.0.0.11:1", "10.0.0.100:80", {"flags": "sin"}, "'sin' is no TCP flag; there are fin, syn"),
        ("10.0.0.11:1", "10.0.0.100:53", {"udp": True, "flags": "syn"}, "--flags goes with TCP only"),
    ],
)
def test_a_packet_that_makes_no_sense_is_refused_with_what_would_be_right(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    source: str,
    target: str,
    options: dict[str, object],
    message: str,
) -> None:
    assert decide(config, source, target, **options) == 2  # type: ignore[arg-type]
    assert message in capsys.readouterr().err


def test_a_bad_file_is_refused_as_check_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("pools: 7\n")
    assert decide(path, "10.0.0.11:1", "10.0.0.100:80") == 2
    assert f"{path}:1" in capsys.readouterr().err
