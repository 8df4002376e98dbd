"""Keys of signed zones, in a folder: each file is one key, and every key of a zone signs all of it (RFC 6781).

    DIR/ZONE+013+TAG.pem    PKCS #8, mode 0600

A zone has one kind of key, which signs its other keys and its records alike. To change it: add a key, so that all is
signed twice; let the parent have the new DS in place of the old one; remove the old key.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from controller.exits.names.serve.wire import Malformed, of_text
from controller.security.files import SECRET, create, too_open

ALGORITHM = 13
"""ECDSA on P-256 with SHA-256 (RFC 6605)."""
FLAGS = 257
"""A key of a zone that a DS stands for."""
SHA256 = 2
_FILE = re.compile(r"(?P<zone>.+)\+013\+(?P<tag>\d{5})\.pem")
_PLAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
MOST = 4
"""Keys of a zone at a time: each makes every answer longer."""


class KeyProblem(RuntimeError):
    """A key that cannot be used; the message names the file and what would help."""


@dataclass(frozen=True)
class ZoneKey:
    """One key."""

    zone: str
    """Its origin, such as ``example.net.``"""
    private: ec.EllipticCurvePrivateKey

    @cached_property
    def rdata(self) -> bytes:
        """Of its DNSKEY."""
        numbers = self.private.public_key().public_numbers()
        point = numbers.x.to_bytes(32) + numbers.y.to_bytes(32)
        return FLAGS.to_bytes(2) + bytes((3, ALGORITHM)) + point

    @cached_property
    def tag(self) -> int:
        """By which signatures name it (RFC 4034, appendix B)."""
        total = sum(octet << 8 if at % 2 == 0 else octet for at, octet in enumerate(self.rdata))
        return (total + (total >> 16)) & 0xFFFF

    @property
    def file(self) -> str:
        """Its name in the folder."""
        return f"{self.zone.rstrip('.')}+013+{self.tag:05}.pem"

    @property
    def ds(self) -> str:
        """What the parent zone has to hold, as a line of a zone file."""
        digest = hashlib.sha256(of_text(self.zone) + self.rdata).hexdigest().upper()
        return f"{self.zone} IN DS {self.tag} {ALGORITHM} {SHA256} {digest}"

    @property
    def dnskey(self) -> str:
        """The public key, as a line of a zone file."""
        public = base64.b64encode(self.rdata[4:]).decode()
        return f"{self.zone} IN DNSKEY {FLAGS} 3 {ALGORITHM} {public}"


def zone_name(text: str) -> str:
    """An origin as it is written here. Raises KeyProblem."""
    zone = text.lower().rstrip(".")
    if not _PLAIN.fullmatch(zone):
        raise KeyProblem(f"{text!r}: write a zone, such as example.net")
    try:
        of_text(f"{zone}.")
    except Malformed as error:
        raise KeyProblem(str(error)) from error
    return f"{zone}."


def new_key(folder: Path, zone: str) -> ZoneKey:
    """A key more of a zone, in the folder. Raises KeyProblem."""
    zone = zone_name(zone)
    there = _list(folder, zone) if folder.is_dir() else ()
    if len(there) >= MOST:
        raise KeyProblem(f"{folder}: {zone} has {MOST} keys; remove those that no DS stands for")
    tags = {each.tag for each in there}
    while (made := ZoneKey(zone, ec.generate_private_key(ec.SECP256R1()))).tag in tags:
        pass
    octets = made.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        create(folder / made.file, octets, SECRET)
    except OSError as error:
        raise KeyProblem(f"{folder / made.file}: {error.strerror}; give a folder that is writable") from error
    return made


def remove_key(folder: Path, zone: str, tag: int) -> ZoneKey:
    """Take a key away: what it alone signed cannot be proved any more. Raises KeyProblem."""
    zone = zone_name(zone)
    there = keys_of(folder, zone)
    found = next((each for each in there if each.tag == tag), None)
    if found is None:
        tags = ", ".join(str(each.tag) for each in there) or "none"
        raise KeyProblem(f"{folder}: {zone} has no key {tag}; there are {tags}")
    try:
        (folder / found.file).unlink()
    except OSError as error:
        raise KeyProblem(f"{folder / found.file}: {error.strerror}") from error
    return found


def keys_of(folder: Path, zone: str | None = None) -> tuple[ZoneKey, ...]:
    """All keys, or those of one zone, in order of zones and tags. Raises KeyProblem."""
    return _list(folder, None if zone is None else zone_name(zone))


def _list(folder: Path, zone: str | None) -> tuple[ZoneKey, ...]:
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise KeyProblem(f"{folder}: {error.strerror}; evenkeel dns keys new makes keys in it") from error
    named = ((file, _FILE.fullmatch(file.name)) for file in files)
    keys = [_key(file, f"{m['zone']}.") for file, m in named if m and zone in (None, f"{m['zone']}.")]
    return tuple(sorted(keys, key=lambda each: (each.zone, each.tag)))


def _key(file: Path, zone: str) -> ZoneKey:
    try:
        problem = too_open(file)
        if problem is not None:
            raise KeyProblem(problem)
        read = serialization.load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        raise KeyProblem(f"{file}: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyProblem(
            f"{file}: no private key that can be read; put back the file that was made"
        ) from error
    if not isinstance(read, ec.EllipticCurvePrivateKey) or not isinstance(read.curve, ec.SECP256R1):
        raise KeyProblem(
            f"{file}: not a key on the curve P-256, which is the kind that zones are signed with"
        )
    made = ZoneKey(zone, read)
    if made.file != file.name:
        raise KeyProblem(f"{file}: holds the key {made.tag}; call it {made.file}")
    return made
