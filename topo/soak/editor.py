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

from controller.model.load import digest_of
from topo.soak import signals
from topo.soak.edits import Document, Intent, NotApplicableError, apply
from topo.soak.steps import Step

LINE = 0.01
"""Seconds from one line to the next where a file is written slowly; less in a long one."""
SLOWLY = 3.0
"""Seconds that writing a file takes at most."""


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


@dataclass(frozen=True)
class _Open:
    """An edit that nothing was said of yet."""

    number: int
    """Its place in ``done``."""
    intent: Intent
    digest: str
    """Of the text that was written."""


class Editor:
    """One intent file. The controller's events name the text that they are about.

    Edits that it has not read are accepted together with the next one after them that it reads: a text holds them all.
    """

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
        self._open: list[_Open] = []
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
            self._open.append(_Open(len(self.done), wanted, digest_of("".join(text))))
        self.done.append(done)
        return done

    def hear(self, event: signals.Event) -> None:
        """Take in one event of the journal."""
        t, digest = signals.when(event), signals.digest(event)
        # An equal text may have been written before: what was said then is not said of this one.
        about = [one for one in self._open if one.digest == digest and self.done[one.number].start <= t]
        if not about:
            return
        if signals.name(event) == signals.ACCEPTED:
            self._good = about[-1].intent
            self._resolve(about[-1], "accepted", t)
        elif signals.name(event) == signals.REFUSED and about[-1] is self._open[-1]:
            self.refused(t, signals.reasons(event))  # of an older text: the newer one holds that edit too

    def refused(self, t: float, why: str) -> None:
        """The controller does not take the file: it is taken back."""
        self._written = self._good
        self._write(lines_of(self._good.document), slowly=False)
        self._resolve(self._open[-1], "refused", t, why)

    def _resolve(self, last: _Open, outcome: str, t: float, why: str = "") -> None:
        """What became of all until this one."""
        for one in self._open:
            if one.number <= last.number:
                self.done[one.number] = replace(self.done[one.number], outcome=outcome, resolved=t, why=why)
        self._open = [one for one in self._open if one.number > last.number]

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
