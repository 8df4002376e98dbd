"""For each guard a sequence of events that ends with two owners without it. The search found most of them."""

from __future__ import annotations

from dataclasses import dataclass

from tests.ownership.parts import Size

TWO = Size(authority=2, renew=1, ticks=((1, 2), (2, 1)))
PEERS = Size(authority=2, renew=1, ticks=((1, 2), (2, 1)), promises=True)
TWO_HERE = Size(sites=(2, 1), authority=2, renew=1, ticks=((1, 1, 2), (2, 2, 1)), promises=True)
TWO_THERE = Size(sites=(1, 2), authority=2, renew=1, ticks=((1, 2, 2), (2, 1, 1)), promises=True)
_FOUND = "observe:0:0 poll:0 apply:0 observe:0:1 "
HELD = _FOUND + "observe:1:1 tick:2:1 tick:2:1 poll:0 apply:0 observe:0:2 observe:1:2"
"""Site a holds, and b knows it."""
_HELD_3 = _FOUND + "observe:1:1 observe:2:1 {0} {0} poll:0 apply:0 observe:0:2 observe:1:2 observe:2:2"
HELD_HERE, HELD_THERE = _HELD_3.format("tick:2:2:1"), _HELD_3.format("tick:2:1:1")
_ONE_HEIR = HELD_THERE + " tick:1:2:2 heirs:0:2 apply:0 observe:0:3 observe:1:3 observe:2:3 "


@dataclass(frozen=True)
class Sequence:
    """Events, and the guard without which they end with two owners."""

    why: str
    guard: str
    """In ``MUTATIONS``."""
    events: str
    size: Size = TWO


SEQUENCES = (
    Sequence(
        "a renewal is seen only when its own time is over",
        "a life takes what its site wrote for its own",
        _FOUND + "tick:2:1 tick:2:1 poll:0 apply:0 observe:1:2 tick:1:2 tick:1:2 observe:0:2 poll:1 apply:0 "
        "observe:1:3",
    ),
    Sequence(
        "a controller starts again and reads that its site owns",
        "a life takes what its site wrote for its own",
        HELD + " tick:1:2 tick:1:2 restart:0 observe:0:2 poll:1 apply:0 observe:1:3",
    ),
    Sequence(
        "a claim is tried again before it is known that the first one stands",
        "a put found later counts from the last attempt",
        _FOUND + "tick:2:1 tick:2:1 poll:0 apply:0 observe:1:2 tick:1:2 poll:0 observe:0:2 tick:1:2 poll:1 "
        "apply:0 observe:1:3",
    ),
    Sequence(
        "the answer to a claim is late",
        "authority runs from the answer",
        _FOUND + "tick:2:1 tick:2:1 poll:0 apply:0 observe:1:2 tick:1:2 observe:0:2 tick:1:2 poll:1 apply:0 "
        "observe:1:3",
    ),
    Sequence(
        "the owner is stopped, and its switches take as long as they may",
        "the deadline leaves no time to fall silent",
        HELD + " tick:1:2 tick:1:2 poll:1 apply:0 observe:1:3",
    ),
    Sequence(
        "an owner that was only founded renews",
        "the first stamp stays",
        _FOUND
        + "tick:2:1 observe:1:1 tick:1:2 tick:1:2 poll:0 apply:0 observe:0:2 observe:1:2 poll:1 apply:0 "
        "observe:1:3",
    ),
    Sequence(
        "the observer's clock is fast and the owner's slow",
        "clocks are taken for equal",
        HELD + " tick:1:2 poll:1 apply:0 observe:1:3",
    ),
    Sequence(
        "clocks show multiples of four",
        "no margin",
        _FOUND
        + "observe:1:1 tick:2:2 tick:2:2 tick:2:2 tick:2:2 tick:2:2 tick:2:2 tick:1:2 tick:1:2 tick:1:2 "
        "tick:1:1 poll:0 apply:0 observe:0:2 observe:1:2 tick:1:2 tick:1:2 tick:1:1 poll:1 apply:0 "
        "observe:1:3",
        Size(renew=4, authority=4, margin=3, resolution=4),
    ),
    Sequence(
        "sites are set to different lengths of authority",
        "the wait is by the own setting",
        "observe:1:0 poll:1 apply:0 observe:0:1 tick:2:1 tick:2:1 tick:2:1 tick:2:1 poll:0 apply:0 "
        "observe:0:2 observe:1:2 tick:1:2 tick:1:2 poll:1 apply:0 observe:1:3",
        Size(renew=2, authority=4, authority_there=2, ticks=((1, 2), (2, 1))),
    ),
    Sequence(
        "a renewal that was not seen comes before the claim",
        "a put compares with nothing",
        HELD + " tick:1:2 poll:0 apply:0 observe:0:3 tick:1:2 poll:1 apply:0 observe:1:4",
    ),
    Sequence(
        "one that was no heir, and so was not asked, claims",
        "anyone may claim",
        _ONE_HEIR + "tick:1:2:2 tick:1:2:2 heirs:0:2 ask:0 reply:0 poll:2 apply:1 observe:2:4",
        TWO_THERE,
    ),
    Sequence(
        "the store comes back to one that promised",
        "a promise is forgotten",
        HELD + " tick:1:2 tick:1:2 poll:0 ask:0 reply:0 poll:1 apply:1 observe:1:3",
        PEERS,
    ),
    Sequence(
        "a site adopts another one's lease",
        "any lease can be adopted",
        HELD + " tick:1:2 poll:1 apply:0 observe:1:3",
    ),
    Sequence(
        "a lease is claimed that is not released",
        "a lease that is held is claimed",
        HELD + " tick:1:2 poll:1 apply:0 observe:1:3",
    ),
    Sequence(
        "an operator deletes the key of a living owner",
        "a missing key is free",
        HELD + " tick:1:2 lose observe:0:3 poll:0 apply:0 observe:1:4 poll:1 apply:0 observe:1:5",
    ),
    Sequence(
        "the silence of a release that was called off is confirmed during the next one",
        "any confirmation of silence will do",
        HELD + " tick:1:2 leave:0 silence:0 poll:0 apply:0 observe:0:3 leave:0 confirm:0:1 leaving:0 apply:0 "
        "observe:1:4 poll:1 apply:0 observe:1:5",
    ),
    Sequence(
        "a release is not confirmed, and the switches take as long as they may",
        "switches are silent at their deadline",
        HELD + " tick:1:2 leave:0 apply:0 observe:1:3 poll:1 apply:0 observe:1:4",
    ),
    Sequence(
        "a release overtakes the silence",
        "released before switches are silent",
        HELD + " tick:1:2 leave:0 apply:0 observe:1:3 poll:1 apply:0 observe:1:4",
    ),
    Sequence(
        "two controllers of a site have authority, and one releases",
        "released beside another controller",
        HELD_HERE
        + " tick:1:1:2 poll:0 apply:0 observe:0:3 observe:1:3 poll:1 apply:0 observe:1:4 leave:1 silence:1 "
        "confirm:1:1 leaving:1 apply:0 observe:2:5 poll:2 apply:0 observe:2:6",
        TWO_HERE,
    ),
    Sequence(
        "two controllers of a site have authority, and one releases that has forgotten the other",
        "what another controller wrote is forgotten",
        HELD_HERE
        + " tick:1:1:2 poll:0 apply:0 observe:0:3 observe:1:3 poll:1 apply:0 observe:1:4 leave:1 silence:1 "
        "confirm:1:1 leaving:1 apply:0 observe:2:5 poll:2 apply:0 observe:2:6",
        TWO_HERE,
    ),
    Sequence(
        "a renewal is confirmed after the silence",
        "a lease that is being released is spoken for",
        HELD
        + " tick:1:2 poll:0 leave:0 silence:0 confirm:0:1 apply:0 observe:0:3 leaving:0 apply:0 observe:1:4 "
        "poll:1 apply:0 observe:1:5",
    ),
    Sequence(
        "a release is applied after it was called off",
        "a release that is called off leaves authority",
        HELD
        + " tick:1:2 poll:0 apply:0 observe:0:3 observe:1:3 leave:0 silence:0 confirm:0:1 leaving:0 poll:0 "
        "apply:0 observe:1:4 poll:1 apply:0 observe:1:5",
    ),
    Sequence(
        "a claim is on its way to the store as the owner asks",
        "promised with a claim under way",
        HELD + " tick:1:2 tick:1:2 poll:1 poll:0 ask:0 reply:0 apply:0 observe:1:3",
        PEERS,
    ),
    Sequence(
        "the store comes back to one that was asked",
        "a promise does not bind",
        HELD + " tick:1:2 tick:1:2 poll:0 ask:0 reply:0 poll:1 apply:1 observe:1:3",
        PEERS,
    ),
    Sequence(
        "the clock of one that promised is fast",
        "a promise by equal clocks",
        HELD + " tick:1:2 tick:1:2 poll:0 ask:0 reply:0 tick:1:2 poll:1 apply:1 observe:1:3",
        PEERS,
    ),
    Sequence(
        "one that promised starts again",
        "a life forgets what another promised",
        HELD + " tick:1:2 leave:0 silence:0 confirm:0:1 leaving:0 poll:0 ask:0 reply:0 restart:1 apply:0 "
        "observe:1:3 poll:1 apply:0 observe:1:4",
        PEERS,
    ),
    Sequence(
        "an heir that was named lately has not promised",
        "only heirs of the known record are asked",
        _ONE_HEIR
        + "tick:2:1:1 poll:0 apply:0 observe:1:4 observe:2:4 tick:1:2:2 tick:1:2:2 poll:0 ask:0 reply:0 "
        "poll:2 apply:0 observe:2:5",
        TWO_THERE,
    ),
    Sequence(
        "a put of long ago is applied, which names an heir that was not asked",
        "heirs of old puts are not asked",
        _ONE_HEIR
        + "tick:1:2:2 poll:0 tick:1:2:2 heirs:0:2 tick:1:2:2 heirs:0:2 apply:0 observe:2:4 tick:1:2:2 "
        "tick:1:2:2 heirs:0:2 ask:0 reply:0 poll:2 apply:0 observe:2:5",
        TWO_THERE,
    ),
    Sequence(
        "an answer comes after the next question",
        "any answer counts for the newest question",
        HELD + " tick:1:2 tick:1:2 poll:0 ask:0 tick:1:2 poll:0 reply:0 tick:1:2 poll:1 apply:2 observe:1:3",
        PEERS,
    ),
    Sequence(
        "one heir of two has promised",
        "one promise is enough",
        HELD_THERE + " tick:1:2:2 tick:1:2:2 poll:0 ask:0 reply:0 poll:2 apply:1 observe:2:3",
        TWO_THERE,
    ),
    Sequence(
        "controllers of a site die, and its switches go on",
        "forced before switches are silent",
        HELD + " kill:0 force:1 poll:1",
    ),
)
