"""``evenkeel audit verify``: whether the audit log is as it was written."""

from __future__ import annotations

import sys
from pathlib import Path

from controller.cli import codes
from controller.security.auditverify import Break
from controller.security.auditverify import verify as verified
from controller.security.errors import AuditError


def verify(file: Path, holds: str | None) -> int:
    """Check the whole chain."""
    try:
        found = verified(file, holds)
    except Break as error:
        print(error, file=sys.stderr)
        return codes.Audit.BROKEN
    except AuditError as error:
        print(error, file=sys.stderr)
        return codes.Audit.UNREADABLE
    files = "" if found.files == 1 else f", in {found.files} files"
    print(f"records {found.first} to {found.last.seq}{files}: as written; the last hash is {found.last.hash}")
    return codes.Audit.GOOD
