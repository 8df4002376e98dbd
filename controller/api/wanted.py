"""Changes that calls ask for, and trying them one after the other on an intent. Nothing here changes what is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import grpc

from controller.api.drafts import Draft
from controller.api.edits import Changes, Edit, Values, changed
from controller.api.errors import Reason, Refused
from controller.api.guarding import NOT_RECORDED, Permit, Recording
from controller.api.names import Name
from controller.api.subjects import digests, digests_of
from controller.core.journal import Journal
from controller.spec.types import Intent
from controller.tracing.base import CURRENT, TracedCall


class Done(NamedTuple):
    """A change that is durable."""

    revision: int
    changes: Changes


@dataclass(eq=False)
class Wanted:
    """A change that is asked for."""

    edit: Edit | Values
    target: Name | None = None
    """The resource that it is about; None: several, or the whole intent."""
    expected: int | None = None
    """The revision that this must have."""
    about: tuple[Name, ...] = ()
    """The resources that it changes; empty: what the whole intent says."""
    dry_run: bool = False
    override: str = ""
    """Why budgets are set aside for it; empty: they count."""
    accepted: Callable[[Changes], tuple[str, str, bytes] | None] = lambda _: None
    """What to keep of the request with the commit: id, fingerprint, answer."""
    permit: Permit = lambda *_: None
    """Asked of all that reads a document, in a thread."""
    recording: Recording = NOT_RECORDED
    traced: TracedCall | None = field(default_factory=CURRENT.get)
    done: asyncio.Future[Done] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def alone(self) -> bool:
        """It shares no proposal with others."""
        return self.dry_run or bool(self.override)

    @property
    def size(self) -> int:
        """How many backends are given values; 0: the edit reads a whole document."""
        return len(self.edit.by_backend) if isinstance(self.edit, Values) else 0

    def refuse(self, error: BaseException) -> None:
        """Answer with why not."""
        if not self.done.done():
            self.done.set_exception(error)

    def answer(self, done: Done) -> None:
        """Answer, if anyone still waits."""
        if not self.done.done():
            self.done.set_result(done)


class Good(NamedTuple):
    """An edit that can be carried out."""

    wanted: Wanted
    changes: Changes
    before: str
    """Digest of what it is about; empty: it is not recorded, or was not there."""
    after: str


class Tried(NamedTuple):
    """Edits that can be carried out together, what each changes, and what comes of all."""

    good: list[Good]
    refused: list[tuple[Wanted, Refused]]
    intent: Intent


def tried(
    before: Intent,
    together: Iterable[Wanted],
    touched: set[str],
    revision: Callable[[Name | None], int],
    journal: Journal,
) -> Tried:
    """One after the other; in any thread, if nothing else changes the intent meanwhile.

    ``touched``: resources that have changed and have no revision yet; ``revision``: that of a resource.
    """
    trial = _Trial(Draft(before), set(touched), revision)
    good: list[Good] = []
    refused: list[tuple[Wanted, Refused]] = []
    for wanted in together:
        try:
            good.append(trial.take(wanted))
        except Refused as error:
            refused.append((wanted, error))
        except Exception as error:
            journal.failure(error, part="api")
            refused.append((wanted, defect(error)))
    return Tried(good, refused, trial.draft.intent)


class _Trial:
    def __init__(self, draft: Draft, touched: set[str], revision: Callable[[Name | None], int]) -> None:
        self.draft, self._touched, self._revision = draft, touched, revision

    def take(self, wanted: Wanted) -> Good:
        """Raises Refused, and whatever a defect raises: then nothing is taken of it."""
        self._check_expected(wanted)
        made = self._values(wanted) if isinstance(wanted.edit, Values) else self._whole(wanted, wanted.edit)
        found = made.changes
        self._touched |= {name for name, _ in found.listed}
        if found.total > len(found.listed):
            self._touched.add("")
        return made

    def _values(self, wanted: Wanted) -> Good:
        assert isinstance(wanted.edit, Values)
        if not wanted.recording.wanted:
            return Good(wanted, self.draft.values(wanted.edit), "", "")
        before = self.draft.backends(wanted.about)
        found = self.draft.values(wanted.edit)
        return Good(wanted, found, digests_of(before), digests_of(self.draft.backends(wanted.about)))

    def _whole(self, wanted: Wanted, edit: Edit) -> Good:
        before, after, found = self.draft.whole(edit)
        wanted.permit(_concerned(wanted.about, before, after), before, after)
        recorded = wanted.recording.wanted
        one, other = (digests(each, wanted.about) if recorded else "" for each in (before, after))
        if found.total:
            self.draft.take(after)
        return Good(wanted, found, one, other)

    def _check_expected(self, wanted: Wanted) -> None:
        if wanted.expected is None:
            return
        name = "document" if wanted.target is None else f"{wanted.target.kind.key}/{wanted.target.name}"
        actual, touched = self._revision(wanted.target), self._touched
        being = bool(touched) if wanted.target is None else name in touched or "" in touched
        if being or actual != wanted.expected:
            found = "is being changed" if being else f"has the revision {actual}"
            there = found if actual or being else "is not there"
            raise Refused(
                grpc.StatusCode.ABORTED,
                Reason.REVISION_MISMATCH,
                f"{name} {there}, not {wanted.expected}; read it again, and apply to what it is now",
                resource=name,
                metadata={"revision": str(actual)},
            )


def _concerned(about: Iterable[Name], before: Intent, after: Intent) -> list[str]:
    """Names of what an edit changes: of a resource, it itself and what is below it; of a document, all."""
    found = [name for name, _ in changed(before, after)]
    own = [str(name) for name in about]
    if not own:
        return found
    below = tuple(f"{name}/" for name in own)
    return own + [name for name in found if name.startswith(below)]


def defect(error: BaseException) -> Refused:
    """Something that must not happen did."""
    text = f"a defect in the controller: {type(error).__name__}: {error}"
    return Refused(grpc.StatusCode.INTERNAL, Reason.DEFECT, text)
