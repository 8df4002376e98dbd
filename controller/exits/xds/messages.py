"""What clients are told, as messages of xDS v3. Nothing here decides; importing it costs 35 ms and 4 MB."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from ipaddress import ip_address
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster as ClusterMessage
from envoy.config.core.v3 import address_pb2, base_pb2, config_source_pb2, health_check_pb2, protocol_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2 as parts
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3 import api_listener_pb2, listener_components_pb2, listener_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from google.protobuf import any_pb2

from controller.exits.xds.endpoints import Endpoint, Locality, State
from controller.exits.xds.kinds import Resource
from controller.exits.xds.plan import Cluster, Route, Routes, Weighted
from controller.spec.discovery import Speaks

CONNECT = 5
"""Seconds for a client to connect to a server."""
_PROTOCOLS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_MANAGER = http_connection_manager_pb2.HttpConnectionManager
_STATES = {
    # Clients treat both alike: a first verdict that changes nothing for them is no update.
    State.UNKNOWN: health_check_pb2.HEALTHY,
    State.UP: health_check_pb2.HEALTHY,
    State.DOWN: health_check_pb2.UNHEALTHY,
    State.DRAINING: health_check_pb2.DRAINING,
}


def endpoints(name: str, of: Iterable[Locality]) -> Resource:
    """The servers of a cluster."""
    made = ClusterLoadAssignment(cluster_name=name)
    for each in of:
        row = made.endpoints.add(priority=each.priority)
        row.locality.region, row.locality.zone, row.locality.sub_zone = each.site, each.zone, each.part
        if each.weight:
            row.load_balancing_weight.value = each.weight
        row.lb_endpoints.extend(_endpoint(server) for server in each.endpoints)
    return _resource(name, made)


def _endpoint(of: Endpoint) -> Any:
    made = parts.LbEndpoint(health_status=_STATES[of.state])
    made.load_balancing_weight.value = of.weight
    made.endpoint.hostname = of.name
    _set_address(made.endpoint.address, str(of.address), of.port)
    return made


def _set_address(target: Any, host: str, port: int) -> None:
    target.CopyFrom(address_pb2.Address())
    target.socket_address.address, target.socket_address.port_value = host, port


def cluster(of: Cluster) -> Resource:
    """A cluster, whose servers are asked for by themselves."""
    made = ClusterMessage(name=of.name, type=ClusterMessage.EDS, lb_policy=ClusterMessage.ROUND_ROBIN)
    made.eds_cluster_config.eds_config.CopyFrom(_ads())
    made.connect_timeout.seconds = CONNECT
    # Whether health is heeded is decided before: an Envoy that sees all down must not send to all.
    made.common_lb_config.healthy_panic_threshold.SetInParent()
    made.common_lb_config.locality_weighted_lb_config.SetInParent()
    limits = of.limits
    given = {
        "max_connections": limits.connections,
        "max_pending_requests": limits.pending,
        "max_requests": limits.requests,
    }
    if any(given.values()):
        threshold = made.circuit_breakers.thresholds.add()
        for key, value in given.items():
            if value is not None:
                getattr(threshold, key).value = value
    if of.speaks is Speaks.GRPC:
        options = http_protocol_options_pb2.HttpProtocolOptions()
        options.explicit_http_config.http2_protocol_options.CopyFrom(protocol_pb2.Http2ProtocolOptions())
        made.typed_extension_protocol_options[_PROTOCOLS].CopyFrom(_any(options))
    return _resource(of.name, made)


def listener(of: Routes) -> Resource:
    """What gRPC without a proxy asks for by the name that it dials."""
    made = listener_pb2.Listener(name=of.service)
    made.api_listener.CopyFrom(api_listener_pb2.ApiListener(api_listener=_any(_manager(of.service))))
    return _resource(of.service, made)


def socket_listener(of: Routes) -> Resource:
    """What an Envoy opens that asks for all listeners."""
    assert of.listen is not None
    name = f"{of.service}@{of.listen}"
    made = listener_pb2.Listener(name=name)
    host, _, port = of.listen.rpartition(":")
    _set_address(made.address, str(ip_address(host.strip("[]"))), int(port))
    chain = made.filter_chains.add()
    manager = listener_components_pb2.Filter(name="envoy.filters.network.http_connection_manager")
    manager.typed_config.CopyFrom(_any(_manager(of.service)))
    chain.filters.append(manager)
    return _resource(name, made)


def _manager(service: str) -> Any:
    made = _MANAGER(stat_prefix=service)
    made.rds.route_config_name = service
    made.rds.config_source.CopyFrom(_ads())
    last = made.http_filters.add(name="envoy.filters.http.router")
    last.typed_config.CopyFrom(_any(router_pb2.Router()))
    return made


def routes(of: Routes) -> Resource:
    """Which requests go where."""
    made = route_pb2.RouteConfiguration(name=of.service)
    # A cluster may be on its way, or its client static: neither is a reason to refuse all routes.
    made.validate_clusters.value = False
    host = made.virtual_hosts.add(name=of.service, domains=["*"])
    host.routes.extend(_route(each) for each in of.routes)
    return _resource(of.service, made)


def _route(of: Route) -> Any:
    made = route_components_pb2.Route()
    made.match.prefix = of.path
    for header in of.headers:
        row = made.match.headers.add(name=header.name)
        row.string_match.exact = header.value
    _lead(made.route, of.clusters)
    made.route.timeout.SetInParent()  # 0: streams last as long as they like
    return made


def _lead(action: Any, of: tuple[Weighted, ...]) -> None:
    if len(of) == 1:
        action.cluster = of[0].cluster
        return
    for each in of:
        action.weighted_clusters.clusters.add(name=each.cluster).weight.value = each.weight


def _ads() -> Any:
    made = config_source_pb2.ConfigSource(resource_api_version=config_source_pb2.V3)
    made.ads.SetInParent()
    return made


def _any(message: Any) -> Any:
    made = any_pb2.Any()
    made.Pack(message, deterministic=True)
    return made


def _resource(name: str, message: Any) -> Resource:
    body: bytes = _any(message).SerializeToString(deterministic=True)
    return Resource(name, blake2b(body, digest_size=8).hexdigest(), body)


def control_plane(identity: str) -> bytes:
    """How the server names itself in each response."""
    made: bytes = base_pb2.ControlPlane(identifier=identity).SerializeToString()
    return made
