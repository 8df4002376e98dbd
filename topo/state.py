"""What labs leave on the machine, by lab name: directory, namespaces, lock; whose it is; and removing all of it.

What a process builds for itself alone (a test's lab, the demo's, a namespace) it claims. It removes that itself, and
where it was killed, the next sweep does. Labs that no process claims stay until they are taken down.
"""

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
CLAIMS = ROOT / ".claims"
"""Who will remove what: lab.NAME.json, space.NAME.json. No lab can be called like the folder."""
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
    """Remove a lab by name, whatever state it is in, once no other process is changing it. May be repeated."""
    with locked(name):
        clear(name)


def clear(name: str) -> None:
    """Remove all of a lab, whatever state it is in; what is not there is no error."""
    check_name(name)
    directory = ROOT / name
    process.kill(each.pid for each in process.recall(directory / "pids") if each.alive)
    _remove_spaces(spaces(name))
    shutil.rmtree(directory, ignore_errors=True)
    _unclaim(f"lab.{name}")


def claim(name: str) -> None:
    """Say that this process will remove a lab, before any of it is built; its lock must be held."""
    _claim(f"lab.{name}")


@contextmanager
def space(name: str) -> Iterator[str]:
    """A namespace of this process's own, in no lab; it is removed with all that lives there.

    Raises OSError (FileExistsError when there is one).
    """
    with _lock(_lock_of_space(name)):
        if (netns.RUN / name).exists():
            raise FileExistsError(f"network namespace {name} exists: ip netns del {name}")
        _claim(f"space.{name}")
        netns.create(name)
    try:
        yield name
    finally:
        _remove_spaces([name])
        _unclaim(f"space.{name}")


def sweep() -> list[str]:
    """Remove what was claimed by processes that are gone; names of the labs and namespaces."""
    removed = []
    for claimed in process.recall(CLAIMS):
        kind, _, name = claimed.name.partition(".")
        with _lock(_lock_of_lab(name) if kind == "lab" else _lock_of_space(name)):
            # Asked again: it may have been removed, or made again, before the lock was ours.
            if any(not each.alive for each in process.recall(CLAIMS) if each.name == claimed.name):
                if kind == "lab":
                    clear(name)
                else:
                    _remove_spaces([name])
                    _unclaim(claimed.name)
                removed.append(name)
    return removed


def _claim(what: str) -> None:
    for _ in range(
        10
    ):  # the process that gives up the last claim removes the folder, which may be between our two steps
        with suppress(FileNotFoundError):
            process.remember(CLAIMS, what, os.getpid())
            return
    raise LabError(f"{CLAIMS} cannot be written")


def _unclaim(what: str) -> None:
    (CLAIMS / f"{what}.json").unlink(missing_ok=True)
    for folder in (CLAIMS, ROOT):
        with suppress(OSError):
            folder.rmdir()


def _remove_spaces(own: list[str]) -> None:
    for _ in range(3):  # a program killed while it started another leaves one more round to do
        remaining = netns.inhabitants(own)
        if not remaining:
            break
        process.kill(remaining)
    for each in own:
        netns.remove(each)


@contextmanager
def locked(name: str) -> Iterator[None]:
    """One change of a lab at a time, over all processes."""
    check_name(name)
    with _lock(_lock_of_lab(name)):
        yield


def _lock_of_lab(name: str) -> Path:
    return Path(f"/run/lock/evenkeel-{name}.lock")


def _lock_of_space(name: str) -> Path:
    return Path(f"/run/lock/evenkeel-space-{name}.lock")


@contextmanager
def _lock(path: Path) -> Iterator[None]:
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
