"""The P4Runtime service: checks who calls, then hands on; one stream for each controller."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import grpc
from finsy.proto import U128, p4r, p4r_grpc

from topo.p4switch.runtime import batch
from topo.p4switch.runtime.arbitration import Arbiter, RoleKey
from topo.p4switch.runtime.config import Configs
from topo.p4switch.runtime.errors import (
    P4Error,
    abort,
    abort_batch,
    denied,
    exhausted,
    failed_precondition,
    invalid,
    not_found,
    unimplemented,
)
from topo.p4switch.runtime.notifier import Notifier
from topo.p4switch.runtime.outbox import Outbox
from topo.p4switch.runtime.pipeline import Pipeline
from topo.p4switch.runtime.plane import Plane

LOG = logging.getLogger(__name__)

API_VERSION = "1.4.1"
"""Version of the P4Runtime API that is served; of 1.5.0, backup replicas and per-entry selection are refused."""

MAX_SESSIONS = 32
"""Open streams of all roles; each holds a thread of the server."""

_Writing = p4r.WriteRequest | p4r.SetForwardingPipelineConfigRequest
_Atomicity = p4r.WriteRequest.Atomicity


class Service(p4r_grpc.P4RuntimeServicer):
    """Serves one device."""

    def __init__(
        self,
        device_id: int,
        plane: Plane,
        clock: Callable[[], int] = time.monotonic_ns,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        """``clock`` is that of the plane's switches; ``wall`` gives ns since the epoch, for time stamps alone."""
        self.device_id = device_id
        self.dropped_packets = 0
        """Packet-ins that no primary was there for, or whose queue was full."""
        self.notifier = Notifier(self._to_primaries, clock, wall)
        self._plane = plane
        self._arbiter: Arbiter[Outbox] = Arbiter(device_id)
        self._changing = threading.Lock()
        """Held by every write, read and change of primary: one at a time, so that history is serial."""
        self._sending = threading.Lock()
        """Held by a packet-out and by a change of primary: what one has sent is not carried out under the next one."""
        self._sessions: set[Outbox] = set()
        self._sessions_lock = threading.Lock()
        self._primaries: tuple[Outbox, ...] = ()
        """Replaced as a whole, so that the packet loop reads it without a lock."""
        self._configs = Configs(plane, self.notifier.attach)
        plane.on_cpu = self.packet_in

    @property
    def running(self) -> Pipeline | None:
        """The pipeline that runs; None before a controller has set one."""
        return self._configs.running

    def Write(self, request: p4r.WriteRequest, context: grpc.ServicerContext) -> p4r.WriteResponse:
        """Carry out a batch of updates."""
        with self._changing:
            try:
                self._check_primary(request)
                pipeline = self._configs.target()
            except P4Error as error:
                abort(context, error)
            if request.atomicity == _Atomicity.CONTINUE_ON_ERROR:
                results = batch.write(pipeline, request.updates)
            elif request.atomicity in (_Atomicity.ROLLBACK_ON_ERROR, _Atomicity.DATAPLANE_ATOMIC):
                results = batch.write_atomically(pipeline, request.updates)
            else:
                abort(context, unimplemented(f"atomicity {request.atomicity} is unknown"))
        if any(results):
            abort_batch(context, "updates", results)
        return p4r.WriteResponse()

    def Read(self, request: p4r.ReadRequest, context: grpc.ServicerContext) -> Iterator[p4r.ReadResponse]:
        """Stream the entities that a batch of requests selects."""
        with self._changing:
            try:
                self._check_device(request.device_id)
                pipeline = self._configs.target()
            except P4Error as error:
                abort(context, error)
            responses, results = batch.read(pipeline, request.entities)
        # Sent without the lock: how fast a client reads is no other client's business.
        for response in responses:
            if response.entities:
                yield response
        if any(results):
            abort_batch(context, "requests", results)

    def SetForwardingPipelineConfig(
        self, request: p4r.SetForwardingPipelineConfigRequest, context: grpc.ServicerContext
    ) -> p4r.SetForwardingPipelineConfigResponse:
        """Verify, save or run a program with its P4Info."""
        with self._changing:
            try:
                self._check_primary(request)
                config = request.config if request.HasField("config") else None
                self._configs.set(request.action, config)
            except P4Error as error:
                abort(context, error)
        return p4r.SetForwardingPipelineConfigResponse()

    def GetForwardingPipelineConfig(
        self, request: p4r.GetForwardingPipelineConfigRequest, context: grpc.ServicerContext
    ) -> p4r.GetForwardingPipelineConfigResponse:
        """Say what runs; without a config set by a controller the answer's is unset."""
        with self._changing:
            try:
                self._check_device(request.device_id)
            except P4Error as error:
                abort(context, error)
            return p4r.GetForwardingPipelineConfigResponse(config=self._configs.get(request.response_type))

    def Capabilities(
        self, request: p4r.CapabilitiesRequest, context: grpc.ServicerContext
    ) -> p4r.CapabilitiesResponse:
        """Say which version of the API this is."""
        if request.device_id and request.device_id != self.device_id:
            abort(context, self._no_device(request.device_id))
        return p4r.CapabilitiesResponse(p4runtime_api_version=API_VERSION)

    def StreamChannel(
        self, request_iterator: Iterator[p4r.StreamMessageRequest], context: grpc.ServicerContext
    ) -> Iterator[p4r.StreamMessageResponse]:
        """A controller's session, from its first message until either side ends it."""
        session = Outbox()
        try:
            self._open(session)
        except P4Error as error:
            abort(context, error)
        try:
            context.add_callback(session.close)
            threading.Thread(
                target=self._listen, args=(request_iterator, session), name="p4runtime stream", daemon=True
            ).start()
            yield from session.messages()
        finally:
            self._leave(session)
        if session.error is not None:
            abort(context, session.error)

    def packet_in(self, frame: bytes) -> None:
        """Send a frame from the CPU port to the primaries; called by the packet loop and never waits."""
        pipeline = self._configs.running
        if pipeline is None or not self._primaries:
            self.dropped_packets += 1
            return
        header = pipeline.packet_in
        message = p4r.PacketIn(payload=frame) if header is None else header.unpack(frame)
        if not self._to_primaries(p4r.StreamMessageResponse(packet=message)):
            self.dropped_packets += 1

    def dropped(self) -> tuple[int, int]:
        """Packet-ins and digests that no controller got."""
        return self.dropped_packets, self.notifier.dropped

    def close(self) -> None:
        """End every stream."""
        with self._sessions_lock:
            for session in self._sessions:
                session.close(P4Error(grpc.StatusCode.UNAVAILABLE, "the switch is stopping"))

    def _listen(self, requests: Iterator[p4r.StreamMessageRequest], session: Outbox) -> None:
        """Take a stream's messages until it ends; the body of its second thread."""
        try:
            for request in requests:
                self._take(session, request)
        except P4Error as error:
            session.close(error)
        except grpc.RpcError:
            session.close()
        except Exception as error:
            # The iterator of a cancelled call raises a bare Exception; anything else deserves its trace.
            if str(error):
                LOG.exception("a stream met a fault of the switch")
            session.close()
        session.close()

    def _take(self, session: Outbox, request: p4r.StreamMessageRequest) -> None:
        """Do what one message asks for; raises P4Error if it ends the stream."""
        which = request.WhichOneof("update")
        if which == "arbitration":
            self._arbitrate(session, request.arbitration)
        elif which == "packet":
            self._packet_out(session, request.packet)
        elif which == "digest_ack":
            self._digest_ack(session, request.digest_ack)
        elif which == "other":
            refused = self._refused(unimplemented("there are no other stream messages here"))
            refused.other.other.CopyFrom(request.other)
            session.offer(p4r.StreamMessageResponse(error=refused))

    def _arbitrate(self, session: Outbox, update: p4r.MasterArbitrationUpdate) -> None:
        # A write in progress is finished first: it may be the last of the primary before.
        with self._changing:
            before = set(self._primaries)
            with self._sending:
                notices = self._arbiter.update(session, update)
            self._primaries = tuple(self._arbiter.primaries())
            if not before.issuperset(self._primaries):
                self.notifier.new_primary()
            for target, notice in notices:
                target.insist(p4r.StreamMessageResponse(arbitration=notice))

    def _packet_out(self, session: Outbox, packet: p4r.PacketOut) -> None:
        try:
            with self._sending:
                if not self._arbiter.is_primary(session):
                    raise denied("only a primary may send packets")
                self._plane.inject(self._framed(packet))
        except P4Error as error:
            refused = self._refused(error)
            refused.packet_out.packet_out.CopyFrom(packet)
            session.offer(p4r.StreamMessageResponse(error=refused))

    def _framed(self, packet: p4r.PacketOut) -> bytes:
        """A packet-out as the frame that the program parses."""
        pipeline = self._configs.running
        if pipeline is None:
            raise failed_precondition("no forwarding pipeline runs")
        if self._plane.cpu_port is None:
            raise failed_precondition("this switch was started without --cpu-port: it has no packet I/O")
        if pipeline.packet_out is not None:
            return pipeline.packet_out.pack(packet.metadata) + packet.payload
        if packet.metadata:
            raise invalid("the program has no packet_out header, so a packet-out has no metadata")
        return packet.payload

    def _digest_ack(self, session: Outbox, ack: p4r.DigestListAck) -> None:
        try:
            if not self._arbiter.is_primary(session):
                raise denied("only a primary may acknowledge digests")
            pipeline = self._configs.running
            digest = None if pipeline is None else pipeline.digests.get(ack.digest_id)
            if pipeline is None or digest is None:
                raise invalid(f"no digest has id {ack.digest_id} in the P4Info")
            with pipeline.digest_lock:
                digest.ack(ack.list_id)
        except P4Error as error:
            refused = self._refused(error)
            refused.digest_list_ack.digest_list_ack.CopyFrom(ack)
            session.offer(p4r.StreamMessageResponse(error=refused))

    def _refused(self, error: P4Error) -> p4r.StreamError:
        return p4r.StreamError(canonical_code=error.number, message=error.message)

    def _to_primaries(self, message: p4r.StreamMessageResponse) -> bool:
        """Queue a message for the primary of every role; False if none of them took it."""
        taken = False
        for session in self._primaries:
            taken = session.offer(message) or taken
        return taken

    def _open(self, session: Outbox) -> None:
        with self._sessions_lock:
            if len(self._sessions) >= MAX_SESSIONS:
                raise exhausted(f"{MAX_SESSIONS} streams are open already")
            self._sessions.add(session)

    def _leave(self, session: Outbox) -> None:
        with self._sessions_lock:
            self._sessions.discard(session)
        with self._changing:
            notices = self._arbiter.leave(session)
            self._primaries = tuple(self._arbiter.primaries())
            for target, notice in notices:
                target.insist(p4r.StreamMessageResponse(arbitration=notice))

    def _check_device(self, device_id: int) -> None:
        if device_id != self.device_id:
            raise self._no_device(device_id)

    def _no_device(self, device_id: int) -> P4Error:
        return not_found(f"device {device_id} is not here: this is device {self.device_id}")

    def _check_primary(self, request: _Writing) -> None:
        """Raises P4Error unless the request is the primary's of its role."""
        self._check_device(request.device_id)
        election_id = U128.decode(request.election_id) if request.HasField("election_id") else None
        self._arbiter.require_primary(RoleKey(request.role, request.role_id), election_id)
