"""Calls to etcd: the members in turn until one answers, each attempt and all of them together with a deadline.

Every call says ``hasleader``: a member that has lost the others refuses at once instead of waiting for them. Writes
are transactions whose comparison a second attempt cannot pass once the first was carried out, so all are repeated; what
became of a transaction whose answer was lost is seen in what the repetition finds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import grpc
from google.protobuf.message import Message

from controller.sites.base import OutcomeUnknown, StoreError
from controller.sites.etcd import wire_pb2 as wire
from controller.sites.etcd.address import Address

ATTEMPT = 1.0
"""Seconds for one member's answer, at most."""
ATTEMPTS = 3
"""So many fit into the time that a call has, at least."""
CONNECT = 1000
"""Milliseconds for one connection to come up."""
RECONNECT = (50, 500)
"""Milliseconds between attempts to connect: the first, and the longest."""
KEEPALIVE = (6000, 2000)
"""Milliseconds until an idle connection is tried, and for the answer; etcd refuses less than 5 s between two."""
MESSAGE = 64 << 20
"""Octets of one answer, at most."""
PAUSE = 0.05
"""Seconds between two rounds over all members."""
HAS_LEADER = (("hasleader", "true"),)

_Code = grpc.StatusCode
_AGAIN = frozenset(
    # UNKNOWN: version 3.4 answers "context deadline exceeded" so during elections.
    {
        _Code.UNAVAILABLE,
        _Code.UNKNOWN,
        _Code.DEADLINE_EXCEEDED,
        _Code.CANCELLED,
        _Code.INTERNAL,
        _Code.ABORTED,
    }
)
_NOT_SENT = ("failed to connect", "etcdserver: no leader", "etcdserver: not capable", "empty address list")
"""How the text of UNAVAILABLE begins when nothing can have been carried out."""
_MAY_BE = "it may have been carried out"
_HELP = (
    (
        "database space exceeded",
        "compact and defragment it, then disarm the alarm (etcdctl alarm disarm), or raise --quota-backend-bytes",
    ),
    ("request is too large", "start its members with --max-request-bytes of 1572864 or more"),
    ("too many operations", "start its members with --max-txn-ops of 128 or more"),
    (
        "permission denied",
        "give the user that the certificate names a role that may read and write the prefix",
    ),
    ("user name is empty", "it wants a user: give a certificate (--store-cert) whose common name is one"),
    ("invalid auth", "give a certificate whose common name is a user of etcd"),
)

M = TypeVar("M", bound=Message)


class Compacted(Exception):
    """The revision that was asked for is no longer kept."""


class Answer(NamedTuple):
    """Of a transaction."""

    response: wire.TxnResponse
    doubtful: bool
    """An earlier attempt may have been carried out."""


class Client:
    """One controller's connections to all members. Belongs to the event loop in which it is first used."""

    def __init__(self, address: Address) -> None:
        self.name = str(address)
        self._address = address
        self._at = 0
        """The member that answered last."""
        self._channels: dict[str, grpc.aio.Channel] = {}

    @property
    def endpoint(self) -> str:
        """The member that is asked first."""
        return self._address.endpoints[self._at]

    async def close(self) -> None:
        """Close all connections."""
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()

    async def range(self, request: wire.RangeRequest, within: float) -> wire.RangeResponse:
        """Read keys. Raises Compacted, StoreError."""
        answer, _ = await self._call("/etcdserverpb.KV/Range", request, wire.RangeResponse, within)
        return answer

    async def txn(self, request: wire.TxnRequest, within: float) -> Answer:
        """Carry out a transaction that does no harm when it is carried out twice. Raises StoreError, OutcomeUnknown.

        One that only reads has no outcome to be unknown.
        """
        writes = any(op.WhichOneof("request") != "range" for op in request.success)
        answer = await self._call("/etcdserverpb.KV/Txn", request, wire.TxnResponse, within, writes=writes)
        return Answer(*answer)

    def stream(self, endpoint: str) -> grpc.aio.StreamStreamCall[wire.WatchRequest, wire.WatchResponse]:
        """A stream of watches, open until it is cancelled."""
        method = self._channel(endpoint).stream_stream(
            "/etcdserverpb.Watch/Watch",
            request_serializer=wire.WatchRequest.SerializeToString,
            response_deserializer=wire.WatchResponse.FromString,
        )
        return method(metadata=HAS_LEADER)

    def next(self, endpoint: str) -> None:
        """Ask another member first, unless that has happened already."""
        if endpoint == self.endpoint:
            self._at = (self._at + 1) % len(self._address.endpoints)

    async def _call(
        self, method: str, request: Message, kind: type[M], within: float, writes: bool = False
    ) -> tuple[M, bool]:
        clock = asyncio.get_running_loop().time
        end, tried, doubtful = clock() + within, 0, False
        problems: dict[str, str] = {}
        while (left := end - clock()) > 0:
            endpoint = self.endpoint
            try:
                call = self._channel(endpoint).unary_unary(
                    method, request_serializer=_octets, response_deserializer=kind.FromString
                )
                attempt = min(left, ATTEMPT, within / ATTEMPTS)
                return await call(request, timeout=attempt, metadata=HAS_LEADER), doubtful
            except grpc.aio.AioRpcError as error:
                doubtful |= not _not_sent(error)
                problems[endpoint] = said(error)
                if error.code() not in _AGAIN and "too many requests" not in said(error):
                    why = self._refused(error, endpoint)
                    raise OutcomeUnknown(f"{why}; {_MAY_BE}") if writes and doubtful else why from error
            self.next(endpoint)
            tried += 1
            if tried % len(self._address.endpoints) == 0:
                await asyncio.sleep(min(PAUSE, max(0.0, end - clock())))
        text = f"{self.name}: no member answered within {within:.3g} s: {listed(problems)}"
        raise OutcomeUnknown(f"{text}; {_MAY_BE}") if writes and doubtful else StoreError(text)

    def _refused(self, error: grpc.aio.AioRpcError, endpoint: str) -> Exception:
        if error.code() is _Code.OUT_OF_RANGE and "compacted" in said(error):
            return Compacted()
        return refused(self.name, endpoint, said(error))

    def _channel(self, endpoint: str) -> grpc.aio.Channel:
        known = self._channels.get(endpoint)
        if known is None:
            known = self._channels[endpoint] = self._connect(endpoint)
        return known

    def _connect(self, endpoint: str) -> grpc.aio.Channel:
        options = [
            ("grpc.keepalive_time_ms", KEEPALIVE[0]),
            ("grpc.keepalive_timeout_ms", KEEPALIVE[1]),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.initial_reconnect_backoff_ms", RECONNECT[0]),
            ("grpc.max_reconnect_backoff_ms", RECONNECT[1]),
            ("grpc.min_reconnect_backoff_ms", CONNECT),
            ("grpc.max_receive_message_length", MESSAGE),
            ("grpc.max_send_message_length", MESSAGE),
            ("grpc.enable_http_proxy", 0),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        tls = self._address.tls
        if tls is None:
            return grpc.aio.insecure_channel(endpoint, options)
        credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.cert)
        return grpc.aio.secure_channel(endpoint, credentials, options)


def _octets(message: Message) -> bytes:
    data = message.SerializeToString()
    assert isinstance(data, bytes)
    return data


def _not_sent(error: grpc.aio.AioRpcError) -> bool:
    if error.code() not in _AGAIN:
        return True
    return error.code() is _Code.UNAVAILABLE and said(error).startswith(_NOT_SENT)


def said(error: grpc.aio.AioRpcError) -> str:
    """What went wrong, in the server's or the library's words."""
    return str(error.details() or error.code().name.lower().replace("_", " "))


def refused(store: str, endpoint: str, why: str) -> StoreError:
    """A member's refusal, with what would help."""
    for part, remedy in _HELP:
        if part in why:
            return StoreError(f"{store}: {endpoint} refuses: {why}; {remedy}")
    return StoreError(f"{store}: {endpoint} refuses: {why}")


def listed(problems: dict[str, str]) -> str:
    """What each member said."""
    return "; ".join(f"{endpoint}: {why}" for endpoint, why in problems.items()) or "none was asked"


Clock = Callable[[], float]


class Deadline:
    """What is left of the time that several calls have together."""

    def __init__(self, store: str, within: float) -> None:
        self._store, self._within = store, within
        self._clock: Clock = asyncio.get_running_loop().time
        self._end = self._clock() + within

    def left(self) -> float:
        """Seconds. Raises StoreError when it is over."""
        left = self._end - self._clock()
        if left <= 0:
            raise StoreError(f"{self._store}: not done within {self._within:g} s")
        return left


def compare(key: bytes, revision: int) -> wire.Compare:
    """That a key was last written in a revision; 0: that it is absent."""
    return wire.Compare(result=wire.Compare.EQUAL, target=wire.Compare.MOD, key=key, mod_revision=revision)


def get(key: bytes, end: bytes = b"", **options: Any) -> wire.RangeRequest:
    """A request for keys."""
    return wire.RangeRequest(key=key, range_end=end, **options)
