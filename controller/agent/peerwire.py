"""What agents say to each other, as messages and as the rules know it. Pure."""

from __future__ import annotations

from typing import NamedTuple

from controller.agent import peer_pb2 as wire
from controller.sites.fitness import SiteReport
from controller.sites.heartbeats import Beat
from controller.sites.leasestate import Ask, Record, Reply, Seen


class Word(NamedTuple):
    """One beat with what comes along."""

    beat: Beat
    ready: bool
    """The agent has what it needs to act for its site."""
    report: SiteReport
    """What it knows of its site."""


def pack_beat(word: Word, path: str) -> wire.BeatMessage:
    """A beat for one path."""
    beat, report = word.beat, word.report
    return wire.BeatMessage(
        site=beat.site,
        agent=beat.controller,
        life=beat.life,
        number=beat.number,
        path=path,
        holding=sorted(beat.holding),
        ready=word.ready,
        report=wire.Report(
            store=report.store,
            edges=_share(report.edges),
            fences=_share(report.fences),
            lbs=_share(report.lbs),
        ),
    )


def read_beat(message: wire.BeatMessage) -> Word:
    """A beat."""
    beat = Beat(message.site, message.agent, message.life, message.number, frozenset(message.holding))
    report = SiteReport(
        leader=message.agent,
        store=message.report.store,
        edges=_pair(message.report.edges),
        fences=_pair(message.report.fences),
        lbs=_pair(message.report.lbs),
    )
    return Word(beat, message.ready, report)


def pack_ask(agent: str, group: str, question: Ask) -> wire.AskMessage:
    """A question about a group."""
    return wire.AskMessage(agent=agent, group=group, number=question.number, seen=_seen(question.seen))


def read_ask(message: wire.AskMessage, to: str) -> Ask:
    """A question. Raises ValueError: what it knows cannot be read."""
    seen = _read_seen(message.group, message.seen)
    return Ask(message.number, (to,), seen)


def pack_reply(reply: Reply) -> wire.ReplyMessage:
    """An answer."""
    seen = None if reply.seen is None else _seen(reply.seen)
    return wire.ReplyMessage(
        life=reply.life, number=reply.number, agent=reply.name, promised=reply.promised, seen=seen
    )


def read_reply(message: wire.ReplyMessage, group: str) -> Reply:
    """An answer. Raises ValueError: what it knows cannot be read."""
    seen = _read_seen(group, message.seen) if message.HasField("seen") else None
    return Reply(message.life, message.number, message.agent, message.promised, seen)


def _share(pair: tuple[int, int]) -> wire.Share:
    return wire.Share(there=pair[0], of=pair[1])


def _pair(share: wire.Share) -> tuple[int, int]:
    return share.there, share.of


def _seen(seen: Seen) -> wire.SeenMessage:
    return wire.SeenMessage(
        revision=seen.revision, record=b"" if seen.record is None else seen.record.encode()
    )


def _read_seen(group: str, message: wire.SeenMessage) -> Seen:
    """The stamp is the other's clock's: it means nothing here."""
    record = Record.decode(group, message.record) if message.record else None
    return Seen(message.revision, record, float("-inf"))
