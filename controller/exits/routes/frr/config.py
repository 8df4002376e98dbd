"""FRR's configuration as a tree of lines, and the commands that make one of another. Pure.

    router bgp 65010                          {"router bgp 65010": {"bgp router-id 10.5.1.100": {},
     bgp router-id 10.5.1.100           ◄──►    "address-family ipv4 unicast": {"network 10.0.0.100/32": {}}}}
     address-family ipv4 unicast
      network 10.0.0.100/32

Lines are written as ``show running-config`` prints them, so that both can be compared. Only what ``owns`` says is
ours is changed: other people's lines stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

Tree: TypeAlias = "dict[str, Tree]"
"""Lines, and what stands below each."""
_OPENERS = ("router ", "route-map ", "interface ", "address-family ", "profile ", "bfd")
"""Lines after which further ones are of what they name."""
LEAVE = "exit"
"""Leads out of a context."""
_KEPT = ("address-family ", "interface ")
"""Of those: what cannot be removed as a whole."""
_USUAL = {"detect-multiplier": 3, "transmit-interval": 300, "receive-interval": 300}
"""Values of a BFD profile that are not shown."""
_NOISE = re.compile(r"!|exit\b|exit-\S+$|end$|frr (version|defaults) |hostname |Building |Current ")
_NEIGHBOR = re.compile(r"neighbor (\S+) ")
_PASSWORD = re.compile(r"(password )\S+")
_ONE_VALUED = (
    re.compile(r"(set (?:metric|metric-type|community|local-preference|as-path prepend))\b"),
    re.compile(r"(match (?:tag|ip address prefix-list|ipv6 address prefix-list))\b"),
    re.compile(
        r"(neighbor \S+ (?:remote-as|password|timers connect|timers|bfd profile|maximum-prefix-out))\b"
    ),
    re.compile(r"(neighbor \S+ route-map) \S+ (in|out)$"),
    re.compile(r"(network \S+)"),
    re.compile(r"(ipv?6? route \S+)"),
    re.compile(r"(ip(?:v6)? prefix-list \S+ seq \d+)"),
    re.compile(r"((?:bgp|ospf|ospf6) router-id)\b"),
    re.compile(r"(redistribute \S+)"),
    re.compile(r"(timers throttle \S+)"),
    re.compile(r"((?:transmit|receive)-interval|detect-multiplier)\b"),
    re.compile(r"(ip(?:v6)? ospf6? (?:cost|network|priority|hello-interval|dead-interval|bfd profile))\b"),
    re.compile(r"(bgp route-map delay-timer)\b"),
)
"""Lines of which there is one at a place: a new one takes the other's."""


class Edit(NamedTuple):
    """One command, in the context that others lead into."""

    path: tuple[str, ...]
    command: str

    def __str__(self) -> str:
        return hidden(" / ".join((*self.path, self.command)))


@dataclass
class Diff:
    """What is missing and what is too much."""

    first: list[Edit] = field(default_factory=list)
    """Routers that go: a daemon has one at a time."""
    before: list[Edit] = field(default_factory=list)
    """What others refer to, and all else that is added or altered."""
    after: list[Edit] = field(default_factory=list)
    """What is removed once nothing refers to it."""

    @property
    def edits(self) -> list[Edit]:
        """In the order in which they are to be sent."""
        return [*self.first, *self.before, *self.after]


Owns = Callable[[tuple[str, ...]], bool]
"""Whether a line, with those above it, is ours to remove."""


def hidden(text: str) -> str:
    """Without passwords."""
    return _PASSWORD.sub(r"\1***", text)


def parse(text: str) -> Tree:
    """What ``show running-config`` of one daemon says."""
    root: Tree = {}
    stack: list[tuple[int, Tree]] = [(-1, root)]
    for raw in text.splitlines():
        line = raw.strip()
        if not line or _NOISE.match(line):
            continue
        depth = len(raw) - len(raw.lstrip())
        while stack[-1][0] >= depth:
            stack.pop()
        below: Tree = stack[-1][1].setdefault(line, {})
        stack.append((depth, below))
    return root


def diff(wanted: Mapping[str, Tree], found: Mapping[str, Tree], owns: Owns) -> Diff:
    """What makes ``wanted`` of ``found``."""
    made = Diff()
    _diff(made, (), (wanted, found), owns, frozenset())
    return made


def _diff(
    made: Diff,
    path: tuple[str, ...],
    both: tuple[Mapping[str, Tree], Mapping[str, Tree]],
    owns: Owns,
    gone: frozenset[str],
) -> None:
    """Of what stands below ``path``. ``gone``: neighbours that go, and all that is said of them with them."""
    wanted, found = both
    keys = {_key(line) for line in wanted}
    leaves = _neighbors(found) - _neighbors(wanted)
    gone |= leaves
    for line in found.keys() - wanted.keys():
        match = _NEIGHBOR.match(line)
        if (
            (match and match[1] in gone)
            or not owns((*path, line))
            or (_key(line) in keys and not opens(line))
        ):
            continue
        if line.startswith(_KEPT):
            _diff(made, (*path, line), ({}, found[line]), owns, gone)
        else:
            place = made.before if path else made.first if line.startswith("router ") else made.after
            place.append(Edit(path, negated(line)))
    made.before += [Edit(path, f"no neighbor {name}") for name in sorted(leaves)]
    for line, below in wanted.items():
        if line not in found and not (opens(line) and below):
            made.before.append(Edit(path, line))
        if opens(line):
            _diff(made, (*path, line), (below, found.get(line, {})), owns, gone)


def _neighbors(of: Mapping[str, Tree]) -> set[str]:
    return {match[1] for line in of if (match := re.match(r"neighbor (\S+) remote-as ", line))}


def opens(line: str) -> bool:
    """Whether what follows is of what the line names."""
    return line.startswith(_OPENERS)


def negated(line: str) -> str:
    """The command that takes a line away, or says again what is usual where that is the only way."""
    word = line.partition(" ")[0]
    if word in _USUAL:
        return f"{word} {_USUAL[word]}"
    return line.removeprefix("no ") if line.startswith("no ") else f"no {line}"


def _key(line: str) -> str:
    for pattern in _ONE_VALUED:
        if match := pattern.match(line):
            return " ".join(match.groups())
    return line


def commands(edits: list[Edit]) -> Iterator[tuple[str, Edit | None]]:
    """Commands below ``configure terminal``: the ways into contexts and out of them, and each edit in its own."""
    here: tuple[str, ...] = ()
    for edit in edits:
        shared = 0
        while shared < min(len(here), len(edit.path)) and here[shared] == edit.path[shared]:
            shared += 1
        for _ in here[shared:]:
            yield LEAVE, None
        for line in edit.path[shared:]:
            yield line, None
        here = edit.path
        yield edit.command, edit
        if opens(edit.command):
            yield LEAVE, None
    for _ in here:
        yield LEAVE, None
