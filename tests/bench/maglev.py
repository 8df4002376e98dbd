"""Maglev table build: the whole call against the fill in plain C, alternating in one process."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from controller import maglev
from controller.maglev import WeightedBackend
from controller.maglev_reference import quotas

SOURCE = Path(__file__).with_name("maglev_reference.c")
FLAGS = ("-O2", "-O3 -march=native")
"""The C is compiled in each of these ways, and the fastest counts."""
ROUNDS = {1 << 16: 41, 1 << 19: 11, 1 << 20: 7}
"""Slots of a table: how often each contender builds it."""
COUNTS = (10, 100, 1000)

BACKEND = np.dtype(
    [
        ("cursor", "u4"),
        ("skip", "u4"),
        ("weight", "u4"),
        ("left", "u4"),
        ("credit", "u8"),
        ("id", "u2"),
    ],
    align=True,
)
"""``struct backend`` of the C source."""


@dataclass(frozen=True)
class PlainC:
    """The C program, compiled in one way and loaded into this process."""

    flags: str
    library: ctypes.CDLL

    def fill(self, backends: npt.NDArray[np.void], slots: int) -> tuple[float, maglev.Table]:
        """Return (seconds, table); the copy of ``backends`` that the C uses up is not timed."""
        work = backends.copy()
        table = np.empty(slots, np.uint16)
        arguments = (
            work.ctypes.data_as(ctypes.c_void_p),
            len(work),
            table.ctypes.data_as(ctypes.c_void_p),
            slots,
        )
        started = time.perf_counter()
        self.library.fill(*arguments)
        return time.perf_counter() - started, table


def run() -> dict[str, object]:
    """Measure; every pair of tables that is timed is also compared."""
    with tempfile.TemporaryDirectory() as folder:
        cold, cached = _start_seconds(folder)
        contenders, reason = _compile(Path(folder))
        maglev.warm()
        rows = [
            _row(slots, count, mixed, contenders)
            for slots in ROUNDS
            for count in COUNTS
            for mixed in (False, True)
        ]
    return {
        "builds": rows,
        "ratio_65536_worst": _worst(rows),
        "ratio_is": "median ms of our whole call / median ms of the fill in C",
        "ratio_missing_because": reason,
        "identities_ms_1000": _identities_ms(1000),
        "compile_s_cold": round(cold, 3),
        "compile_s_cached": round(cached, 3),
    }


def _row(slots: int, count: int, mixed: bool, contenders: Sequence[PlainC]) -> dict[str, object]:
    members = _members(count, mixed)
    backends = _as_c(members, slots)
    ours: list[float] = []
    theirs: dict[str, list[float]] = {c.flags: [] for c in contenders}
    table = maglev.build(members, slots)
    for _ in range(ROUNDS[slots]):
        started = time.perf_counter()
        maglev.build(members, slots)
        ours.append(time.perf_counter() - started)
        for contender in contenders:
            seconds, its_table = contender.fill(backends, slots)
            theirs[contender.flags].append(seconds)
            if not np.array_equal(table, its_table):
                raise RuntimeError(f"C and Evenkeel disagree on {count} backends in {slots} slots")
    best = min(theirs.values(), key=median, default=None)
    return {
        "slots": slots,
        "backends": count,
        "weights": "mixed" if mixed else "equal",
        "ours_ms": _ms(median(ours)),
        "ours_min_ms": _ms(min(ours)),
        "c_ms": None if best is None else _ms(median(best)),
        "c_min_ms": None if best is None else _ms(min(best)),
        "ratio": None if best is None else round(median(ours) / median(best), 3),
    }


def _members(count: int, mixed: bool) -> list[WeightedBackend]:
    """Equal weights, or 1 to 10 in a pattern that repeats every ten backends."""
    return [WeightedBackend(f"server-{i}", i + 1, 1 + i * 7 % 10 if mixed else 1) for i in range(count)]


def _as_c(members: Sequence[WeightedBackend], slots: int) -> npt.NDArray[np.void]:
    ordered = sorted(members)
    backends = np.zeros(len(ordered), BACKEND)
    due = quotas([member.weight for member in ordered], slots)
    for backend, member, left in zip(backends, ordered, due, strict=True):
        digest = hashlib.blake2b(member.name.encode(), digest_size=16).digest()
        backend["cursor"] = int.from_bytes(digest[:8], "little") % slots
        backend["skip"] = int.from_bytes(digest[8:], "little") % slots | 1
        backend["weight"], backend["left"], backend["id"] = member.weight, left, member.id
    return backends


def _compile(folder: Path) -> tuple[list[PlainC], str | None]:
    """Return the C in each way of compiling it, or nothing and the reason."""
    compiler = shutil.which("gcc")
    if compiler is None:
        return [], "gcc is not installed"
    made = []
    for number, flags in enumerate(FLAGS):
        target = folder / f"maglev{number}.so"
        subprocess.run(
            [compiler, "-std=c11", *flags.split(), "-shared", "-fPIC", "-o", target, SOURCE],
            check=True,
            timeout=60,
        )
        library = ctypes.CDLL(str(target))
        library.fill.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32]
        library.fill.restype = None
        made.append(PlainC(flags, library))
    return made, None


def _start_seconds(folder: str) -> tuple[float, float]:
    """Seconds that a new process needs for ``warm`` with nothing compiled yet, and with what it then left."""
    program = (
        "import time; from controller import maglev; started = time.perf_counter(); "
        "maglev.warm(); print(time.perf_counter() - started)"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": folder, "PYTHONPATH": str(SOURCE.parents[2])}

    def once() -> float:
        command = [sys.executable, "-c", program]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=300
        )
        return float(done.stdout)

    return once(), once()


def _identities_ms(count: int) -> float:
    """What names cost when they are hashed for the first time (later builds remember the result)."""

    def build_seconds(prefix: str) -> float:
        members = [WeightedBackend(f"{prefix}-{i}", i + 1, 1) for i in range(count)]
        started = time.perf_counter()
        maglev.build(members, 1 << 16)
        return time.perf_counter() - started

    first = [build_seconds(f"new-{turn}") for turn in range(9)]
    again = [build_seconds("new-0") for _ in range(9)]
    return _ms(max(0.0, median(first) - median(again)))


def _worst(rows: Sequence[dict[str, object]]) -> float | None:
    """The largest ratio at 65,536 slots with 100 or 1,000 backends."""
    ratios = [row["ratio"] for row in rows if row["slots"] == 1 << 16 and row["backends"] in (100, 1000)]
    return max((ratio for ratio in ratios if isinstance(ratio, float)), default=None)


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 3)
