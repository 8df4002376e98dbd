"""Why ownership changed, in the words of the timeline: a cause is one of a closed list, its text one short line."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Cause(StrEnum):
    """Why a step was taken. The value is what events carry."""

    CLAIMED_FREE = "claimed_free"
    """No site held the group: its key did not exist for as long as an owner could have gone on."""
    CLAIMED_RELEASED = "claimed_released"
    """The former owner was silent and said so."""
    CLAIMED_SILENT = "claimed_silent"
    """No renewal was seen for as long as the former owner's authority can last, and no heartbeat on any path."""
    ADOPTED = "adopted"
    """Another controller of the same site goes on with the lease."""
    RESUMED = "resumed"
    """Authority had ended, and the lease could be renewed again."""
    PROMISED = "promised"
    """The store does not answer; every controller that could claim promised to wait."""
    PROMISE_REFUSED = "promise_refused"
    """A controller that could claim did not promise to wait."""
    PROMISE_GIVEN = "promise_given"
    """This controller will not claim before the owner's authority has ended."""
    LAPSED = "lapsed"
    """Authority ended without a renewal: switches are silent."""
    DEPOSED = "deposed"
    """The store names another owner."""
    LEAVING = "leaving"
    """The group is to move: the switches have to be silent."""
    SILENT = "silent"
    """The switches are silent, so the lease can be released."""
    RELEASED = "released"
    """The store says that no site answers."""
    STAYED = "stayed"
    """A move was called off before it was written."""
    FORCED = "forced"
    """An operator confirmed the death of the other site: this one answers without the store."""
    FORCE_ENDED = "force_ended"
    """The confirmation no longer holds: the other site was heard, or wrote to the store."""
    # What placement says.
    HOME = "home"
    """The first fit site of the group's list."""
    NEXT = "next"
    """Sites before it in the list are not fit."""
    KEPT = "kept"
    """The owner stays: it is fit, and nothing that comes before it is ready."""
    UNFIT = "unfit"
    """The owner is not fit."""
    NO_SITE = "no_site"
    """No site of the list is fit."""
    PREEMPTED = "preempted"
    """A site before the owner has been fit for the hold time."""
    HOLDING = "holding"
    """A site before the owner is fit, but not yet for the hold time."""
    UNSYNCED = "unsynced"
    """A site before the owner is fit, but connections are not yet safe there."""
    PAID = "paid"
    """The wait for ``unsynced`` to become 0 is over: the move costs what is stated."""
    MOVED = "moved"
    """An operator moved the group."""
    PINNED = "pinned"
    """An operator keeps the group where it is."""
    DRAINED = "drained"
    """The site is being emptied for maintenance."""
    DRILL = "drill"
    """A drill moves the group, or moves it back."""
    NO_STORE = "no_store"
    """Without a store that several machines share no VIP moves by itself."""


class Note(NamedTuple):
    """One line of the timeline."""

    cause: Cause
    text: str
    """Short, with the values that explain it."""
