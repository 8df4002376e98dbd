"""Calls to the embedded switch's server by clients that mean harm: each is answered, none by a fault of the switch."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import grpc
from finsy.proto import U128, p4r, rpc_status
from google.protobuf.message import DecodeError

from tests.fakes.p4client import Ids, program_info, program_json
from tests.fakes.p4plane import FakePlane
from tests.fakes.p4rig import Rig
from tests.fuzz.messages import changed
from tests.fuzz.octets import mutated
from tests.fuzz.outcomes import shape
from tests.fuzz.target import Target
from tests.fuzz.targets.planeseeds import entities
from topo.p4switch.runtime.errors import P4Error
from topo.p4switch.runtime.outbox import Outbox
from topo.p4switch.runtime.service import Service

_KINDS: tuple[Any, ...] = (
    p4r.WriteRequest,
    p4r.ReadRequest,
    p4r.StreamMessageRequest,
    p4r.GetForwardingPipelineConfigRequest,
    p4r.SetForwardingPipelineConfigRequest,
    p4r.CapabilitiesRequest,
)
_CHANGES = (p4r.Update.INSERT, p4r.Update.MODIFY, p4r.Update.DELETE)
_WRITE, _READ, _STREAM, _GET, _SET, _ASK = range(6)
_PROGRAM = program_json()
_FRESH = 20_000


class PlaneCalls(Target):
    """First octet: which call; the rest is its request."""

    name = "plane"
    modules = (
        "topo/p4switch/runtime",
        "topo/p4switch/tables.py",
        "topo/p4switch/state.py",
        "topo/p4switch/profiles.py",
    )
    seconds = 10.0

    def begin(self) -> None:
        """A switch with the test program, and a primary."""
        self._plane = FakePlane()
        self._service = Service(1, self._plane, clock=lambda: self._plane.now, wall=lambda: self._plane.now)
        self._rig = Rig(self._plane, self._service, "", Ids(program_info()))
        self._session = Outbox()
        self._service._open(self._session)
        self._claim()
        self._config = p4r.ForwardingPipelineConfig(p4info=program_info(), p4_device_config=_PROGRAM)
        self._service.SetForwardingPipelineConfig(self._set(), Context())
        self._count = 0

    def _claim(self) -> None:
        update = p4r.MasterArbitrationUpdate(device_id=1, election_id=U128.encode(1))
        self._service._take(self._session, p4r.StreamMessageRequest(arbitration=update))

    def _set(self) -> p4r.SetForwardingPipelineConfigRequest:
        return p4r.SetForwardingPipelineConfigRequest(
            device_id=1,
            election_id=U128.encode(1),
            action=p4r.SetForwardingPipelineConfigRequest.VERIFY_AND_COMMIT,
            config=self._config,
        )

    def seeds(self) -> list[bytes]:
        """Writes and reads of all that the program has, and messages of the stream."""
        ours: dict[str, Any] = {"device_id": 1, "election_id": U128.encode(1)}
        found: list[Any] = []
        for entity in entities(self._rig):
            updates = [p4r.Update(type=kind, entity=entity) for kind in _CHANGES]
            found += [p4r.WriteRequest(updates=[each], **ours) for each in updates]
            found += [p4r.WriteRequest(updates=updates, atomicity=p4r.WriteRequest.ROLLBACK_ON_ERROR, **ours)]
            found += [p4r.ReadRequest(device_id=1, entities=[entity])]
        stream = p4r.StreamMessageRequest
        found.append(stream(arbitration=p4r.MasterArbitrationUpdate(device_id=1, election_id=U128.encode(2))))
        packet = p4r.PacketOut(payload=bytes(60))
        header = self._service.running and self._service.running.packet_out
        for field, _, _ in header._fields if header else ():
            packet.metadata.add(metadata_id=field, value=b"\1")
        found.append(stream(packet=packet))
        found.append(stream(digest_ack=p4r.DigestListAck(digest_id=self._rig.ids["seen_t"], list_id=1)))
        found.append(p4r.GetForwardingPipelineConfigRequest(device_id=1))
        found.append(p4r.CapabilitiesRequest())
        small = copy.deepcopy(self._set())
        return [bytes([_KINDS.index(type(each))]) + each.SerializeToString() for each in (*found, small)]

    def mutate(self, chance: Random, data: bytes, other: bytes) -> bytes:
        """Another request of the same call; of a program, its text now and then."""
        which = data[0] % len(_KINDS) if data else 0
        second = other[1:] if other[:1] == data[:1] else b""
        if which == _SET and chance.random() < 0.8:
            request = self._set()
            request.config.p4_device_config = mutated(chance, _PROGRAM, _PROGRAM)
            return bytes([which]) + bytes(request.SerializeToString())
        made = changed(chance, _KINDS[which], data[1:], second)
        return bytes([which]) + (_by_primary(which, made) if chance.random() < 0.9 else made)

    def feed(self, data: bytes) -> str:
        """Make the call."""
        which = data[0] % len(_KINDS) if data else 0
        try:
            request = _KINDS[which].FromString(data[1:])
        except DecodeError:
            return "no request"
        self._count += 1
        if self._count % _FRESH == 0:
            self.begin()
        elif not self._service._arbiter.is_primary(self._session) or which == _SET:
            self._restore()
        return f"{_KINDS[which].__name__}: {self._called(which, request)}"

    def _restore(self) -> None:
        self._service._leave(self._session)
        self._service.close()
        self.begin()

    def _called(self, which: int, request: Any) -> str:
        context: Any = Context()
        service = self._service
        try:
            if which == _WRITE:
                service.Write(request, context)
            elif which == _READ:
                return f"{min(sum(len(each.entities) for each in service.Read(request, context)), 20)} found"
            elif which == _STREAM:
                service._take(self._session, request)
            elif which == _GET:
                service.GetForwardingPipelineConfig(request, context)
            elif which == _SET:
                service.SetForwardingPipelineConfig(request, context)
            else:
                service.Capabilities(request, context)
        except _Aborted as aborted:
            return _refused(aborted)
        except P4Error as error:  # it ends the stream
            return shape(f"ended: {error}")
        return "done"


def _by_primary(which: int, data: bytes) -> bytes:
    """The request as one of the primary for this device: what others ask for is refused before it is looked at."""
    try:
        request = _KINDS[which].FromString(data)
    except DecodeError:
        return data
    fields = request.DESCRIPTOR.fields_by_name
    if "device_id" in fields:
        request.device_id = 1
    if "election_id" in fields:
        request.election_id.CopyFrom(U128.encode(1))
        request.ClearField("role")
        request.ClearField("role_id")
    octets: bytes = request.SerializeToString()
    return octets


def _refused(aborted: _Aborted) -> str:
    """How. A fault of the switch is one."""
    assert aborted.code is not grpc.StatusCode.INTERNAL, aborted.why
    for _, value in aborted.metadata or ():
        for detail in rpc_status.Status.FromString(value).details:
            error = p4r.Error()
            detail.Unpack(error)
            assert error.canonical_code != grpc.StatusCode.INTERNAL.value[0], error.message
    return shape(f"{aborted.code.name} {aborted.why}")


class _Aborted(Exception):
    def __init__(self, code: grpc.StatusCode, why: str, metadata: Any = None) -> None:
        super().__init__(why)
        self.code, self.why, self.metadata = code, why, metadata


class Context:
    """As much of gRPC's as the service needs."""

    _metadata: Any = ()

    def abort(self, code: grpc.StatusCode, why: str) -> None:
        raise _Aborted(code, why, self._metadata)

    def set_trailing_metadata(self, metadata: Any) -> None:
        self._metadata = metadata

    def add_callback(self, _: object) -> None: ...
