"""What labs leave on the machine, by lab name: directory, namespaces, lock; and removing all of it."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from topo import netns, process
from topo.errors import LabError

ROOT = Path("/run/evenkeel")
PREFIX = "ek-"
_NAME = re.compile(r"[a-z][a-z0-9]{0,11}")


def check_name(name: str) -> None:
    """Raise ``LabError`` unless this can name a lab; without "-", no lab's names begin with another's."""
    if _NAME.fullmatch(name) is None:
        raise LabError(f"lab name {name!r}: up to 12 of a-z and 0-9, beginning with a letter")


def spaces(lab: str) -> list[str]:
    """Namespaces of a lab that exist."""
    return netns.names(f"{PREFIX}{lab}-")


def space_of(lab: str, node: str) -> str:
    """Namespace of a node."""
    return f"{PREFIX}{lab}-{node}"


def labs() -> list[str]:
    """Labs of which anything exists: a state directory or a namespace."""
    found = {space.split("-")[1] for space in netns.names(PREFIX) if space.count("-") == 2}
    if ROOT.is_dir():
        found |= {path.name for path in ROOT.iterdir() if path.is_dir() and _NAME.fullmatch(path.name)}
    return sorted(found)


def remove(name: str) -> None:
    """Remove a lab by name, whatever state it is in, once nobody else is changing it. May be repeated."""
    with locked(name):
        clear(name)


def clear(name: str) -> None:
    """Remove all of a lab, whatever state it is in; what is not there is no error."""
    check_name(name)
    directory = ROOT / name
    process.kill(each.pid for each in process.recall(directory / "pids") if each.alive)
    own = spaces(name)
    for _ in range(3):  # a program killed while it started another leaves one more round to do
        remaining = netns.inhabitants(own)
        if not remaining:
            break
        process.kill(remaining)
    for space in own:
        netns.remove(space)
    shutil.rmtree(directory, ignore_errors=True)
    with suppress(OSError):
        ROOT.rmdir()


@contextmanager
def locked(name: str) -> Iterator[None]:
    """One change of a lab at a time, over all processes."""
    check_name(name)
    path = Path(f"/run/lock/evenkeel-{name}.lock")
    while True:
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_still(path, file.fileno()):
                continue  # its last holder removed it: what we locked is no longer the lock
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
