"""What a server answers when it is asked about itself: HAProxy's agent protocol, and a number of connections. Pure.

HAProxy's words are read as HAProxy 2.6 reads them ("agent-check" in its manual): the first line, words apart by blanks,
tabs or commas, in any order, any case, each kind of word leaving the others as they were. What follows ``#`` after
``down``, ``fail`` or ``stopped`` is why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from controller.spec.serveragent import AgentKind, Told

MOST_OCTETS = 1024
"""Of an answer; what is beyond is not read, and an answer of which that is the case is none."""
MOST_PERCENT = 1000
MOST_CONNECTIONS = 10**9
_WHY = 120
"""Characters kept of a reason."""
_LINE_END = re.compile(r"[\r\n]")
_WORDS = re.compile(r"[ \t,]+")
_PERCENT = re.compile(r"[0-9]{1,6}%")
_NUMBER = re.compile(r"[0-9]{1,12}")
_LIMIT = re.compile(r"maxconn:[0-9]{1,9}")
_DOWN = ("down", "fail", "stopped")


class BadReply(ValueError):
    """An answer that says nothing; the text says why."""


@dataclass(frozen=True)
class Reply:
    """One answer. None: it does not say."""

    percent: int | None = None
    """Of its weight."""
    drain: bool | None = None
    """Whether it takes no new connections: ``drain`` and ``maint``, or ``ready``."""
    up: bool | None = None
    why: str = ""
    """Why it is down."""
    connections: int | None = None
    """Live ones."""
    unknown: tuple[str, ...] = ()
    """Words that mean nothing here; the others count."""


def read(kind: AgentKind, text: str) -> Reply:
    """The answer that a server sent. Raises BadReply."""
    if len(text) >= MOST_OCTETS:
        raise BadReply(f"the answer is longer than {MOST_OCTETS - 1} characters")
    return _words(text) if kind is AgentKind.HAPROXY else _gauge(text)


def told(before: Told, reply: Reply, now: float) -> Told:
    """What a server has said, after a further answer; the same object if that is nothing new."""
    percent = before.percent if reply.percent is None else reply.percent
    drain = before.drain if reply.drain is None else reply.drain
    down = before.down if reply.up is None else "" if reply.up else reply.why
    after = replace(before, percent=percent, drain=drain, down=down)
    return before if after == before else replace(after, since=now)


def _words(text: str) -> Reply:
    line, _, why = _LINE_END.split(text.lstrip("\r\n"), maxsplit=1)[0].partition("#")
    words = [word.lower() for word in _WORDS.split(line.strip(" \t,")) if word]
    if not words:
        raise BadReply("an empty answer")
    reply, unknown = Reply(), []
    for word in words:
        found = _word(reply, word, _printable(why))
        if found is None:
            unknown.append(_printable(word))
        else:
            reply = found
    if len(unknown) == len(words):
        raise BadReply(f'no word of HAProxy\'s agent protocol: "{_printable(line)}"')
    return replace(reply, unknown=tuple(unknown))


def _word(reply: Reply, word: str, why: str) -> Reply | None:
    """With one word more; None: it is not known."""
    if _PERCENT.fullmatch(word):
        return replace(reply, percent=min(int(word[:-1]), MOST_PERCENT))
    if word in ("drain", "maint", "ready"):
        return replace(reply, drain=word != "ready")
    if word in _DOWN:
        return replace(reply, up=False, why=f"{word}: {why}" if why else word)
    if word == "up":
        return replace(reply, up=True, why="")
    return reply if _LIMIT.fullmatch(word) else None


def _gauge(text: str) -> Reply:
    if _NUMBER.fullmatch(text.strip()) is None:
        raise BadReply(f'the body is "{_printable(text)}", not one whole number')
    return Reply(connections=min(int(text), MOST_CONNECTIONS))


def _printable(text: str) -> str:
    """What a server sent, fit to be shown: no control characters, and not much of it."""
    plain = "".join(each if each.isprintable() else "?" for each in text.strip())
    return plain if len(plain) <= _WHY else f"{plain[:_WHY]}..."
