"""Requests and responses of both protocols as octets. Importing it costs what ``messages`` does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from envoy.service.discovery.v3 import discovery_pb2 as wire

from controller.exits.xds.kinds import Kind
from controller.exits.xds.messages import control_plane
from controller.exits.xds.session import Asked, DeltaSession, Response, Session, WorldSession
from controller.spec.discovery import CONTROL_PLANE

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
LONGEST = 200
"""Characters of what a client says of itself."""
_KINDS = {kind.value: kind for kind in Kind}
_CONTROL_PLANE = control_plane(CONTROL_PLANE)


class Client(NamedTuple):
    """What a client says of itself."""

    node: str
    """Its id."""
    program: str
    """Such as ``gRPC C-core 1.85`` or ``envoy``."""
    region: str


class Protocol(NamedTuple):
    """State of the world, or increments."""

    method: str
    word: str
    """Short, for people."""
    read: Callable[[bytes], Any]
    session: Callable[[str], Session]
    asked: Callable[[Any], Asked | None]
    """None: it asks for a kind that is not served."""
    octets: Callable[[Response], bytes]


def client(request: Any) -> Client:
    """Who asks, by the first request of a stream."""
    node = request.node
    return Client(_shown(node.id), _shown(node.user_agent_name) or "unknown", _shown(node.locality.region))


def _shown(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text[:LONGEST])


def _error(request: Any) -> str | None:
    return _shown_whole(request.error_detail.message) if request.HasField("error_detail") else None


def _shown_whole(text: str) -> str:
    return " ".join(text.split()) or "no reason given"


def _world(request: Any) -> Asked | None:
    kind = _KINDS.get(request.type_url)
    if kind is None:
        return None
    names = tuple(request.resource_names)
    return Asked(kind, request.response_nonce, _error(request), request.version_info, names)


def _delta(request: Any) -> Asked | None:
    kind = _KINDS.get(request.type_url)
    if kind is None:
        return None
    return Asked(
        kind,
        request.response_nonce,
        _error(request),
        names=tuple(request.resource_names_subscribe),
        without=tuple(request.resource_names_unsubscribe),
        had=dict(request.initial_resource_versions),
    )


def _world_octets(of: Response) -> bytes:
    made = wire.DiscoveryResponse(version_info=of.version, type_url=of.kind.value, nonce=of.nonce)
    made.control_plane.ParseFromString(_CONTROL_PLANE)
    return b"".join([made.SerializeToString(), *(_embedded(_RESOURCES, each.body) for each in of.resources)])


def _delta_octets(of: Response) -> bytes:
    made = wire.DeltaDiscoveryResponse(
        system_version_info=of.version, type_url=of.kind.value, nonce=of.nonce, removed_resources=of.removed
    )
    made.control_plane.ParseFromString(_CONTROL_PLANE)
    rows = (
        wire.Resource(name=each.name, version=each.version).SerializeToString()
        + _embedded(_RESOURCE, each.body)
        for each in of.resources
    )
    return b"".join([made.SerializeToString(), *(_embedded(_RESOURCES, row) for row in rows)])


_RESOURCES = wire.DiscoveryResponse.RESOURCES_FIELD_NUMBER
_RESOURCE = wire.Resource.RESOURCE_FIELD_NUMBER
assert wire.DeltaDiscoveryResponse.RESOURCES_FIELD_NUMBER == _RESOURCES


def _embedded(field: int, octets: bytes) -> bytes:
    """A message within a message (number below 16), as it is: many clients get the same, made once."""
    size, length = bytearray(), len(octets)
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([field << 3 | 2, *size, length]) + octets


PROTOCOLS = (
    Protocol(
        "StreamAggregatedResources",
        "world",
        wire.DiscoveryRequest.FromString,
        WorldSession,
        _world,
        _world_octets,
    ),
    Protocol(
        "DeltaAggregatedResources",
        "delta",
        wire.DeltaDiscoveryRequest.FromString,
        DeltaSession,
        _delta,
        _delta_octets,
    ),
)
