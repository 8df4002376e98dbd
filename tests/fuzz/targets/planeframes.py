"""Frames that hosts and neighbours send to an embedded switch with the balancer's program: none is a fault of it."""

from __future__ import annotations

from random import Random
from typing import Any, cast

from finsy.proto import U128, p4r

from controller.southbound.p4.batch import waves
from controller.southbound.p4.pipeline import balancer
from controller.southbound.p4.wire import Encoder
from p4src.diff import diff
from p4src.ids import Op
from p4src.target import P4Target
from tests.bench import p4frames, p4scene
from tests.fakes.p4plane import FakePlane
from tests.fuzz.octets import mutated
from tests.fuzz.target import Target
from tests.fuzz.targets.frames import Frames
from tests.fuzz.targets.plane import Context
from tests.unit import craft
from topo.p4switch.engine import Engine
from topo.p4switch.runtime.outbox import Outbox
from topo.p4switch.runtime.service import Service

PIPELINE = balancer()
_CPU = 510


class PlaneFrames(Target):
    """First octet: the port; 0: what a controller lets out, behind its header."""

    name = "planeframes"
    modules = ()  # what runs is generated from the program
    tokens = (
        b"\x08\x00\x45",
        b"\x86\xdd\x60",
        b"\x88\xb6\x01",
        b"\x08\x06",
        b"\x81\x00",
        b"\x06",
        b"\x11",
        b"\x2c",
    )

    def begin(self) -> None:
        """A switch that serves VIPs, with pins and tracked slots."""
        plane = FakePlane()
        service = Service(1, plane, clock=lambda: plane.now, wall=lambda: plane.now)
        session, context = Outbox(), cast(Any, Context())
        ours: dict[str, Any] = {"device_id": 1, "election_id": U128.encode(1)}
        service._open(session)
        claim = p4r.MasterArbitrationUpdate(device_id=1, election_id=U128.encode(1))
        service._take(session, p4r.StreamMessageRequest(arbitration=claim))
        action = p4r.SetForwardingPipelineConfigRequest.VERIFY_AND_COMMIT
        made = p4r.SetForwardingPipelineConfigRequest(config=PIPELINE.config, action=action, **ours)
        service.SetForwardingPipelineConfig(made, context)
        head = p4r.WriteRequest(**ours).SerializeToString()
        changes = diff(P4Target(), p4scene.target(pinned=50, cells=256))
        for wave in waves(PIPELINE, Encoder(PIPELINE), changes):
            for batch in wave:
                service.Write(p4r.WriteRequest.FromString(head + batch.body), context)
        assert plane.running is not None
        self._plane, self._engine = plane, Engine(plane.running)
        assert service.running is not None
        header = service.running.packet_out
        assert header is not None
        self._header = header.length

    def seeds(self) -> list[bytes]:
        """Packets of connections, of every kind of frame, and packet-outs."""
        opened = [
            frame
            for pair in (p4frames.connections(port, 3) for port in p4scene.MODES.values())
            for frame in pair[0] + pair[1]
        ]
        frames = [
            *opened,
            *p4frames.reported(3),
            *Frames().seeds(),
            craft.segment(4, 2),
            craft.segment(6, 16),
        ]
        outs = [bytes([0]) + bytes(self._header) + frame for frame in frames[:4]]
        outs += [bytes([0]) + bytes([0, 1, int(op)]) + bytes(self._header) + frames[0] for op in Op]
        return [*(bytes([1]) + frame for frame in frames), *outs]

    def mutate(self, chance: Random, data: bytes, other: bytes) -> bytes:
        """The port stays more often than not."""
        port = data[:1] if chance.random() < 0.9 else bytes([chance.randrange(4)])
        return port + mutated(chance, data[1:], other[1:], self.tokens)[:9000]

    def feed(self, data: bytes) -> str:
        """Process it; time goes on."""
        port = data[0] % 4 if data else 1
        self._plane.now += 50_000_000
        before = self._engine.failures
        out = self._engine.process(_CPU if port == 0 else port, data[1:])
        assert self._engine.failures == before, "a packet failed"
        assert len(out) <= 16
        assert all(len(frame) <= len(data) + 2000 for _, frame in out)
        return f"{port}: {sorted({'cpu' if to == _CPU else 'out' for to, _ in out})} {len(out)}"
