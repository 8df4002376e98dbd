"""``evenkeel pki``: what it makes is accepted by others where it should be, and nothing is overwritten."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from typer.testing import CliRunner

from controller.cli import codes
from controller.cli.main import app
from controller.cli.pki import show
from controller.security import files
from controller.security.certificates import Role, Subject, named
from controller.security.errors import PkiError
from controller.security.pki import Pki
from tests.fakes.core import SetClock

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    made = Pki(tmp_path / "pki", NOW)
    made.init("evenkeel")
    return made


def _uses(certificate: x509.Certificate) -> set[x509.ObjectIdentifier]:
    return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


@pytest.mark.parametrize(
    ("role", "uses"),
    [
        (Role.VIEWER, {Usage.CLIENT_AUTH}),
        (Role.OPERATOR, {Usage.CLIENT_AUTH}),
        (Role.ADMIN, {Usage.CLIENT_AUTH}),
        (Role.SERVER, {Usage.SERVER_AUTH}),
        (Role.CONTROLLER, {Usage.CLIENT_AUTH, Usage.SERVER_AUTH}),
        (Role.SWITCH, {Usage.CLIENT_AUTH, Usage.SERVER_AUTH}),
        (Role.ETCD, {Usage.CLIENT_AUTH, Usage.SERVER_AUTH}),
    ],
)
def test_a_certificate_is_good_for_what_its_role_does(pki: Pki, role: Role, uses: set[object]) -> None:
    addresses = ("10.0.0.1",) if role is Role.ETCD else ()
    made = pki.issue(Subject("x", role, addresses)).certificate
    assert _uses(made) == uses
    assert (named(made).name, named(made).role) == ("x", role)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
def test_openssl_accepts_it_strictly(pki: Pki, purpose: str) -> None:
    made = pki.issue(Subject("evenkeel", Role.CONTROLLER, ("10.0.0.1", "2001:db8::1", "ctl.example.net")))
    ca = pki.folder / "ca.pem"
    at = str(int(NOW.timestamp()) + 60)
    command = ["openssl", "verify", "-x509_strict", "-attime", at, "-purpose", purpose, "-CAfile", str(ca)]
    done = subprocess.run([*command, str(made.path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{made.path}: OK\n"), done.stderr


def test_it_is_dialled_by_addresses_and_name(pki: Pki) -> None:
    made = pki.issue(
        Subject("ctl1", Role.CONTROLLER, ("10.0.0.1", "2001:db8::1", "ctl.example.net"))
    ).certificate
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["ctl.example.net", "ctl1"]
    addresses = [ip_address("10.0.0.1"), ip_address("2001:db8::1")]
    assert names.get_values_for_type(x509.IPAddress) == addresses


def test_etcd_is_given_no_name_that_members_would_look_up(pki: Pki) -> None:
    made = pki.issue(Subject("etcd1", Role.ETCD, ("10.0.0.1",))).certificate
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == []


def test_keys_are_read_by_their_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        pki = Pki(tmp_path / "pki", NOW)
        pki.init("evenkeel")
        pki.issue(Subject("alice", Role.VIEWER))
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in pki.folder.iterdir()}
    assert modes == {"ca.key": 0o600, "ca.pem": 0o644, "alice.key": 0o600, "alice.pem": 0o644}


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("left", ["alice.pem", "alice.key"])
def test_nothing_is_overwritten(pki: Pki, left: str) -> None:
    pki.issue(Subject("alice", Role.VIEWER))
    (pki.folder / ("alice.key" if left == "alice.pem" else "alice.pem")).unlink()
    before = _contents(pki.folder)
    with pytest.raises(PkiError, match=rf"{left}: is there already, and is not overwritten"):
        pki.issue(Subject("alice", Role.ADMIN))
    with pytest.raises(PkiError, match=r"ca\.pem: is there already"):
        pki.init("another")
    assert _contents(pki.folder) == before


def test_half_of_a_pair_is_taken_back(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:

    real = files.create

    def full(path: Path, data: bytes, mode: int) -> None:
        if path.suffix == ".pem":
            raise OSError(28, "No space left on device")
        real(path, data, mode)

    monkeypatch.setattr("controller.security.pki.create", full)
    before = _contents(pki.folder)
    with pytest.raises(PkiError, match=r"alice\.pem: No space left on device; nothing was made"):
        pki.issue(Subject("alice", Role.VIEWER))
    assert _contents(pki.folder) == before


def test_renewing_keeps_name_role_addresses_and_key(pki: Pki) -> None:
    wanted = Subject("ctl1", Role.CONTROLLER, ("10.0.0.1",))
    old, key = pki.issue(wanted), (pki.folder / "ctl1.key").read_bytes()
    later = Pki(pki.folder, NOW + timedelta(days=300)).renew("ctl1")
    assert later.subject == wanted
    assert later.until > old.until
    assert later.certificate.serial_number != old.certificate.serial_number
    assert (pki.folder / "ctl1.key").read_bytes() == key
    assert not [path for path in pki.folder.iterdir() if path.name.startswith(".")]


def test_renewing_with_a_new_key_replaces_both(pki: Pki) -> None:
    pki.issue(Subject("alice", Role.VIEWER))
    before = (pki.folder / "alice.key").read_bytes()
    made = pki.renew("alice", new_key=True)
    after = (pki.folder / "alice.key").read_bytes()
    assert after != before
    key = serialization.load_pem_private_key(after, None)
    assert key.public_key() == made.certificate.public_key()
    assert pki.show("alice").problem is None


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Subject("ca", Role.VIEWER), "NAME 'ca'"),
        (Subject("../x", Role.VIEWER), "NAME '../x'"),
        (Subject("x" * 64, Role.VIEWER), "1 to 63 letters"),
        (Subject("a.", Role.VIEWER), "NAME 'a.'"),
        (Subject("alice", Role.VIEWER, ("10.0.0.1",)), "never dialled"),
        (Subject("c", Role.CONTROLLER, ("10.0.0.1:9443",)), "without a port"),
        (Subject("c", Role.CONTROLLER, ("10.0.0.256",)), "write an IP address or a DNS name"),
        (Subject("e", Role.ETCD, ("etcd1.example.net",)), "give it with --address"),
    ],
)
def test_what_makes_no_sense_is_refused(pki: Pki, wanted: Subject, says: str) -> None:
    before = _contents(pki.folder)
    with pytest.raises(PkiError, match=says.replace(".", r"\.")):
        pki.issue(wanted)
    assert _contents(pki.folder) == before


def test_nothing_outlives_its_authority(pki: Pki) -> None:
    late = Pki(pki.folder, NOW + timedelta(days=3640))
    with pytest.raises(PkiError, match="give --days 10 or less"):
        late.issue(Subject("alice", Role.VIEWER))
    assert late.issue(Subject("alice", Role.VIEWER), days=10).until == NOW + timedelta(days=3650)


def test_a_key_of_the_authority_that_others_can_read_is_not_used(pki: Pki) -> None:
    (pki.folder / "ca.key").chmod(0o640)
    with pytest.raises(PkiError, match=r"ca\.key: others can read or write it \(mode 0640\); chmod 600"):
        pki.issue(Subject("alice", Role.VIEWER))


def test_without_its_key_the_authority_says_where_to_issue(pki: Pki) -> None:
    (pki.folder / "ca.key").unlink()
    with pytest.raises(PkiError, match=r"ca\.key: is not here; issue certificates where"):
        pki.issue(Subject("alice", Role.VIEWER))


def test_another_authority_s_key_is_noticed(pki: Pki, tmp_path: Path) -> None:
    other = Pki(tmp_path / "other", NOW)
    other.init("other")
    shutil.copy(other.folder / "ca.key", pki.folder / "ca.key")
    with pytest.raises(PkiError, match=r"ca\.key: is not the key of"):
        pki.issue(Subject("alice", Role.VIEWER))


def test_show_warns_of_what_ends_and_of_files_that_do_not_fit(
    pki: Pki, capsys: pytest.CaptureFixture[str]
) -> None:
    pki.issue(Subject("alice", Role.VIEWER), days=40)
    clock = SetClock()
    clock.unix = NOW.timestamp()
    assert show(pki.folder, None, True, clock) == codes.Pki.DONE
    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["role"], row["days_left"]) for row in rows] == [
        ("ca", "authority", 3650),
        ("alice", "viewer", 40),
    ]
    clock.unix += 11 * 86400
    assert show(pki.folder, "alice", False, clock) == codes.Pki.ATTENTION
    assert "29" in capsys.readouterr().out
    clock.unix -= 11 * 86400
    shutil.copy(pki.folder / "ca.key", pki.folder / "alice.key")
    assert show(pki.folder, "alice", True, clock) == codes.Pki.ATTENTION
    assert "alice.key: is not the key of alice.pem" in capsys.readouterr().err


def test_the_command_line_makes_what_it_says(tmp_path: Path) -> None:
    run, folder = CliRunner(), str(tmp_path / "pki")
    done = run.invoke(app, ["pki", "issue", folder, "alice"])
    assert done.exit_code == codes.Pki.REFUSED
    assert f"holds no authority; make one with evenkeel pki init {folder}" in done.output
    assert run.invoke(app, ["pki", "init", folder]).exit_code == codes.Pki.DONE
    arguments = ["ctl1", "--role", "controller", "--address", "10.0.0.1", "--address", "ctl.example.net"]
    done = run.invoke(app, ["pki", "issue", folder, *arguments])
    assert done.exit_code == codes.Pki.DONE
    assert done.output.startswith(f"{folder}/ctl1.pem (key ctl1.key), until ")
    assert run.invoke(app, ["pki", "renew", folder, "ctl1", "--days", "700"]).exit_code == codes.Pki.DONE
    done = run.invoke(app, ["pki", "show", folder, "bob"])
    assert (done.exit_code, "there are: ca, ctl1" in done.output) == (codes.Pki.REFUSED, True)
