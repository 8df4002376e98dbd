"""``evenkeel dns keys``: what its commands do."""

from __future__ import annotations

import sys
from pathlib import Path

from controller.cli import codes
from controller.exits.names.serve.keys import KeyProblem, ZoneKey, keys_of, new_key, remove_key


def new(folder: Path, zone: str) -> int:
    """Make one. Returns an exit code."""
    try:
        made = new_key(folder, zone)
        count = len(keys_of(folder, zone))
    except KeyProblem as error:
        return _refused(error)
    print(f"made {folder / made.file}")
    print(made.ds)
    if count > 1:
        print(f"{made.zone} has {count} keys now, and all of it is signed by each of them", file=sys.stderr)
    return codes.Keys.DONE


def listed(folder: Path, zone: str | None) -> int:
    """Print them. Returns an exit code."""
    try:
        found = keys_of(folder, zone)
    except KeyProblem as error:
        return _refused(error)
    for key in found:
        print(_line(key))
    if not found:
        print(f"{folder}: no keys{'' if zone is None else f' of {zone}'}", file=sys.stderr)
    return codes.Keys.DONE


def remove(folder: Path, zone: str, tag: int) -> int:
    """Take one away. Returns an exit code."""
    try:
        if len(keys_of(folder, zone)) == 1:
            raise KeyProblem(
                f"{folder}: {zone} has no other key: take its DS out of the parent zone, wait until none remembers "
                "it, and remove the file"
            )
        gone = remove_key(folder, zone, tag)
    except KeyProblem as error:
        return _refused(error)
    print(f"removed {folder / gone.file}")
    return codes.Keys.DONE


def _line(key: ZoneKey) -> str:
    return f"{key.ds}\n  {key.dnskey}"


def _refused(error: KeyProblem) -> int:
    print(error, file=sys.stderr)
    return codes.Keys.REFUSED
