"""An authority in a folder, which signs the certificates of a fabric.

    DIR/ca.pem     certificate of the authority: given to all
    DIR/ca.key     its key, mode 0600: stays here, and is needed for ``issue`` and ``renew`` alone
    DIR/NAME.pem   a certificate
    DIR/NAME.key   its key, mode 0600: goes to where it is used

Files are written whole, and none is overwritten but the certificate that is renewed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from controller.security import certificates
from controller.security.certificates import Role, Subject
from controller.security.errors import PkiError
from controller.security.files import PUBLIC, SECRET, create, replace, too_open

CA = "ca"
CA_DAYS, DAYS = 3650, 365
"""For how long the authority and what it signs are good, unless said otherwise."""
MOST_DAYS = 36500
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Issued:
    """A certificate in the folder."""

    name: str
    path: Path
    certificate: x509.Certificate
    problem: str | None = None
    """What is wrong with the files, and what to do; None: nothing."""

    @property
    def subject(self) -> Subject:
        """What it was asked for."""
        said = certificates.named(self.certificate)
        at = tuple(each for each in certificates.dialled_at(self.certificate) if each != self.name)
        return Subject(self.name, said.role or Role.SERVER, at)

    @property
    def until(self) -> datetime:
        """When it ends."""
        return self.certificate.not_valid_after_utc


class Pki:
    """The folder. ``now`` is UTC."""

    def __init__(self, folder: Path, now: datetime) -> None:
        self.folder, self._now = folder, now

    def init(self, name: str, days: int = CA_DAYS) -> Issued:
        """A new authority. Raises PkiError."""
        _check_days(days)
        if not name.isprintable() or not 1 <= len(name) <= 64:
            raise PkiError(f"--name {name!r}: write 1 to 64 printable characters")
        key = certificates.new_key()
        made = certificates.authority(name, key, self._now, days)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise PkiError(f"{self.folder}: {error.strerror}; give a folder that can be made") from error
        self._create(CA, made, key)
        return Issued(CA, self._cert(CA), made)

    def issue(self, wanted: Subject, days: int = DAYS) -> Issued:
        """A key, and a certificate for it. Raises PkiError."""
        check(wanted)
        ca, ca_key = self._authority()
        until = self._until(ca, days)
        key = certificates.new_key()
        made = certificates.signed(wanted, key.public_key(), ca, ca_key, self._now, until)
        self._create(wanted.name, made, key)
        return Issued(wanted.name, self._cert(wanted.name), made)

    def renew(self, name: str, days: int = DAYS, new_key: bool = False) -> Issued:
        """Another certificate for the same name, role and addresses, in the place of the old one.

        The key stays, so that one file changes and nothing that reads both ever meets a pair that does not match.
        ``new_key``: the key is replaced first; what reads the two in between goes on with what it has. Raises PkiError.
        """
        old = self.show(name)
        if name == CA:
            raise PkiError(
                "the authority itself is not renewed: make another one in a new folder, have all trust both "
                "(one file with both certificates), and then issue again"
            )
        ca, ca_key = self._authority()
        until = self._until(ca, days)
        key = certificates.new_key() if new_key else _read_key(self._key(name))
        made = certificates.signed(old.subject, key.public_key(), ca, ca_key, self._now, until)
        try:
            if new_key:
                replace(self._key(name), certificates.key_pem(key), SECRET)
            replace(self._cert(name), certificates.pem(made), PUBLIC)
        except OSError as error:
            raise PkiError(f"{self._cert(name)}: {error.strerror}; renew it again") from error
        return Issued(name, self._cert(name), made)

    def show(self, name: str) -> Issued:
        """One certificate. Raises PkiError."""
        path = self._cert(name)
        if not path.is_file():
            known = (
                ", ".join(each.name for each in self) or f"none; begin with evenkeel pki init {self.folder}"
            )
            raise PkiError(f"{path}: there is no certificate of that name; there are: {known}")
        made = _read_certificate(path)
        return Issued(name, path, made, self._problem(name, made))

    def __iter__(self) -> Iterator[Issued]:
        """All certificates, the authority first. Raises PkiError."""
        names = sorted(path.stem for path in self.folder.glob("*.pem") if not path.name.startswith("."))
        for name in sorted(names, key=lambda each: each != CA):
            yield self.show(name)

    def _problem(self, name: str, made: x509.Certificate) -> str | None:
        key = self._key(name)
        if not key.exists():
            return None  # it was moved to where it is used
        try:
            return too_open(key) or (
                None if _match(made, _read_key(key)) else f"{key}: is not the key of {name}.pem"
            )
        except OSError as error:
            return f"{key}: {error.strerror}"
        except PkiError as error:
            return str(error)

    def _authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        cert, key = self._cert(CA), self._key(CA)
        if not cert.is_file():
            raise PkiError(
                f"{self.folder}: holds no authority; make one with evenkeel pki init {self.folder}"
            )
        try:
            wrong = too_open(key)
        except FileNotFoundError:
            raise PkiError(
                f"{key}: is not here; issue certificates where the authority's key is kept"
            ) from None
        except OSError as error:
            raise PkiError(f"{key}: {error.strerror}") from error
        if wrong is not None:
            raise PkiError(wrong)
        found, signer = _read_certificate(cert), _read_key(key)
        if not _match(found, signer):
            raise PkiError(f"{key}: is not the key of {cert}")
        return found, signer

    def _until(self, ca: x509.Certificate, days: int) -> datetime:
        _check_days(days)
        end, until = ca.not_valid_after_utc, self._now + timedelta(days=days)
        if until > end:
            left = max(int((end - self._now) / timedelta(days=1)), 0)
            right = f"give --days {left} or less" if left else "make another one in a new folder"
            raise PkiError(f"the authority ends {end:%Y-%m-%d}, before {until:%Y-%m-%d}; {right}")
        return until

    def _create(self, name: str, made: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        """Both files or none."""
        for path in (self._cert(name), self._key(name)):
            if path.exists():
                again = (
                    "issue for another name"
                    if name == CA
                    else f"evenkeel pki renew {self.folder} {name}, or another name"
                )
                raise PkiError(f"{path}: is there already, and is not overwritten; {again}")
        path = self._key(name)
        try:
            create(path, certificates.key_pem(key), SECRET)
            path = self._cert(name)
            create(path, certificates.pem(made), PUBLIC)
        except OSError as error:
            if path == self._cert(name):
                with suppress(OSError):
                    self._key(name).unlink()
            raise PkiError(f"{path}: {error.strerror}; nothing was made") from error

    def _cert(self, name: str) -> Path:
        return self.folder / f"{name}.pem"

    def _key(self, name: str) -> Path:
        return self.folder / f"{name}.key"


def check(wanted: Subject) -> None:
    """Whether a certificate can be made for that. Raises PkiError."""
    if wanted.name == CA or not _NAME.fullmatch(wanted.name):
        raise PkiError(
            f"NAME {wanted.name!r}: write 1 to 63 letters, digits, dots, dashes and underscores, the first and last a "
            f"letter or digit; not {CA!r}, which is the authority's"
        )
    if wanted.addresses and wanted.role not in certificates.SERVES:
        raise PkiError(f"--address: a {wanted.role} dials and is never dialled; leave it out")
    for each in wanted.addresses:
        if certificates.address_of(each) is None and not _dns(each):
            raise PkiError(f"--address {each!r}: write an IP address or a DNS name, without a port")
    if wanted.role is Role.ETCD and not any(certificates.address_of(each) for each in wanted.addresses):
        raise PkiError("--role etcd: members check the IP address of each other; give it with --address")


def _dns(text: str) -> bool:
    labels = text.removeprefix("*.").split(".")
    return len(text) <= 253 and all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()


def _check_days(days: int) -> None:
    if not 1 <= days <= MOST_DAYS:
        raise PkiError(f"--days {days}: write a whole number from 1 to {MOST_DAYS}")


def _match(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
    return certificate.public_key() == key.public_key()


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise PkiError(f"{path}: {error.strerror}") from error
    except ValueError:
        raise PkiError(f"{path}: is no certificate in PEM") from None


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        found = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise PkiError(f"{path}: {error.strerror}; it is needed here for that") from error
    except (ValueError, TypeError):
        raise PkiError(f"{path}: is no private key in PEM that is not encrypted") from None
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise PkiError(f"{path}: is no key on an elliptic curve")
    return found
