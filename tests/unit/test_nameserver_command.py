"""``evenkeel nameserver`` and ``evenkeel dns keys``: options, files, exit codes, metrics."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from controller.cli import codes
from controller.cli.dnskeys import listed, new, remove
from controller.cli.nameserver import Wanted, address, cookie_secrets, nameserver
from controller.cli.place import Chosen
from controller.exits.names.serve.counters import Counters
from controller.exits.names.serve.wire import Rcode
from controller.metrics.families import OF_NAMESERVERS
from controller.metrics.histogram import Histogram
from controller.metrics.nameserver import NameServerExposed, NameServerFigures
from controller.metrics.observations import Observations
from controller.metrics.options import NOWHERE


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5300", ("192.0.2.1", 5300)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5300", ("2001:db8::1", 5300)),
    ],
)
def test_an_address_may_have_a_port(text: str, place: tuple[str, int]) -> None:
    assert address(text) == place


@pytest.mark.parametrize(
    "text", ["ns1.example.net", "192.0.2.1:dns", "192.0.2.1:70000", "0.0.0.0", "[::]:53"]
)
def test_what_is_no_address_of_its_own_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--listen"):
        address(text)


def test_secrets_of_cookies_are_read_from_a_file_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text(f"{'0a' * 16}\n{'0b' * 16}\n")
    file.chmod(0o600)
    assert cookie_secrets(file) == (b"\n" * 16, b"\x0b" * 16)
    file.chmod(0o644)
    with pytest.raises(ValueError, match="chmod 600"):
        cookie_secrets(file)


@pytest.mark.parametrize("text", ["", "0a0b", "x" * 32, f"{'0a' * 16}\n" * 5])
def test_secrets_that_make_no_sense_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "secrets"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(ValueError, match="32 hexadecimal digits"):
        cookie_secrets(file)


def test_what_cannot_start_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = Wanted(
        ("0.0.0.0",), Chosen(tmp_path / "state.db"), tmp_path, "ns1", "", None, None, 0, 0, False, "7d", NOWHERE
    )  # fmt: skip
    assert nameserver(wanted) == codes.Run.CANNOT_START
    assert "name each address" in capsys.readouterr().err


def test_a_key_is_replaced_by_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new(tmp_path, "example.net") == codes.Keys.DONE
    first = capsys.readouterr().out.splitlines()[-1]
    assert remove(tmp_path, "example.net", int(first.split()[3])) == codes.Keys.REFUSED
    assert "has no other key" in capsys.readouterr().err
    assert new(tmp_path, "example.net") == codes.Keys.DONE
    said = capsys.readouterr()
    assert "has 2 keys now" in said.err
    assert listed(tmp_path, None) == codes.Keys.DONE
    both = capsys.readouterr().out
    assert first in both
    assert said.out.splitlines()[-1] in both
    assert "DNSKEY 257 3 13" in both
    assert remove(tmp_path, "example.net", int(first.split()[3])) == codes.Keys.DONE
    capsys.readouterr()
    assert listed(tmp_path, "example.net") == codes.Keys.DONE
    assert first not in capsys.readouterr().out


def test_a_folder_that_is_not_there_has_no_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(tmp_path / "none", None) == codes.Keys.REFUSED
    assert "evenkeel dns keys new" in capsys.readouterr().err


def figures(expired: bool = False, age: float | None = 3.0) -> NameServerFigures:
    counters = Counters(udp=7, tcp=2, dropped=4, slipped=5, cookies=6)
    counters.rcodes[Rcode.NXDOMAIN] = 3
    seconds = Histogram()
    seconds.observe(0.002, 5)
    return NameServerFigures(
        "ns1", "east", 1.5, age, expired, {"example.net.": 12}, ("why",), counters, 99, seconds.taken()
    )


def test_every_metric_of_name_servers_is_shown_with_its_value() -> None:
    exposed = NameServerExposed(figures, Observations(), lambda: 0)
    now: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(exposed.text(exposed.figures(), False).decode()):
        for each in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in each.labels.items())
            now.setdefault(each.name, {})[labels] = each.value
    assert {name for family in OF_NAMESERVERS for name in family.samples} <= now.keys()
    assert now["evenkeel_nameserver_queries_total"] == {"protocol=udp": 7, "protocol=tcp": 2}
    assert now["evenkeel_nameserver_answers_total"] == {"rcode=NXDOMAIN": 3}
    assert now["evenkeel_nameserver_limited_total"] == {"how=drop": 4, "how=slip": 5}
    assert now["evenkeel_nameserver_names"] == {"zone=example.net.": 12}
    assert now["evenkeel_nameserver_answer_seconds_count"] == {"": 5}
    assert now["evenkeel_nameserver_heard_age_seconds"] == {"": 1.5}
    assert now["evenkeel_events_total"]["event=nameserver_alone"] == 0


@pytest.mark.parametrize(
    ("of", "ready"), [(figures(), True), (figures(expired=True), False), (figures(age=None), False)]
)
def test_it_is_ready_when_it_answers(of: NameServerFigures, ready: bool) -> None:
    assert NameServerExposed(lambda: of, Observations(), lambda: 0).standing().ready is ready
