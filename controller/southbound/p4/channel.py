"""One gRPC channel to a P4Runtime server: calls with deadlines, answers as bytes, errors of our own tree.

Requests are handed over already encoded. A channel is used for one connection: a new connection makes a new one, so
that gRPC's own backoff never stands in the way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar, cast

import grpc
from finsy.p4client import P4RpcStatus
from finsy.proto import p4r, rpc_code
from google.protobuf.message import DecodeError

from controller.southbound.errors import SwitchError, SwitchGone, SwitchTimeout

DEADLINE = 10.0
"""Seconds that a switch may take for one call."""
_SERVICE = "/p4.v1.P4Runtime/"
UNACKNOWLEDGED = 3.0
"""Seconds after which the kernel gives a connection up whose other side acknowledges nothing."""
_STATUS = 4 << 20
"""Bytes: each refused update of a write has its own error in the call's trailing metadata."""
LONGEST_ANSWER = 1 << 28
"""Bytes of an answer, and of a message: more than a million entries. Who sends more is not what it should be."""
_EACH = 100
"""Bytes that a message takes here besides its own."""
_OPTIONS = (
    ("grpc.max_receive_message_length", LONGEST_ANSWER),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_metadata_size", _STATUS),
    ("grpc.absolute_max_metadata_size", _STATUS),
    ("grpc.use_local_subchannel_pool", 1),
    # Not for the pings, of which a server allows one in five minutes: with keepalive on, gRPC has the kernel end a
    # connection whose bytes the other side has not acknowledged for ``keepalive_timeout`` (TCP_USER_TIMEOUT).
    ("grpc.keepalive_time_ms", 600_000),
    ("grpc.keepalive_timeout_ms", int(1000 * UNACKNOWLEDGED)),
    ("grpc.enable_retries", 0),
)
_ENDED_MEANWHILE = "Internal error from Core"
"""What gRPC says, with the code INTERNAL, of a message for a stream that ends at this moment; no server says it."""
_NO_PIPELINE = (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND)
_LOCAL = "unix:"
_TLS = (
    (
        "unable to get local issuer certificate",
        "its certificate is of an authority that --switch-ca does not hold",
    ),
    ("self-signed certificate", "its certificate is of an authority that --switch-ca does not hold"),
    ("certificate verify failed", "its certificate is of an authority that --switch-ca does not hold"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS; give it a certificate, or run without --switch-cert"),
    ("Hostname Verification Check failed", "its certificate does not name the address that is dialled"),
    ("certificate has expired", "its certificate has ended; renew it"),
)
"""What gRPC says of a handshake that failed, and what that means; of it all, the rest changes each time."""
_T = TypeVar("_T")


class Stream:
    """The stream to a switch: sends one message at a time, whatever asks."""

    def __init__(self, name: str, call: Any) -> None:
        self._name = name
        self._call = call
        self._sending = asyncio.Lock()

    async def send(self, message: p4r.StreamMessageRequest) -> None:
        """Send a message. Raises SwitchGone, or SwitchTimeout when the switch takes nothing more."""
        try:
            async with asyncio.timeout(DEADLINE), self._sending:
                await _settle(self._name, "stream", self._call.write(message))
        except asyncio.InvalidStateError:
            raise SwitchGone(f"switch {self._name}: stream ended") from None
        except TimeoutError:
            raise SwitchTimeout(f"switch {self._name} took no message within {DEADLINE:g} s") from None

    async def receive(self) -> p4r.StreamMessageResponse:
        """Wait for a message. Raises SwitchError when there will be none."""
        message = await _settle(self._name, "stream", self._call.read())
        if message is grpc.aio.EOF:
            raise SwitchGone(f"switch {self._name}: stream ended")
        return cast(p4r.StreamMessageResponse, message)


class P4Channel:
    """Calls to one switch. To be closed."""

    def __init__(self, name: str, address: str, credentials: grpc.ChannelCredentials | None = None) -> None:
        """``address``: as gRPC writes it: host:port, [v6]:port or unix:path, which is never encrypted."""
        self._name = name
        self._closed = False
        if credentials is None or address.startswith(_LOCAL):
            self._channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        else:
            self._channel = grpc.aio.secure_channel(address, credentials, options=_OPTIONS)
        self._write = self._channel.unary_unary(_SERVICE + "Write")
        self._read = self._channel.unary_stream(_SERVICE + "Read")
        self._get = self._channel.unary_unary(
            _SERVICE + "GetForwardingPipelineConfig",
            request_serializer=p4r.GetForwardingPipelineConfigRequest.SerializeToString,
            response_deserializer=p4r.GetForwardingPipelineConfigResponse.FromString,
        )
        self._set = self._channel.unary_unary(
            _SERVICE + "SetForwardingPipelineConfig",
            request_serializer=p4r.SetForwardingPipelineConfigRequest.SerializeToString,
        )
        self._stream = self._channel.stream_stream(
            _SERVICE + "StreamChannel",
            request_serializer=p4r.StreamMessageRequest.SerializeToString,
            response_deserializer=p4r.StreamMessageResponse.FromString,
        )

    async def close(self) -> None:
        """Close the channel; calls under way, and later ones, raise SwitchGone."""
        self._closed = True
        await self._channel.close()

    def _open(self) -> None:
        """gRPC takes a call on a closed channel for the caller's defect; here it is a race that any caller may lose."""
        if self._closed:
            raise SwitchGone(f"switch {self._name}: connection closed")

    def stream(self) -> Stream:
        """Open the stream."""
        self._open()
        return Stream(self._name, self._stream())

    async def write(self, request: bytes) -> dict[int, str]:
        """Write a batch; the refused updates by number, and why. Raises SwitchError when it was refused as a whole."""
        self._open()
        try:
            await _cancellable(self._name, self._write(request, timeout=DEADLINE))
        except grpc.aio.AioRpcError as error:
            try:
                details = P4RpcStatus.from_rpc_error(error).details
            except (
                ValueError,
                DecodeError,
                AssertionError,
            ):  # what it says of its errors is none of the standard's
                details = {}
            if not details:
                raise translated(self._name, "write", error) from None
            return {
                number: f"{item.canonical_code.name} {item.message}".strip()
                for number, item in details.items()
            }
        return {}

    async def read(self, request: bytes) -> list[bytes]:
        """Read; the ``ReadResponse`` messages. Raises SwitchError."""
        self._open()

        async def collect() -> list[bytes]:
            parts, size = [], 0
            async for part in self._read(request, timeout=DEADLINE):
                parts.append(part)
                size += len(part) + _EACH
                if size > LONGEST_ANSWER:
                    raise SwitchError(f"switch {self._name} answers without end")
            return parts

        return await _settle(self._name, "read", collect())

    async def cookie(self, device_id: int, deadline: float = DEADLINE) -> int | None:
        """The cookie of the switch's pipeline; None: it has none. Raises SwitchError."""
        what = p4r.GetForwardingPipelineConfigRequest.COOKIE_ONLY
        config = await self._config(device_id, what, deadline)
        return config.cookie.cookie if config is not None and config.HasField("cookie") else None

    async def described(self, device_id: int) -> p4r.ForwardingPipelineConfig | None:
        """P4Info and cookie of the switch's pipeline; None: it has none. Raises SwitchError."""
        what = p4r.GetForwardingPipelineConfigRequest.P4INFO_AND_COOKIE
        config = await self._config(device_id, what, DEADLINE)
        return config if config is not None and config.ByteSize() else None

    async def _config(
        self,
        device_id: int,
        what: p4r.GetForwardingPipelineConfigRequest.ResponseType.ValueType,
        deadline: float,
    ) -> p4r.ForwardingPipelineConfig | None:
        self._open()
        request = p4r.GetForwardingPipelineConfigRequest(device_id=device_id, response_type=what)
        try:
            answer = await _cancellable(self._name, self._get(request, timeout=deadline))
        except grpc.aio.AioRpcError as error:
            if error.code() in _NO_PIPELINE:
                return None
            raise translated(self._name, "get pipeline", error, deadline) from None
        return cast(p4r.ForwardingPipelineConfig, answer.config)

    async def push(self, request: p4r.SetForwardingPipelineConfigRequest) -> None:
        """Give the switch a pipeline. Raises SwitchError."""
        self._open()
        await _settle(self._name, "set pipeline", self._set(request, timeout=DEADLINE))


def translated(name: str, what: str, error: grpc.aio.AioRpcError, deadline: float = DEADLINE) -> SwitchError:
    """A gRPC error as one of ours."""
    code = error.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return SwitchTimeout(f"switch {name} did not answer ({what}) within {deadline:g} s")
    ended = code is grpc.StatusCode.INTERNAL and error.details() == _ENDED_MEANWHILE
    if ended or code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return SwitchGone(f"switch {name} is gone ({what}): {_said(error.details() or '')}")
    return SwitchError(f"switch {name} refused ({what}): {code.name} {error.details()}")


def _said(details: str) -> str:
    return next((meaning for part, meaning in _TLS if part in details), details)


def code_name(code: int) -> str:
    """A ``google.rpc.Code`` as people read it."""
    return rpc_code.Code.Name(code) if code in rpc_code.Code.values() else str(code)


async def _settle(name: str, what: str, call: Awaitable[_T]) -> _T:
    try:
        return await _cancellable(name, call)
    except grpc.aio.AioRpcError as error:
        raise translated(name, what, error) from None


async def _cancellable(name: str, call: Awaitable[_T]) -> _T:
    """Wait for a call. One that is cancelled because its channel was closed is an error, not our own end."""
    try:
        return await call
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise SwitchGone(f"switch {name}: connection closed") from None


async def outcome(connection: Coroutine[object, None, None], name: str) -> BaseException | None:
    """Make a connection; why it ended.

    It has a task of its own: a task group whose child fails while we are told to end would raise the child's error and
    not our cancellation, and we would connect again without end.
    """
    task = asyncio.create_task(connection, name=name)
    try:
        await asyncio.wait([task])
    finally:
        task.cancel()
        await asyncio.wait([task])
        error = None if task.cancelled() else task.exception()
    return error
