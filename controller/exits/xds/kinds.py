"""The kinds of resources that clients ask for, and one resource of them. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

_TYPES = "type.googleapis.com/"


class Kind(StrEnum):
    """In the order in which they are sent, so that nothing names what is not known yet. The value is the type's URL."""

    CLUSTERS = f"{_TYPES}envoy.config.cluster.v3.Cluster"
    ENDPOINTS = f"{_TYPES}envoy.config.endpoint.v3.ClusterLoadAssignment"
    LISTENERS = f"{_TYPES}envoy.config.listener.v3.Listener"
    ROUTES = f"{_TYPES}envoy.config.route.v3.RouteConfiguration"

    @property
    def whole(self) -> bool:
        """A response has all resources that are asked for: what it leaves out is gone (state of the world)."""
        return self in (Kind.CLUSTERS, Kind.LISTENERS)

    @property
    def word(self) -> str:
        """Short, for people."""
        return self.name.lower()

    @property
    def leads(self) -> bool:
        """It names resources of the kinds before it: it is sent when the client has those."""
        return self in (Kind.LISTENERS, Kind.ROUTES)


class Resource(NamedTuple):
    """One resource as it is sent. Equal ones have equal versions, whichever controller made them."""

    name: str
    version: str
    """A digest of ``body``."""
    body: bytes
    """A ``google.protobuf.Any``."""
