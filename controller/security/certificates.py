"""Certificates as values: what is in one, and how one is made. Pure, but for the random numbers of keys.

Every certificate of ours has the subject ``O=evenkeel, OU=ROLE, CN=NAME``: the name and role of what shows it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ORGANIZATION = "evenkeel"
SLACK = timedelta(minutes=5)
"""How far behind the clock of a machine may be that gets a certificate at once."""


class Role(StrEnum):
    """What shows a certificate."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    CONTROLLER = "controller"
    SWITCH = "switch"
    ETCD = "etcd"
    SERVER = "server"
    NAMESERVER = "nameserver"


DIALS = frozenset(Role) - {Role.SERVER}
"""Roles whose certificates are good for the side that opens a connection."""
SERVES = frozenset({Role.CONTROLLER, Role.SWITCH, Role.ETCD, Role.SERVER})
"""Roles whose certificates are good for the side that is dialled."""


@dataclass(frozen=True)
class Named:
    """What a certificate says of the one who shows it."""

    name: str
    """Common name; empty: it has none."""
    ours: bool
    """Whether its organization is ours, so that it was made for one role."""
    role: Role | None
    """None: no role of ours, as in certificates of another authority."""


@dataclass(frozen=True)
class Subject:
    """What a certificate is asked for."""

    name: str
    role: Role
    addresses: tuple[str, ...] = ()
    """IP addresses and DNS names at which it is dialled, besides ``name``."""


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS #8, not encrypted: the file's mode guards it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def pem(certificate: x509.Certificate) -> bytes:
    """As files hold it."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def authority(name: str, key: ec.EllipticCurvePrivateKey, now: datetime, days: int) -> x509.Certificate:
    """The certificate of a new authority, which signs itself and no further authority."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    return (
        _begun(subject, subject, key.public_key(), now, now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def signed(
    wanted: Subject,
    key: ec.EllipticCurvePublicKey,
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    now: datetime,
    until: datetime,
) -> x509.Certificate:
    """A certificate for ``wanted``."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, wanted.role.value),
            x509.NameAttribute(NameOID.COMMON_NAME, wanted.name),
        ]
    )
    uses = [ExtendedKeyUsageOID.SERVER_AUTH] if wanted.role in SERVES else []
    uses += [ExtendedKeyUsageOID.CLIENT_AUTH] if wanted.role in DIALS else []
    signer = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    made = (
        _begun(subject, ca.subject, key, now, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer), critical=False)
    )
    names = alternative_names(wanted)
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(ca_key, hashes.SHA256())


def alternative_names(wanted: Subject) -> list[x509.GeneralName]:
    """Of what is dialled: its addresses and its name. Of etcd the addresses alone: a member looks up every DNS name of
    the one that dials it, and refuses it if none leads back there."""
    if wanted.role not in SERVES:
        return []
    dialled = wanted.addresses if wanted.role is Role.ETCD else (*wanted.addresses, wanted.name)
    names: list[x509.GeneralName] = []
    for each in dict.fromkeys(dialled):
        address = address_of(each)
        names.append(x509.DNSName(each) if address is None else x509.IPAddress(address))
    return names


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """An IP address; None: it is a name."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def dialled_at(certificate: x509.Certificate) -> tuple[str, ...]:
    """The alternative names of a certificate, as people write them."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in names)


def named(certificate: x509.Certificate) -> Named:
    """Name and role in a certificate."""
    return named_by(
        (_text(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)),
        (_text(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)),
        (
            _text(each.value)
            for each in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
        ),
    )


def named_by(names: Iterable[str], organizations: Iterable[str], units: Iterable[str]) -> Named:
    """Name and role, from the parts of a subject; of two names, or two roles, none counts."""
    name, ours, unit = list(names), ORGANIZATION in organizations, list(units)
    role = Role(unit[0]) if ours and len(unit) == 1 and unit[0] in set(Role) else None
    return Named(name[0] if len(name) == 1 else "", ours, role)


def named_in(peercert: object) -> Named:
    """Name and role, from what ``ssl.SSLSocket.getpeercert`` gives; a certificate that is not there names nothing."""
    subject = peercert.get("subject", ()) if isinstance(peercert, dict) else ()
    parts = [pair for group in subject for pair in group]

    def of(kind: str) -> list[str]:
        return [value for key, value in parts if key == kind]

    return named_by(of("commonName"), of("organizationName"), of("organizationalUnitName"))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode(errors="replace")


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - SLACK)
        .not_valid_after(until.astimezone(UTC))
    )


def _usage(signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
