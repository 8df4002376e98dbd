"""One run of a fuzzer: from a seed, so many inputs or so much processor time.

seeds, corpus ─► pool ─► mutate ─► feed ─┬─► an outcome, or a line, that is new: into the pool
                                         └─► raised, hung or grown: a fault, kept as a file
"""

from __future__ import annotations

import hashlib
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.reached import Reached
from tests.fuzz.target import Target
from tests.fuzz.watch import Growth, Hang, Memory, limited

POOL = 4000
"""Inputs that others are made from, at most."""
OUTCOMES = 5000
"""Different outcomes that are told apart, at most."""
TRACED = 64
"""One input of so many is traced."""
SLOWER = 8
"""A run may take so many times its processor time, on a machine that has other things to do."""
FAULTS = 20
"""Different faults that end a run."""
CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Fault:
    """What an input did."""

    what: str
    where: str
    """The last line of ours."""
    data: bytes
    trace: str

    @property
    def name(self) -> str:
        """Of its file."""
        return hashlib.sha256(self.data).hexdigest()[:12]


@dataclass
class Result:
    """Of one run."""

    target: str
    seed: int
    inputs: int = 0
    seconds: float = 0.0
    """Of processor time."""
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: dict[str, Fault] = field(default_factory=dict)
    """By kind and place."""
    pool: int = 0
    lines: tuple[int, int] = (0, 0)
    slowest: float = 0.0
    """Seconds of processor time, of one input."""
    added: int = 0
    """MiB since the process was warm."""


def corpus(name: str) -> dict[str, bytes]:
    """Inputs of a target that are kept, by file name."""
    return {file.name: file.read_bytes() for file in sorted((CORPUS / name).glob("*")) if file.is_file()}


@dataclass
class Run:
    """Inputs one after the other."""

    target: Target
    seed: int
    inputs: int
    seconds: float
    """Of processor time, at most."""
    progress: Callable[[Result], None] = lambda _: None

    def __post_init__(self) -> None:
        self._chance = Random(self.seed)
        self._reached = Reached(self.target.modules)
        self._pool: list[bytes] = []
        self._ended = False
        self.result = Result(self.target.name, self.seed)

    def end(self) -> None:
        """After the input that is fed now."""
        self._ended = True

    def go(self) -> Result:
        """All of them."""
        result, began = self.result, time.process_time()
        late = time.monotonic() + SLOWER * self.seconds
        memory = Memory(max(self.inputs // 20, 2000))
        self.target.begin()
        try:
            with limited(self.target.seconds) as timer:
                for data in [*self.target.seeds(), *corpus(self.target.name).values()]:
                    self._pool.append(data)
                    self._feed(data, timer, memory, traced=True)
                while result.inputs < self.inputs and len(result.faults) < FAULTS and not self._ended:
                    if time.process_time() - began > self.seconds or time.monotonic() > late:
                        break
                    base, other = self._chance.choice(self._pool), self._chance.choice(self._pool)
                    data = self.target.mutate(self._chance, base, other)
                    self._feed(data, timer, memory, traced=result.inputs % TRACED == 0)
                    if result.inputs % 1024 == 0:
                        result.seconds = time.process_time() - began
                        self.progress(result)
        finally:
            self.target.end()
        result.seconds, result.pool = time.process_time() - began, len(self._pool)
        result.lines, result.added = self._reached.share(), memory.added
        return result

    def _feed(self, data: bytes, timer: Callable[[bool], None], memory: Memory, traced: bool) -> None:
        result, lines = self.result, len(self._reached)
        result.inputs += 1
        began = time.process_time()
        try:
            timer(True)
            if traced:
                with self._reached.traced():
                    outcome = self.target.feed(data)
            else:
                outcome = self.target.feed(data)
                result.slowest = max(result.slowest, time.process_time() - began)
            timer(False)
            memory.after(result.inputs)
        except (Exception, Hang, Growth) as error:
            timer(False)
            self._fault(data, error)
            self.target.begin()
            return
        new = outcome not in result.outcomes and len(result.outcomes) < OUTCOMES
        result.outcomes[outcome if new or outcome in result.outcomes else "others"] += 1
        if (new or len(self._reached) > lines) and len(self._pool) < POOL:
            self._pool.append(data)

    def _fault(self, data: bytes, error: BaseException) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        place = next((f for f in reversed(frames) if "/tests/fuzz/" not in f.filename), frames[-1])
        where = f"{'/'.join(Path(place.filename).parts[-3:])}:{place.lineno}"
        what = type(error).__name__
        kind = f"{what} at {where}" if not isinstance(error, Growth) else what
        self.result.outcomes["FAULT"] += 1
        if kind not in self.result.faults:
            text = "".join(traceback.format_exception(error))
            self.result.faults[kind] = Fault(f"{what}: {error}", where, data, text)
