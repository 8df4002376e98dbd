"""Edits the intent file as an operator would, and keeps what the controller made of it: accepted, or refused.

A refused edit is taken back at once, as an operator would, and counts as one that changed nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from topo.soak import signals
from topo.soak.edits import Document, Intent, NotApplicableError, apply
from topo.soak.steps import Step

LINE = 0.01
"""Seconds from one line to the next where a file is written slowly; less in a long one."""
SLOWLY = 3.0
"""Seconds that writing a file takes at most."""
REGRET = 1.2
"""Seconds from a refusal until the edit is taken back: a file that was read half may yet be read whole."""


@dataclass(frozen=True)
class Done:
    """One step that was carried out. Times are CLOCK_MONOTONIC seconds."""

    step: Step
    start: float
    """Read just before acting."""
    end: float
    """Read when all was done; of a pause: when it ended."""
    outcome: str
    """``done``; of an edit: ``accepted``, ``refused``, ``unresolved`` (nothing was said of it) or ``skipped``."""
    resolved: float | None = None
    """When the controller said so."""
    document: Document | None = None
    """Of an edit: the whole intent with it."""
    why: str = ""


class Editor:
    """One intent file. Edits that nothing was said of yet are accepted, or refused, together with those after them."""

    def __init__(
        self,
        path: Path,
        document: Document,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.done: list[Done] = []
        """Every edit, in order."""
        self._path = path
        self._good = self._written = Intent(document)
        self._clock = clock
        self._sleep = sleep
        self._open: list[int] = []
        self._refusal: tuple[float, str] | None = None
        self._write(lines_of(document), slowly=False)

    @property
    def document(self) -> Document:
        """What the file holds."""
        return self._written.document

    @property
    def pending(self) -> bool:
        """The controller has not yet said what it makes of the file."""
        return bool(self._open)

    def edit(self, step: Step) -> Done:
        """Carry out one edit."""
        if self._refusal is not None:
            self.refused(*self._refusal)
        try:
            wanted = apply(self._written, step.edit)
        except NotApplicableError as error:
            now = self._clock()
            done = Done(step, now, now, "skipped", why=str(error))
        else:
            text = lines_of(wanted.document)
            start = self._clock()
            self._write(text, step.kind == "slow")
            self._written = wanted
            done = Done(step, start, self._clock(), "unresolved", document=wanted.document)
            self._open.append(len(self.done))
        self.done.append(done)
        return done

    def hear(self, event: signals.Event) -> None:
        """Take in one event of the journal."""
        if not self._open:
            return
        done, t = self.done[self._open[-1]], signals.when(event)
        # Of a file that is being written, what is said before its last line was there is said of another text.
        if t < (done.end - 2 * LINE if done.step.kind == "slow" else done.start):
            return
        if signals.name(event) == signals.STARTED and self._refusal is not None:
            return  # it refused the file, and goes on with what was stored
        if signals.name(event) in (signals.ACCEPTED, signals.STARTED):
            self._good = self._written
            self._resolve("accepted", t)
        elif signals.name(event) == signals.REFUSED and self._refusal is None:
            self._refusal = (t, signals.reasons(event))

    def tick(self) -> None:
        """Take a refused edit back when it is certain."""
        if self._refusal is not None and self._clock() > self._refusal[0] + REGRET:
            self.refused(*self._refusal)

    def refused(self, t: float, why: str) -> None:
        """The controller does not take the file."""
        self._written = self._good
        self._write(lines_of(self._good.document), slowly=False)
        self._resolve("refused", t, why)

    def _resolve(self, outcome: str, t: float, why: str = "") -> None:
        for number in self._open:
            self.done[number] = replace(self.done[number], outcome=outcome, resolved=t, why=why)
        self._open, self._refusal = [], None

    def _write(self, lines: list[str], slowly: bool) -> None:
        if slowly:
            with self._path.open("w", encoding="utf-8") as file:
                for line in lines:
                    file.write(line)
                    file.flush()
                    self._sleep(min(LINE, SLOWLY / len(lines)))
            return
        draft = self._path.with_name(f".{self._path.name}.new")
        draft.write_text("".join(lines), encoding="utf-8")
        draft.replace(self._path)


def lines_of(document: Document) -> list[str]:
    """As YAML in blocks, as people write it, with line ends. ruamel.yaml needs seconds for it on a busy machine."""
    return [f"{line}\n" for line in _mapping(document)]


def _mapping(node: dict[Any, Any]) -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, dict | list) and value:
            yield f"{key}:"
            yield from (
                f"  {line}" for line in (_mapping(value) if isinstance(value, dict) else _list(value))
            )
        else:
            yield f"{key}: {json.dumps(value)}"


def _list(node: list[Any]) -> Iterator[str]:
    for value in node:
        if isinstance(value, dict) and value:
            first, *rest = _mapping(value)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
        else:
            yield f"- {json.dumps(value)}"
