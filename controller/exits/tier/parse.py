"""What HAProxy answers, as data: its processes, what a worker was made of, its servers, its statistics. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter

from controller.exits.tier.wanted import ServerRef

FORCED_MAINT, FORCED_DRAIN = 0x01, 0x08
"""Bits of ``srv_admin_state``."""
STATE_COLUMN = 5
"""Where ``srv_op_state`` stands in a row of ``show servers state``."""
FRONTEND = "FRONTEND"
_COLUMNS = (
    *("pxname", "svname", "mode", "status", "check_status", "last_chk"),
    *("scur", "qcur", "stot", "req_tot", "econ", "eresp", "hrsp_5xx", "wretr"),
)
_MASTER = re.compile(r"(\d+)\s+master\s+(\d+)(?:\s+\[failed: (\d+)\])?\s+\S+\s+(\S+)")
_WORKER = re.compile(r"(\d+)\s+worker\s+\d+")
_DESCRIPTION = re.compile(r"^description: (?:evenkeel )?(.*)$", re.MULTILINE)


class BadAnswer(ValueError):
    """HAProxy answers with something else than it should; the text says what."""


@dataclass(frozen=True)
class Processes:
    """A master and its workers."""

    version: str
    reloads: int
    failed: int
    """Reloads in a row that the file did not let happen."""
    worker: int | None
    """Process id of the present one."""
    old: tuple[int, ...]
    """Those of former ones, which still have connections."""


@dataclass(frozen=True)
class ServerHas:
    """A server, as a worker has it."""

    address: str
    port: int
    weight: int
    maint: bool
    drain: bool


@dataclass(frozen=True)
class Counted:
    """Statistics of a front end, pool or server."""

    sessions: int
    """Now."""
    queued: int
    requests: int
    """Since the process began; sessions in mode ``tcp``."""
    errors: int
    """Of them with status 500 to 599, or connections and answers that failed."""
    retries: int
    status: str
    """As HAProxy has it: ``UP``, ``DOWN``, ``no check``, ``MAINT``, ``DRAIN``, ``OPEN``."""
    check: str
    """How the last probe ended."""


@dataclass(frozen=True)
class Has:
    """One worker."""

    digest: str
    servers: Mapping[ServerRef, ServerHas]
    counted: Mapping[ServerRef, Counted]


def processes(text: str) -> Processes:
    """From ``show proc`` of a master. Raises BadAnswer."""
    master = _MASTER.search(text)
    if master is None:
        raise BadAnswer(f"no master answers show proc: {text[:100]!r}")
    now, _, old = text.partition("# old workers")
    new = _WORKER.search(now)
    return Processes(
        master[4],
        int(master[2]),
        int(master[3] or 0),
        None if new is None else int(new[1]),
        tuple(int(each) for each in _WORKER.findall(old)),
    )


def digest(text: str) -> str:
    """From ``show info``: what the worker was made of; empty: it was not made of a file of ours."""
    found = _DESCRIPTION.search(text)
    return "" if found is None else found[1]


def servers(text: str) -> dict[ServerRef, ServerHas]:
    """From ``show servers state``. Raises BadAnswer."""
    version, _, rest = text.partition("\n")
    head, _, rows = rest.partition("\n")
    if version.strip() != "1" or not head.startswith("# "):
        raise BadAnswer(f"show servers state begins with {text[:60]!r}")
    names = head[2:].split()
    found: dict[ServerRef, ServerHas] = {}
    for row in rows.splitlines():
        cells = row.split()
        if len(cells) != len(names):
            if cells:
                raise BadAnswer(f"show servers state has the row {row[:100]!r}")
            continue
        of = dict(zip(names, cells, strict=True))
        try:
            found[of["be_name"], of["srv_name"]] = ServerHas(
                of["srv_addr"],
                int(of["srv_port"]),
                int(of["srv_uweight"]),
                bool(int(of["srv_admin_state"]) & FORCED_MAINT),
                bool(int(of["srv_admin_state"]) & FORCED_DRAIN),
            )
        except (KeyError, ValueError) as error:
            raise BadAnswer(f"show servers state has the row {row[:100]!r}: {error}") from None
    return found


STATE_HEAD = 2
"""Lines before the first server of ``show servers state``."""


def known_down(text: str, still: Mapping[ServerRef, tuple[str, int]]) -> str:
    """What a new process is to know of servers: those that are down, from ``show servers state``.

    ``still``: address and port of those that are wanted. One with others is another server, and what the state says
    of address and weight would win over the file.
    """
    head, rows = text.splitlines()[:STATE_HEAD], text.splitlines()[STATE_HEAD:]
    found = servers(text)
    down = []
    for row in rows:
        cells = row.split()
        ref = (cells[1], cells[3]) if len(cells) > STATE_COLUMN else ("", "")
        had = found.get(ref)
        if had is None or had.maint or cells[STATE_COLUMN] != "0":
            continue
        if still.get(ref) == (had.address, had.port):
            down.append(row)
    return "".join(f"{line}\n" for line in (*head, *down))


def counted(text: str) -> dict[ServerRef, Counted]:
    """From ``show stat``, by (section, server), ``FRONTEND`` and ``BACKEND`` among them. Raises BadAnswer."""
    if not text.startswith("# pxname,"):
        raise BadAnswer(f"show stat begins with {text[:60]!r}")
    rows = csv.reader(_rows(text[2:]))
    at = {name: number for number, name in enumerate(next(rows))}
    if missing := [name for name in _COLUMNS if name not in at]:
        raise BadAnswer(f"show stat has no {missing[0]}")
    pick = itemgetter(*(at[name] for name in _COLUMNS))
    found: dict[ServerRef, Counted] = {}
    for row in rows:
        if len(row) < len(at):
            raise BadAnswer(f"show stat has the row {','.join(row)[:100]!r}")
        section, name, mode, status, check, last, *numbers = pick(row)
        scur, qcur, stot, requests, econ, eresp, failed, retries = map(_number, numbers)
        http = mode != "tcp"
        found[section, name] = Counted(
            scur,
            qcur,
            requests if http and name == FRONTEND else stot,
            econ + eresp + (failed if http else 0),
            retries,
            status,
            " ".join(filter(None, (check, last))),
        )
    return found


def _rows(text: str) -> Iterable[str]:
    return (line for line in text.splitlines() if line)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
