"""Network namespaces: create, remove, enter with one thread, and who lives in them."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyroute2 import netns

RUN = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


@contextmanager
def _returning() -> Iterator[None]:
    """Bring the calling thread back to the namespace it is in now."""
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        _check(_libc.setns(back, _CLONE_NEWNET), "return to the first network namespace")
        os.close(back)


def create(name: str) -> None:
    """Make a namespace that ``ip netns`` knows too. Raises OSError (FileExistsError when there is one)."""
    with _returning():
        _check(_libc.unshare(_CLONE_NEWNET), f"create network namespace {name}")
        # "thread-self" and not a child process: forking here would be unsafe beside the caller's threads.
        netns.attach(name, f"self/task/{threading.get_native_id()}")


def remove(name: str) -> None:
    """Remove a namespace, and with it its interfaces; one that is not there is no error."""
    with suppress(OSError):
        netns.remove(name)
    with suppress(FileNotFoundError):
        (RUN / name).unlink()


@contextmanager
def enter(name: str) -> Iterator[None]:
    """Be in a namespace with the calling thread: its new sockets and child processes are born there."""
    target = os.open(RUN / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with _returning():
            _check(_libc.setns(target, _CLONE_NEWNET), f"enter network namespace {name}")
            yield
    finally:
        os.close(target)


def names(prefix: str) -> list[str]:
    """Existing namespaces whose names begin like this."""
    try:
        return sorted(name for name in os.listdir(RUN) if name.startswith(prefix))
    except FileNotFoundError:
        return []


def inhabitants(spaces: Iterable[str]) -> list[int]:
    """Processes living in any of these namespaces, the calling process and its ancestors excepted."""
    inodes = set()
    for space in spaces:
        with suppress(OSError):
            status = os.stat(RUN / space)
            inodes.add((status.st_dev, status.st_ino))
    spared = _own_line()
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in spared:
            with suppress(OSError):
                status = os.stat(f"/proc/{entry}/ns/net")
                if (status.st_dev, status.st_ino) in inodes:
                    found.append(int(entry))
    return found


def _own_line() -> set[int]:
    """This process and its ancestors: a lab taken down from a shell inside it must not kill that shell."""
    line, pid = set(), os.getpid()
    while pid > 1:
        line.add(pid)
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            break
    return line


def sysctl(key: str, value: str) -> None:
    """Set a kernel parameter of the namespace that the calling thread is in; keys use "/" between parts."""
    Path(f"/proc/sys/{key}").write_text(value)
