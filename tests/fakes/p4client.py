"""A P4Runtime client on raw stubs: one stream, updates by short names, and what came back on the stream."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
from finsy.proto import U128, p4i, p4r, p4r_grpc, rpc_status
from google.protobuf import text_format

PROGRAM = Path(__file__).parent / "p4" / "everything"
PROGRAM_INFO = PROGRAM.with_suffix(".p4info.txtpb")
SECONDS = 10.0
"""Deadline of every call: far beyond what any takes."""

INSERT, MODIFY, DELETE = p4r.Update.Type.INSERT, p4r.Update.Type.MODIFY, p4r.Update.Type.DELETE


def program_json() -> bytes:
    """The compiled test program."""
    return PROGRAM.with_suffix(".json").read_bytes()


def program_info(text: Path = PROGRAM_INFO) -> p4i.P4Info:
    """Its P4Info, or that of another program."""
    info = p4i.P4Info()
    text_format.Parse(text.read_text(), info)
    return info


class Ids:
    """Ids of a P4Info by alias: ``ids["slot"]``."""

    def __init__(self, info: p4i.P4Info) -> None:
        lists: list[Any] = [
            info.tables,
            info.actions,
            info.action_profiles,
            info.counters,
            info.meters,
            info.registers,
            info.value_sets,
            info.digests,
        ]
        self._ids: dict[str, int] = {one.preamble.alias: one.preamble.id for held in lists for one in held}

    def __getitem__(self, alias: str) -> int:
        return self._ids[alias]


class Failed(Exception):
    """A call's status, with the codes of its batch (empty if it had no details)."""

    def __init__(self, error: grpc.RpcError) -> None:
        super().__init__(f"{error.code().name}: {error.details()}")
        self.code: str = error.code().name
        self.errors: list[p4r.Error] = []
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                for detail in rpc_status.Status.FromString(value).details:
                    one = p4r.Error()
                    assert detail.Unpack(one)
                    self.errors.append(one)

    @property
    def codes(self) -> list[str]:
        names = {code.value[0]: code.name for code in grpc.StatusCode}
        return [names[error.canonical_code] for error in self.errors]


class Client:
    """One controller. ``stream`` holds what the switch sent on its stream, in order."""

    def __init__(self, address: str, device_id: int = 1, role: str = "") -> None:
        self.device_id, self.role, self.election_id = device_id, role, 0
        options = [("grpc.max_metadata_size", 1 << 22), ("grpc.max_receive_message_length", 1 << 24)]
        self.channel = grpc.insecure_channel(address, options=options)
        self.stub = p4r_grpc.P4RuntimeStub(self.channel)
        self.stream: queue.Queue[p4r.StreamMessageResponse | grpc.RpcError] = queue.Queue()
        self._requests: queue.Queue[p4r.StreamMessageRequest | None] = queue.Queue()
        self._call = self.stub.StreamChannel(iter(self._requests.get, None))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._requests.put(None)
        self._call.cancel()
        self.channel.close()
        self._thread.join(SECONDS)

    def send(self, **update: Any) -> None:
        self._requests.put(p4r.StreamMessageRequest(**update))

    def claim(self, election_id: int | None, **role: Any) -> None:
        """Send an arbitration message; the answer is the next on the stream."""
        update = p4r.MasterArbitrationUpdate(device_id=self.device_id)
        if election_id is not None:
            update.election_id.CopyFrom(U128.encode(election_id))
            self.election_id = election_id
        if self.role or role:
            update.role.CopyFrom(p4r.Role(name=self.role, **role))
        self.send(arbitration=update)

    def become_primary(self, election_id: int = 1) -> Client:
        self.claim(election_id)
        assert self.next().arbitration.status.code == 0
        return self

    def next(self) -> p4r.StreamMessageResponse:
        """The next message of the stream; raises Failed if it has ended with an error."""
        got = self.stream.get(timeout=SECONDS)
        if isinstance(got, grpc.RpcError):
            raise Failed(got)
        return got

    def set_pipeline(
        self,
        action: int = p4r.SetForwardingPipelineConfigRequest.Action.VERIFY_AND_COMMIT,
        config: p4r.ForwardingPipelineConfig | None = None,
        cookie: int | None = 7,
    ) -> None:
        if config is None:
            config = p4r.ForwardingPipelineConfig(p4info=program_info(), p4_device_config=program_json())
            if cookie is not None:
                config.cookie.cookie = cookie
        self.call(
            self.stub.SetForwardingPipelineConfig,
            p4r.SetForwardingPipelineConfigRequest(
                device_id=self.device_id,
                role=self.role,
                election_id=U128.encode(self.election_id),
                action=p4r.SetForwardingPipelineConfigRequest.Action.ValueType(action),
                config=config,
            ),
        )

    def write(self, *updates: tuple[int, p4r.Entity], atomicity: int = 0) -> None:
        """Write a batch; raises Failed."""
        request = p4r.WriteRequest(
            device_id=self.device_id,
            role=self.role,
            election_id=U128.encode(self.election_id),
            atomicity=p4r.WriteRequest.Atomicity.ValueType(atomicity),
        )
        for kind, entity in updates:
            request.updates.add(type=p4r.Update.Type.ValueType(kind), entity=entity)
        self.call(self.stub.Write, request)

    def read(self, *wanted: p4r.Entity) -> list[p4r.Entity]:
        """Read a batch of requests; raises Failed."""
        request = p4r.ReadRequest(device_id=self.device_id, role=self.role, entities=wanted)
        try:
            responses: Iterator[p4r.ReadResponse] = self.stub.Read(request, timeout=SECONDS)
            return [entity for response in responses for entity in response.entities]
        except grpc.RpcError as error:
            raise Failed(error) from error

    def call(self, method: Any, request: Any) -> Any:
        """A unary call; raises Failed."""
        try:
            return method(request, timeout=SECONDS)
        except grpc.RpcError as error:
            raise Failed(error) from error

    def _listen(self) -> None:
        try:
            for message in self._call:
                self.stream.put(message)
        except grpc.RpcError as error:
            self.stream.put(error)
