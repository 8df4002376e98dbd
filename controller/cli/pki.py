"""``evenkeel pki``: an authority in a folder, and the certificates that it signs; ``evenkeel token``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from controller.cli import codes
from controller.clock import Clock, SystemClock
from controller.model.errors import ConfigErrors
from controller.security import certificates
from controller.security.certificates import Role, Subject
from controller.security.errors import PkiError, SecurityError
from controller.security.pki import CA, Issued, Pki
from controller.security.rolesfile import add_token

SOON = 30
"""Days before the end of a certificate from which ``show`` exits with 1."""


def init(folder: Path, name: str, days: int) -> int:
    """Make an authority."""
    return _made(folder, lambda pki: pki.init(name, days))


def issue(folder: Path, name: str, role: Role, addresses: Iterable[str], days: int) -> int:
    """Sign a certificate for a new key."""
    wanted = Subject(name, role, tuple(dict.fromkeys(addresses)))
    return _made(folder, lambda pki: pki.issue(wanted, days))


def renew(folder: Path, name: str, days: int, new_key: bool) -> int:
    """Sign another certificate in the place of an old one."""
    return _made(folder, lambda pki: pki.renew(name, days, new_key))


def show(folder: Path, name: str | None, json_out: bool, clock: Clock | None = None) -> int:
    """Print what was issued; 1 if something has ended, ends soon, or is not as it should be."""
    now = _now(clock or SystemClock())
    pki = Pki(folder, now)
    try:
        found = list(pki) if name is None else [pki.show(name)]
        if not found:
            pki.show(CA)
    except PkiError as error:
        return _refused(error)
    rows = [_row(each, now) for each in found]
    if json_out:
        print(json.dumps(rows, indent=1))
    else:
        _print(rows)
    for each in found:
        if each.problem is not None:
            print(each.problem, file=sys.stderr)
    fine = all(each.problem is None and each.until > now + timedelta(days=SOON) for each in found)
    return codes.Pki.DONE if fine else codes.Pki.ATTENTION


def token(file: Path, name: str) -> int:
    """Make a token and print it."""
    try:
        made = add_token(file, name)
    except (SecurityError, ConfigErrors) as error:
        return _refused(error)
    print(made)
    return codes.Pki.DONE


def _made(folder: Path, make: Callable[[Pki], Issued]) -> int:
    try:
        made = make(Pki(folder, _now(SystemClock())))
    except PkiError as error:
        return _refused(error)
    print(f"{made.path} (key {made.path.with_suffix('.key').name}), until {made.until:%Y-%m-%d}")
    return codes.Pki.DONE


def _refused(error: SecurityError | ConfigErrors) -> int:
    print(error, file=sys.stderr)
    return codes.Pki.REFUSED


def _now(clock: Clock) -> datetime:
    return datetime.fromtimestamp(int(clock.wall()), UTC)


def _row(each: Issued, now: datetime) -> dict[str, object]:
    said = certificates.named(each.certificate)
    left = each.until - now
    return {
        "name": each.name,
        "role": "authority" if each.name == CA else said.role,
        "dialled_at": list(certificates.dialled_at(each.certificate)),
        "until": f"{each.until:%Y-%m-%dT%H:%M:%SZ}",
        "days_left": left // timedelta(days=1),
        "serial": f"{each.certificate.serial_number:x}",
        "problem": each.problem,
    }


def _print(rows: Iterable[dict[str, object]]) -> None:
    table = Table("name", "role", "dialled at", "until", "days left")
    for row in rows:
        at = row["dialled_at"]
        assert isinstance(at, list)
        left = row["days_left"]
        assert isinstance(left, int)
        shown = "ended" if left < 0 else str(left)
        table.add_row(
            str(row["name"]), str(row["role"] or "-"), " ".join(at) or "-", str(row["until"])[:10], shown
        )
    Console().print(table)
