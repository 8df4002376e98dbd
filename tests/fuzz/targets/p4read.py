"""What a hostile P4 switch answers to a read."""

from __future__ import annotations

from random import Random

from finsy.proto import p4r
from google.protobuf.message import DecodeError

from controller.southbound.p4.batch import waves
from controller.southbound.p4.driver import pins_in
from controller.southbound.p4.pipeline import balancer
from controller.southbound.p4.read import Reader, entries_in
from controller.southbound.p4.wire import Encoder
from p4src.diff import diff
from p4src.target import P4Target
from tests.fakes.p4driven import slots, target
from tests.fuzz.messages import changed
from tests.fuzz.octets import mutated
from tests.fuzz.outcomes import shape
from tests.fuzz.target import Target

PIPELINE = balancer()


class P4Read(Target):
    """First octet: odd, an answer with slots; even, one with everything else. What is read is diffed and encoded."""

    name = "p4read"
    modules = ("controller/southbound/p4/read.py", "p4src/slots.py", "p4src/diff.py")
    seconds = 5.0
    tokens = (b"\x0a\xff\xff\xff\xff\xff\x7f", b"\x0a\x00", b"\x12", b"\x08", b"\xff\xff\x01", b"\0\0")

    def begin(self) -> None:
        """One reader, as a session has it."""
        self._reader = Reader(PIPELINE)
        self._encoder = Encoder(PIPELINE)
        whole = target()
        few = dict(list(whole.entries.items())[::3])
        self._want = P4Target(few, whole.configuration, whole.limits, {1: slots()}, {2: (1,)})

    def seeds(self) -> list[bytes]:
        """What a switch answers that holds something of everything, and single entities."""
        self.begin()
        found, whole = [], target()
        few = P4Target(whole.entries, whole.configuration, whole.limits, {}, {2: (1,)})
        for made in (few, P4Target({}, None, {}, {1: slots()}, {})):
            entities = [e for update in _updates(self._encoder, made) for e in [update.entity]]
            response = p4r.ReadResponse(entities=entities[:300]).SerializeToString()
            found += [b"\0" + response, b"\1" + response]
            found += [b"\0" + p4r.ReadResponse(entities=[each]).SerializeToString() for each in entities[:60]]
        return found

    def mutate(self, chance: Random, data: bytes, other: bytes) -> bytes:
        """A message rather than octets."""
        if chance.random() < 0.3:
            return data[:1] + mutated(chance, data[1:], other[1:], self.tokens)
        return data[:1] + changed(chance, p4r.ReadResponse, data[1:], other[1:])

    def feed(self, data: bytes) -> str:
        """Read, and what should follow."""
        body = data[1:]
        slots_, rest = ([body], []) if data[:1] and data[0] % 2 else ([], [body])
        try:
            entries_in(PIPELINE, [body])
            found = self._reader.found(slots_, rest)
        except (ValueError, LookupError, DecodeError) as error:
            return shape(f"{type(error).__name__}: {error}")
        for pin in pins_in(found.target):
            assert pin.source.version in (4, 6)
        if not found.target.entries and not found.target.slots:
            return "nothing"
        for wave in waves(PIPELINE, self._encoder, diff(found.target, self._want)):
            for batch in wave:
                batch.name(0)
        return f"{len(found.target.entries)} entries, {len(found.target.slots)} pools"


def _updates(encoder: Encoder, made: P4Target) -> list[p4r.Update]:
    batches = [batch for wave in waves(PIPELINE, encoder, diff(P4Target(), made)) for batch in wave]
    return [update for batch in batches for update in p4r.WriteRequest.FromString(batch.body).updates]
