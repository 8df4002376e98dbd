"""Judges by hellos which cables between P4 switches carry; pure: whoever drives it says what was sent, when, and heard.

A hello that was not heard counts as missed only when the control channels prove that the cable had its chance:

    sent by A ─► A did something that it was told later ─► what B was told still later came back ─► not heard: missed

Nothing here is a timeout. A controller that stalls sends no hellos, so none is missed; a slow control channel proves
nothing, so none is missed either; and of those whose proof comes all at once, as after a stall of a switch, each look
counts one. The proofs are other hellos; where there are none, the switch is asked its clock (``doubtful``).

A direction is named by the port that sends. A port is dead when hellos from it or to it get lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from controller.plan.paths import End

DOWN = 5
"""Hellos missed in a row that show that nothing gets through."""
UP = 20
"""Hellos heard in a row that show that everything does again: a flapping cable stays down."""
SLACK = 0.02
"""Seconds that a hello may take from port to port, after its switch is known to have sent it."""
_KEPT = 64
"""Hellos of a direction that may yet be heard; while so many wait for proof, further ones count for nothing."""


class Turn(NamedTuple):
    """A port died or came back to life."""

    end: End
    up: bool
    missed: int
    """Hellos in a row, of the worse direction."""


class _State(Enum):
    NEW = "new"
    """Nothing known: neither dead nor alive."""
    UP = "up"
    LOST = "lost"
    """A switch of it was gone: dead until one hello comes through."""
    DOWN = "down"


@dataclass
class _Sent:
    number: int
    out: float | None = None
    """When its switch was first known to have sent it."""
    missed: bool = False


@dataclass
class _Way:
    """One direction."""

    to: str
    state: _State = _State.NEW
    sent: deque[_Sent] = field(default_factory=deque)
    missed: int = 0
    heard: int = 0
    """In a row."""

    @property
    def dead(self) -> bool:
        return self.state in (_State.LOST, _State.DOWN)

    @property
    def waiting(self) -> _Sent | None:
        """The first hello that was neither heard nor missed yet."""
        return next((each for each in self.sent if not each.missed), None)

    @property
    def pressing(self) -> bool:
        """Whether a hello should have come by now, or came where none did before, or none was sent yet."""
        if self.state is _State.DOWN:
            return self.heard > 0
        if self.state is not _State.UP and not self.sent:
            return True
        waiting = self.waiting
        return self.missed > 0 or (waiting is not None and waiting.out is not None)


@dataclass
class _Proof:
    """What a switch is known to have done since its stream came up."""

    done: int = -1
    """It has sent all hellos up to this number."""
    told: float = float("-inf")
    """What we sent to anybody up to then has come back through it, if at all."""


class HelloJudge:
    """All directions between the switches that are followed. Numbers of hellos grow over all of them."""

    def __init__(self, dead: Iterable[End] = ()) -> None:
        """``dead``: ports that were when somebody last looked; they stay so until ``UP`` hellos come through."""
        self._before = frozenset(dead)
        self._ways: dict[End, _Way] = {}
        self._pairs: dict[End, End] = {}
        self._proofs: dict[str, _Proof] = {}
        self._said = set(self._before)
        """Ports that are known to the reader as dead."""

    # -- who and what there is ------------------------------------------------------------------------------

    def follow(self, ends: Mapping[End, str]) -> None:
        """The ports to judge, and the switch that each leads to."""
        for end in [end for end, way in self._ways.items() if ends.get(end) != way.to]:
            del self._ways[end]
            self._said.discard(end)
            self._pairs = {a: b for a, b in self._pairs.items() if end not in (a, b)}
        for end, to in ends.items():
            if end not in self._ways:
                self._ways[end] = _Way(to, _State.DOWN if end in self._before else _State.NEW)
        self._before = frozenset()
        towards: dict[tuple[str, str], list[End]] = {}
        for end, to in ends.items():
            towards.setdefault((end.switch, to), []).append(end)
        for (one, other), found in towards.items():
            back = towards.get((other, one), [])
            if len(found) == len(back) == 1:
                self._pairs[found[0]] = back[0]

    def rename(self, names: Mapping[str, str]) -> None:
        """Switches are called otherwise: what is known of their cables stays."""

        def at(end: End) -> End:
            return End(names.get(end.switch, end.switch), end.port)

        self._before = frozenset(map(at, self._before))
        self._said = set(map(at, self._said))
        for way in self._ways.values():
            way.to = names.get(way.to, way.to)
        self._ways = {at(end): way for end, way in self._ways.items()}
        self._pairs = {at(a): at(b) for a, b in self._pairs.items()}
        self._proofs = {names.get(name, name): proof for name, proof in self._proofs.items()}

    def begin(self, switch: str) -> None:
        """A switch is ours and holds what it should: hellos can be sent and heard there."""
        self._proofs[switch] = _Proof()

    def end(self, switch: str) -> None:
        """It is no longer, or its stream is another: hellos under way mean nothing."""
        if self._proofs.pop(switch, None) is None:
            return
        for end, way in self._ways.items():
            if switch in (end.switch, way.to):
                way.sent.clear()
                way.missed = way.heard = 0
                if way.state is _State.UP:
                    way.state = _State.LOST

    def sending(self) -> list[End]:
        """Ports that hellos should leave by: both ends are there."""
        return [e for e, way in self._ways.items() if e.switch in self._proofs and way.to in self._proofs]

    def pressing(self) -> list[End]:
        """Those of them that should have the next one soon: something may have changed there."""
        return [end for end in self.sending() if self._ways[end].pressing]

    # -- what happens ---------------------------------------------------------------------------------------

    def sent(self, end: End, number: int) -> None:
        """A hello is handed to its switch; hellos of one switch are, in the order of their numbers."""
        way = self._ways.get(end)
        if way is None:
            return
        if len(way.sent) >= _KEPT and way.sent[0].missed:
            way.sent.popleft()
        if len(way.sent) < _KEPT:
            way.sent.append(_Sent(number))

    def unsent(self, end: End, number: int) -> None:
        """It was not, after all."""
        way = self._ways.get(end)
        if way is not None:
            way.sent = deque(each for each in way.sent if each.number != number)

    def heard(self, at: End, by: End, number: int, sent: float, now: float) -> bool:
        """A hello of ``by`` that was sent at ``sent`` came in ``at``; whether it belongs there and came once."""
        self._proves(by.switch, number, now)
        self._came_back(at.switch, sent)
        way = self._ways.get(by)
        if way is None or way.to != at.switch or at not in self._ways or self._ways[at].to != by.switch:
            return False
        if not any(each.number == number for each in way.sent):
            return False
        self._pair(by, at)
        overtaken = 0
        while way.sent[0].number != number:
            overtaken += 1
            way.sent.popleft()
        way.sent.popleft()
        way.heard = 1 if overtaken else way.heard + 1
        way.missed = 0
        if way.state is not _State.DOWN or way.heard >= UP:
            way.state = _State.UP
        return True

    def answered(self, switch: str, number: int, asked: float, now: float) -> None:
        """A switch answered what it was asked after hello ``number``, at ``asked``: its stream carries both ways."""
        self._proves(switch, number, now)
        self._came_back(switch, asked)

    def _proves(self, switch: str, number: int, now: float) -> None:
        proof = self._proofs.get(switch)
        if proof is None or number <= proof.done:
            return
        proof.done = number
        for end, way in self._ways.items():
            if end.switch == switch:
                for each in way.sent:
                    if each.out is None and each.number <= number:
                        each.out = now

    def _came_back(self, switch: str, sent: float) -> None:
        proof = self._proofs.get(switch)
        if proof is not None:
            proof.told = max(proof.told, sent)

    def _pair(self, one: End, other: End) -> None:
        if self._pairs.get(one) == other and self._pairs.get(other) == one:
            return
        self._pairs = {a: b for a, b in self._pairs.items() if not {a, b} & {one, other}}
        self._pairs[one], self._pairs[other] = other, one

    # -- what follows ---------------------------------------------------------------------------------------

    def look(self) -> list[Turn]:
        """Judge: each direction may miss one hello more; which ports died or came back to life by hellos."""
        for way in self._ways.values():
            self._look_at(way)
        turns = []
        for end in self._ways:
            down, dead = self._any(end, _State.DOWN), self.is_dead(end)
            if (end in self._said and not dead) or (end not in self._said and down):
                self._said.symmetric_difference_update({end})
                turns.append(Turn(end, not dead, max(way.missed for way in self._both(end))))
        return turns

    def _look_at(self, way: _Way) -> None:
        proof = self._proofs.get(way.to)
        waiting = way.waiting
        if waiting is None or waiting.out is None or proof is None or proof.told < waiting.out + SLACK:
            return
        waiting.missed = True
        way.missed += 1
        way.heard = 0
        if way.missed >= DOWN:
            way.state = _State.DOWN

    def doubtful(self, number: int, until: float) -> list[str]:
        """Switches to ask: a hello up to ``number`` lacks proof, which should be there if sent out by ``until``."""
        ask: dict[str, None] = {}
        for end, way in self._ways.items():
            waiting = [each for each in way.sent if not each.missed and each.number <= number]
            if way.state is _State.DOWN or way.to not in self._proofs:
                continue
            if any(each.out is None for each in waiting):
                ask[end.switch] = None
            told = self._proofs[way.to].told
            if any(told < each.out + SLACK for each in waiting if each.out is not None and each.out <= until):
                ask[way.to] = None
        return list(ask)

    def is_dead(self, end: End) -> bool:
        """Whether nothing should be sent there: hellos are lost that way or the other."""
        return any(way.dead for way in self._both(end))

    def is_live(self, end: End) -> bool:
        """Whether hellos come through both ways; False while nothing is known."""
        both = self._both(end)
        return len(both) == 2 and all(way.state is _State.UP for way in both)

    def dead(self) -> frozenset[End]:
        """All ports where nothing should be sent."""
        return frozenset(end for end in self._ways if self.is_dead(end))

    def missed(self, end: End) -> int:
        """Hellos missed in a row, of the worse direction."""
        return max((way.missed for way in self._both(end)), default=0)

    def followed(self) -> list[End]:
        """All ports that are judged."""
        return list(self._ways)

    def peer(self, end: End) -> End | None:
        """The port at the other end of the cable; None: not known yet."""
        return self._pairs.get(end)

    def _any(self, end: End, state: _State) -> bool:
        return any(way.state is state for way in self._both(end))

    def _both(self, end: End) -> list[_Way]:
        """The direction from a port and, as far as it is known, the one to it."""
        found = [self._ways.get(end), self._ways.get(self._pairs.get(end, end))]
        ways = [way for way in found if way is not None]
        return ways[:1] if len(ways) == 2 and ways[0] is ways[1] else ways
