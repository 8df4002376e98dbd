"""An audit log that another has written: it is whole, or the first line that is not is named."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import mkdtemp

from controller.security.auditfile import AuditFile
from controller.security.auditrecord import NO_HASH, Step, line
from controller.security.auditverify import verify
from controller.security.errors import AuditError
from tests.fakes.core import SetClock
from tests.fuzz.octets import mutated
from tests.fuzz.outcomes import shape
from tests.fuzz.target import Target

_BODIES = (
    "[" * 8000,
    '{"a":' * 3000,
    '{"seq":' + "9" * 5000,
    '{"seq":1e999,"step":"asked","prev":""',
    '{"seq":true,"step":[],"prev":{}',
    '{"seq":null,"step":"begun","prev":null',
    "[1,2",
    '"x"',
)
_MEMORY = Path("/dev/shm")
"""Where waiting for the disk takes no time."""


class Audit(Target):
    """The verifier, and the controller that takes such a file up."""

    name = "audit"
    modules = ("controller/security/auditverify.py", "controller/security/auditrecord.py")
    tokens = (b"\n", b'"', b"{", b"}", b"[", b'"seq":', b'"prev":', b'"hash":"', b"\\ud800", b"1e999")

    def __init__(self) -> None:
        self._folder = Path(mkdtemp(prefix="fuzz-audit-", dir=_MEMORY if _MEMORY.is_dir() else None))
        self._file = self._folder / "audit.log"

    def seeds(self) -> list[bytes]:
        """A good log, and lines whose hash is right and whose content is not."""
        return [_log(4), _log(1), *(_sealed(each) for each in _BODIES)]

    def mutate(self, chance: Random, data: bytes, other: bytes) -> bytes:
        """Half of the time the hashes are made right again: an attacker would."""
        out = mutated(chance, data, other, self.tokens)
        if chance.random() < 0.5:
            return out
        lines = out.split(b"\n")
        at = chance.randrange(len(lines))
        lines[at] = _sealed(lines[at].partition(b',"hash":"')[0]).rstrip(b"\n")
        return b"\n".join(lines)

    def feed(self, data: bytes) -> str:
        """Verify it; then go on in it."""
        self._file.write_bytes(data)
        try:
            said = f"whole: {min(verify(self._file).last.seq, 9)}"
        except AuditError as error:
            said = shape(str(error).partition("audit.log")[2])
        return f"{said} / {self._taken_up()}"

    def _taken_up(self) -> str:
        file = AuditFile(self._file, SetClock(), 1 << 20, 2)
        try:
            file.open()
        except AuditError as error:
            return shape(str(error).partition("audit.log")[2])
        finally:
            file.close()
        return "taken up"

    def end(self) -> None:
        """Leave nothing."""
        for each in self._folder.iterdir():
            each.unlink()
        os.rmdir(self._folder)


def _log(records: int) -> bytes:
    out, prev = b"", NO_HASH
    for seq in range(records):
        step = Step.ASKED if seq else Step.BEGUN
        text, prev = line(seq, 1.5, step, prev, {"who": "alice", "what": ["pool 'web'"]} if seq else {})
        out += text
    return out


def _sealed(body: bytes | str) -> bytes:
    body = body.encode() if isinstance(body, str) else body
    return body + f',"hash":"{sha256(body).hexdigest()}"}}\n'.encode()
