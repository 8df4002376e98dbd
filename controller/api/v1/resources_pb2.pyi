from controller.api.v1 import discovery_pb2 as _discovery_pb2
from controller.api.v1 import routes_pb2 as _routes_pb2
from controller.api.v1 import tiers_pb2 as _tiers_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Document(_message.Message):
    __slots__ = ("sites", "switches", "pools", "vips", "moves", "allow_empty", "lease", "budget", "zones", "routes", "tiers", "discovery")
    SITES_FIELD_NUMBER: _ClassVar[int]
    SWITCHES_FIELD_NUMBER: _ClassVar[int]
    POOLS_FIELD_NUMBER: _ClassVar[int]
    VIPS_FIELD_NUMBER: _ClassVar[int]
    MOVES_FIELD_NUMBER: _ClassVar[int]
    ALLOW_EMPTY_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    ZONES_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    TIERS_FIELD_NUMBER: _ClassVar[int]
    DISCOVERY_FIELD_NUMBER: _ClassVar[int]
    sites: _containers.RepeatedCompositeFieldContainer[Site]
    switches: _containers.RepeatedCompositeFieldContainer[Switch]
    pools: _containers.RepeatedCompositeFieldContainer[Pool]
    vips: _containers.RepeatedCompositeFieldContainer[Vip]
    moves: Moves
    allow_empty: bool
    lease: Lease
    budget: Budget
    zones: _containers.RepeatedCompositeFieldContainer[Zone]
    routes: _routes_pb2.Routes
    tiers: _containers.RepeatedCompositeFieldContainer[_tiers_pb2.Tier]
    discovery: _discovery_pb2.Discovery
    def __init__(self, sites: _Optional[_Iterable[_Union[Site, _Mapping]]] = ..., switches: _Optional[_Iterable[_Union[Switch, _Mapping]]] = ..., pools: _Optional[_Iterable[_Union[Pool, _Mapping]]] = ..., vips: _Optional[_Iterable[_Union[Vip, _Mapping]]] = ..., moves: _Optional[_Union[Moves, _Mapping]] = ..., allow_empty: _Optional[bool] = ..., lease: _Optional[_Union[Lease, _Mapping]] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ..., zones: _Optional[_Iterable[_Union[Zone, _Mapping]]] = ..., routes: _Optional[_Union[_routes_pb2.Routes, _Mapping]] = ..., tiers: _Optional[_Iterable[_Union[_tiers_pb2.Tier, _Mapping]]] = ..., discovery: _Optional[_Union[_discovery_pb2.Discovery, _Mapping]] = ...) -> None: ...

class Budget(_message.Message):
    __slots__ = ("max_slots_moved_per_minute", "max_unavailable", "max_tracked_share")
    MAX_SLOTS_MOVED_PER_MINUTE_FIELD_NUMBER: _ClassVar[int]
    MAX_UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    MAX_TRACKED_SHARE_FIELD_NUMBER: _ClassVar[int]
    max_slots_moved_per_minute: str
    max_unavailable: str
    max_tracked_share: str
    def __init__(self, max_slots_moved_per_minute: _Optional[str] = ..., max_unavailable: _Optional[str] = ..., max_tracked_share: _Optional[str] = ...) -> None: ...

class Site(_message.Message):
    __slots__ = ("name", "subnets", "bypass", "agents")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUBNETS_FIELD_NUMBER: _ClassVar[int]
    BYPASS_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    subnets: _containers.RepeatedCompositeFieldContainer[Subnet]
    bypass: _containers.RepeatedScalarFieldContainer[str]
    agents: _containers.RepeatedCompositeFieldContainer[Agent]
    def __init__(self, name: _Optional[str] = ..., subnets: _Optional[_Iterable[_Union[Subnet, _Mapping]]] = ..., bypass: _Optional[_Iterable[str]] = ..., agents: _Optional[_Iterable[_Union[Agent, _Mapping]]] = ...) -> None: ...

class Agent(_message.Message):
    __slots__ = ("name", "peers")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    name: str
    peers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., peers: _Optional[_Iterable[str]] = ...) -> None: ...

class Lease(_message.Message):
    __slots__ = ("renew", "authority", "drift", "margin")
    RENEW_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    DRIFT_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    renew: str
    authority: str
    drift: str
    margin: str
    def __init__(self, renew: _Optional[str] = ..., authority: _Optional[str] = ..., drift: _Optional[str] = ..., margin: _Optional[str] = ...) -> None: ...

class Subnet(_message.Message):
    __slots__ = ("name", "prefixes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PREFIXES_FIELD_NUMBER: _ClassVar[int]
    name: str
    prefixes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., prefixes: _Optional[_Iterable[str]] = ...) -> None: ...

class Switch(_message.Message):
    __slots__ = ("name", "site", "kind", "id", "roles", "mac", "ports", "local", "tunnel_port", "gateway_mac", "ovsdb", "openflow", "fence", "p4runtime", "routes")
    class PortsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: str
        def __init__(self, key: _Optional[int] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    LOCAL_FIELD_NUMBER: _ClassVar[int]
    TUNNEL_PORT_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_MAC_FIELD_NUMBER: _ClassVar[int]
    OVSDB_FIELD_NUMBER: _ClassVar[int]
    OPENFLOW_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    P4RUNTIME_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    site: str
    kind: str
    id: str
    roles: _containers.RepeatedScalarFieldContainer[str]
    mac: str
    ports: _containers.ScalarMap[int, str]
    local: _containers.RepeatedScalarFieldContainer[str]
    tunnel_port: int
    gateway_mac: str
    ovsdb: str
    openflow: OpenFlow
    fence: _containers.RepeatedCompositeFieldContainer[Fence]
    p4runtime: str
    routes: _containers.RepeatedCompositeFieldContainer[Route]
    def __init__(self, name: _Optional[str] = ..., site: _Optional[str] = ..., kind: _Optional[str] = ..., id: _Optional[str] = ..., roles: _Optional[_Iterable[str]] = ..., mac: _Optional[str] = ..., ports: _Optional[_Mapping[int, str]] = ..., local: _Optional[_Iterable[str]] = ..., tunnel_port: _Optional[int] = ..., gateway_mac: _Optional[str] = ..., ovsdb: _Optional[str] = ..., openflow: _Optional[_Union[OpenFlow, _Mapping]] = ..., fence: _Optional[_Iterable[_Union[Fence, _Mapping]]] = ..., p4runtime: _Optional[str] = ..., routes: _Optional[_Iterable[_Union[Route, _Mapping]]] = ...) -> None: ...

class OpenFlow(_message.Message):
    __slots__ = ("entry_table", "tables_from", "next_table", "priority", "cookie", "zones_from", "groups_from", "meters_from")
    ENTRY_TABLE_FIELD_NUMBER: _ClassVar[int]
    TABLES_FROM_FIELD_NUMBER: _ClassVar[int]
    NEXT_TABLE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    COOKIE_FIELD_NUMBER: _ClassVar[int]
    ZONES_FROM_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FROM_FIELD_NUMBER: _ClassVar[int]
    METERS_FROM_FIELD_NUMBER: _ClassVar[int]
    entry_table: int
    tables_from: int
    next_table: int
    priority: int
    cookie: int
    zones_from: int
    groups_from: int
    meters_from: int
    def __init__(self, entry_table: _Optional[int] = ..., tables_from: _Optional[int] = ..., next_table: _Optional[int] = ..., priority: _Optional[int] = ..., cookie: _Optional[int] = ..., zones_from: _Optional[int] = ..., groups_from: _Optional[int] = ..., meters_from: _Optional[int] = ...) -> None: ...

class Fence(_message.Message):
    __slots__ = ("port", "interface")
    PORT_FIELD_NUMBER: _ClassVar[int]
    INTERFACE_FIELD_NUMBER: _ClassVar[int]
    port: int
    interface: str
    def __init__(self, port: _Optional[int] = ..., interface: _Optional[str] = ...) -> None: ...

class Route(_message.Message):
    __slots__ = ("to", "via", "mac")
    TO_FIELD_NUMBER: _ClassVar[int]
    VIA_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    to: str
    via: _containers.RepeatedScalarFieldContainer[str]
    mac: str
    def __init__(self, to: _Optional[str] = ..., via: _Optional[_Iterable[str]] = ..., mac: _Optional[str] = ...) -> None: ...

class Pool(_message.Message):
    __slots__ = ("name", "max_backends", "health", "on_down", "drain_timeout", "drain_then", "memory_timeout", "transition", "panic_threshold", "spill_below", "backup", "zones", "failover", "spread", "backends", "budget", "agent", "slow_start", "scheduler", "adaptive", "split", "labels", "capacity")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    MAX_BACKENDS_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    ON_DOWN_FIELD_NUMBER: _ClassVar[int]
    DRAIN_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    DRAIN_THEN_FIELD_NUMBER: _ClassVar[int]
    MEMORY_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    TRANSITION_FIELD_NUMBER: _ClassVar[int]
    PANIC_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    SPILL_BELOW_FIELD_NUMBER: _ClassVar[int]
    BACKUP_FIELD_NUMBER: _ClassVar[int]
    ZONES_FIELD_NUMBER: _ClassVar[int]
    FAILOVER_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    BACKENDS_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    SLOW_START_FIELD_NUMBER: _ClassVar[int]
    SCHEDULER_FIELD_NUMBER: _ClassVar[int]
    ADAPTIVE_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    name: str
    max_backends: int
    health: Health
    on_down: OnDown
    drain_timeout: str
    drain_then: str
    memory_timeout: str
    transition: str
    panic_threshold: str
    spill_below: str
    backup: str
    zones: str
    failover: Failover
    spread: str
    backends: _containers.RepeatedCompositeFieldContainer[Backend]
    budget: Budget
    agent: AgentCheck
    slow_start: str
    scheduler: str
    adaptive: Adaptive
    split: _containers.RepeatedCompositeFieldContainer[Subset]
    labels: _containers.ScalarMap[str, str]
    capacity: int
    def __init__(self, name: _Optional[str] = ..., max_backends: _Optional[int] = ..., health: _Optional[_Union[Health, _Mapping]] = ..., on_down: _Optional[_Union[OnDown, _Mapping]] = ..., drain_timeout: _Optional[str] = ..., drain_then: _Optional[str] = ..., memory_timeout: _Optional[str] = ..., transition: _Optional[str] = ..., panic_threshold: _Optional[str] = ..., spill_below: _Optional[str] = ..., backup: _Optional[str] = ..., zones: _Optional[str] = ..., failover: _Optional[_Union[Failover, _Mapping]] = ..., spread: _Optional[str] = ..., backends: _Optional[_Iterable[_Union[Backend, _Mapping]]] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ..., agent: _Optional[_Union[AgentCheck, _Mapping]] = ..., slow_start: _Optional[str] = ..., scheduler: _Optional[str] = ..., adaptive: _Optional[_Union[Adaptive, _Mapping]] = ..., split: _Optional[_Iterable[_Union[Subset, _Mapping]]] = ..., labels: _Optional[_Mapping[str, str]] = ..., capacity: _Optional[int] = ...) -> None: ...

class Subset(_message.Message):
    __slots__ = ("name", "weight", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    name: str
    weight: int
    labels: _containers.ScalarMap[str, str]
    def __init__(self, name: _Optional[str] = ..., weight: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Adaptive(_message.Message):
    __slots__ = ("interval", "smoothing", "dead_band", "lasting", "least", "most")
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    SMOOTHING_FIELD_NUMBER: _ClassVar[int]
    DEAD_BAND_FIELD_NUMBER: _ClassVar[int]
    LASTING_FIELD_NUMBER: _ClassVar[int]
    LEAST_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    interval: str
    smoothing: str
    dead_band: str
    lasting: str
    least: str
    most: str
    def __init__(self, interval: _Optional[str] = ..., smoothing: _Optional[str] = ..., dead_band: _Optional[str] = ..., lasting: _Optional[str] = ..., least: _Optional[str] = ..., most: _Optional[str] = ...) -> None: ...

class AgentCheck(_message.Message):
    __slots__ = ("type", "port", "path", "interval", "timeout")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    type: str
    port: int
    path: str
    interval: str
    timeout: str
    def __init__(self, type: _Optional[str] = ..., port: _Optional[int] = ..., path: _Optional[str] = ..., interval: _Optional[str] = ..., timeout: _Optional[str] = ...) -> None: ...

class Health(_message.Message):
    __slots__ = ("type", "port", "interval", "timeout", "rise", "fall", "path", "host", "status", "body", "verify", "send", "expect", "flap", "places")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RISE_FIELD_NUMBER: _ClassVar[int]
    FALL_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    VERIFY_FIELD_NUMBER: _ClassVar[int]
    SEND_FIELD_NUMBER: _ClassVar[int]
    EXPECT_FIELD_NUMBER: _ClassVar[int]
    FLAP_FIELD_NUMBER: _ClassVar[int]
    PLACES_FIELD_NUMBER: _ClassVar[int]
    type: str
    port: int
    interval: str
    timeout: str
    rise: int
    fall: int
    path: str
    host: str
    status: _containers.RepeatedScalarFieldContainer[str]
    body: str
    verify: bool
    send: str
    expect: str
    flap: Flap
    places: str
    def __init__(self, type: _Optional[str] = ..., port: _Optional[int] = ..., interval: _Optional[str] = ..., timeout: _Optional[str] = ..., rise: _Optional[int] = ..., fall: _Optional[int] = ..., path: _Optional[str] = ..., host: _Optional[str] = ..., status: _Optional[_Iterable[str]] = ..., body: _Optional[str] = ..., verify: _Optional[bool] = ..., send: _Optional[str] = ..., expect: _Optional[str] = ..., flap: _Optional[_Union[Flap, _Mapping]] = ..., places: _Optional[str] = ...) -> None: ...

class Flap(_message.Message):
    __slots__ = ("limit", "window")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    limit: int
    window: str
    def __init__(self, limit: _Optional[int] = ..., window: _Optional[str] = ...) -> None: ...

class OnDown(_message.Message):
    __slots__ = ("keep_for", "then", "tcp", "udp")
    KEEP_FOR_FIELD_NUMBER: _ClassVar[int]
    THEN_FIELD_NUMBER: _ClassVar[int]
    TCP_FIELD_NUMBER: _ClassVar[int]
    UDP_FIELD_NUMBER: _ClassVar[int]
    keep_for: str
    then: str
    tcp: Policy
    udp: Policy
    def __init__(self, keep_for: _Optional[str] = ..., then: _Optional[str] = ..., tcp: _Optional[_Union[Policy, _Mapping]] = ..., udp: _Optional[_Union[Policy, _Mapping]] = ...) -> None: ...

class Policy(_message.Message):
    __slots__ = ("keep_for", "then")
    KEEP_FOR_FIELD_NUMBER: _ClassVar[int]
    THEN_FIELD_NUMBER: _ClassVar[int]
    keep_for: str
    then: str
    def __init__(self, keep_for: _Optional[str] = ..., then: _Optional[str] = ...) -> None: ...

class Failover(_message.Message):
    __slots__ = ("writer", "failback")
    WRITER_FIELD_NUMBER: _ClassVar[int]
    FAILBACK_FIELD_NUMBER: _ClassVar[int]
    writer: str
    failback: str
    def __init__(self, writer: _Optional[str] = ..., failback: _Optional[str] = ...) -> None: ...

class Backend(_message.Message):
    __slots__ = ("name", "address", "addresses", "mac", "at", "weight", "group", "drain", "zone", "labels", "subset")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SUBSET_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: str
    addresses: _containers.RepeatedScalarFieldContainer[str]
    mac: str
    at: str
    weight: int
    group: int
    drain: bool
    zone: str
    labels: _containers.ScalarMap[str, str]
    subset: str
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., addresses: _Optional[_Iterable[str]] = ..., mac: _Optional[str] = ..., at: _Optional[str] = ..., weight: _Optional[int] = ..., group: _Optional[int] = ..., drain: _Optional[bool] = ..., zone: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., subset: _Optional[str] = ...) -> None: ...

class Vip(_message.Message):
    __slots__ = ("name", "address", "mac", "owners", "authority", "listeners", "labels", "access")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    OWNERS_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    LISTENERS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: str
    mac: str
    owners: _containers.RepeatedScalarFieldContainer[str]
    authority: str
    listeners: _containers.RepeatedCompositeFieldContainer[Listener]
    labels: _containers.ScalarMap[str, str]
    access: Access
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., mac: _Optional[str] = ..., owners: _Optional[_Iterable[str]] = ..., authority: _Optional[str] = ..., listeners: _Optional[_Iterable[_Union[Listener, _Mapping]]] = ..., labels: _Optional[_Mapping[str, str]] = ..., access: _Optional[_Union[Access, _Mapping]] = ...) -> None: ...

class Listener(_message.Message):
    __slots__ = ("protocol", "port", "pool", "mode", "affinity", "backend_port", "accept_loss", "guard", "access")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    AFFINITY_FIELD_NUMBER: _ClassVar[int]
    BACKEND_PORT_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_LOSS_FIELD_NUMBER: _ClassVar[int]
    GUARD_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    protocol: str
    port: int
    pool: str
    mode: str
    affinity: str
    backend_port: int
    accept_loss: bool
    guard: Guard
    access: Access
    def __init__(self, protocol: _Optional[str] = ..., port: _Optional[int] = ..., pool: _Optional[str] = ..., mode: _Optional[str] = ..., affinity: _Optional[str] = ..., backend_port: _Optional[int] = ..., accept_loss: _Optional[bool] = ..., guard: _Optional[_Union[Guard, _Mapping]] = ..., access: _Optional[_Union[Access, _Mapping]] = ...) -> None: ...

class Access(_message.Message):
    __slots__ = ("allow", "block")
    ALLOW_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    allow: _containers.RepeatedScalarFieldContainer[str]
    block: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, allow: _Optional[_Iterable[str]] = ..., block: _Optional[_Iterable[str]] = ...) -> None: ...

class Guard(_message.Message):
    __slots__ = ("rate", "prefixes")
    RATE_FIELD_NUMBER: _ClassVar[int]
    PREFIXES_FIELD_NUMBER: _ClassVar[int]
    rate: int
    prefixes: _containers.RepeatedCompositeFieldContainer[PrefixRate]
    def __init__(self, rate: _Optional[int] = ..., prefixes: _Optional[_Iterable[_Union[PrefixRate, _Mapping]]] = ...) -> None: ...

class PrefixRate(_message.Message):
    __slots__ = ("prefix", "rate")
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    prefix: str
    rate: int
    def __init__(self, prefix: _Optional[str] = ..., rate: _Optional[int] = ...) -> None: ...

class Moves(_message.Message):
    __slots__ = ("preempt", "hold", "unsynced_wait")
    PREEMPT_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    UNSYNCED_WAIT_FIELD_NUMBER: _ClassVar[int]
    preempt: bool
    hold: str
    unsynced_wait: str
    def __init__(self, preempt: _Optional[bool] = ..., hold: _Optional[str] = ..., unsynced_wait: _Optional[str] = ...) -> None: ...

class Zone(_message.Message):
    __slots__ = ("name", "ttl", "negative_ttl", "contact", "signed", "servers", "regions", "services", "records", "delegations", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_TTL_FIELD_NUMBER: _ClassVar[int]
    CONTACT_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    SERVERS_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    DELEGATIONS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    name: str
    ttl: str
    negative_ttl: str
    contact: str
    signed: bool
    servers: _containers.RepeatedCompositeFieldContainer[NameServer]
    regions: _containers.RepeatedCompositeFieldContainer[Region]
    services: _containers.RepeatedCompositeFieldContainer[NameService]
    records: _containers.RepeatedCompositeFieldContainer[NameRecord]
    delegations: _containers.RepeatedCompositeFieldContainer[Delegation]
    labels: _containers.ScalarMap[str, str]
    def __init__(self, name: _Optional[str] = ..., ttl: _Optional[str] = ..., negative_ttl: _Optional[str] = ..., contact: _Optional[str] = ..., signed: _Optional[bool] = ..., servers: _Optional[_Iterable[_Union[NameServer, _Mapping]]] = ..., regions: _Optional[_Iterable[_Union[Region, _Mapping]]] = ..., services: _Optional[_Iterable[_Union[NameService, _Mapping]]] = ..., records: _Optional[_Iterable[_Union[NameRecord, _Mapping]]] = ..., delegations: _Optional[_Iterable[_Union[Delegation, _Mapping]]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class NameServer(_message.Message):
    __slots__ = ("name", "addresses", "site")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    name: str
    addresses: _containers.RepeatedScalarFieldContainer[str]
    site: str
    def __init__(self, name: _Optional[str] = ..., addresses: _Optional[_Iterable[str]] = ..., site: _Optional[str] = ...) -> None: ...

class Region(_message.Message):
    __slots__ = ("name", "prefixes", "served_by")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PREFIXES_FIELD_NUMBER: _ClassVar[int]
    SERVED_BY_FIELD_NUMBER: _ClassVar[int]
    name: str
    prefixes: _containers.RepeatedScalarFieldContainer[str]
    served_by: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., prefixes: _Optional[_Iterable[str]] = ..., served_by: _Optional[_Iterable[str]] = ...) -> None: ...

class NameRecord(_message.Message):
    __slots__ = ("name", "type", "values", "ttl")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    values: _containers.RepeatedScalarFieldContainer[str]
    ttl: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., values: _Optional[_Iterable[str]] = ..., ttl: _Optional[str] = ...) -> None: ...

class Delegation(_message.Message):
    __slots__ = ("name", "servers", "ttl", "ds")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SERVERS_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    DS_FIELD_NUMBER: _ClassVar[int]
    name: str
    servers: _containers.RepeatedCompositeFieldContainer[NameServer]
    ttl: str
    ds: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., servers: _Optional[_Iterable[_Union[NameServer, _Mapping]]] = ..., ttl: _Optional[str] = ..., ds: _Optional[_Iterable[str]] = ...) -> None: ...

class NameService(_message.Message):
    __slots__ = ("name", "candidates", "ttl", "answers", "policies", "none_live", "otherwise", "port", "health", "threshold", "rtt_within", "site_weights", "https", "srv")
    class SiteWeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    NONE_LIVE_FIELD_NUMBER: _ClassVar[int]
    OTHERWISE_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    RTT_WITHIN_FIELD_NUMBER: _ClassVar[int]
    SITE_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    HTTPS_FIELD_NUMBER: _ClassVar[int]
    SRV_FIELD_NUMBER: _ClassVar[int]
    name: str
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    ttl: str
    answers: str
    policies: _containers.RepeatedScalarFieldContainer[str]
    none_live: str
    otherwise: str
    port: int
    health: Health
    threshold: str
    rtt_within: str
    site_weights: _containers.ScalarMap[str, int]
    https: Https
    srv: _containers.RepeatedCompositeFieldContainer[Srv]
    def __init__(self, name: _Optional[str] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., ttl: _Optional[str] = ..., answers: _Optional[str] = ..., policies: _Optional[_Iterable[str]] = ..., none_live: _Optional[str] = ..., otherwise: _Optional[str] = ..., port: _Optional[int] = ..., health: _Optional[_Union[Health, _Mapping]] = ..., threshold: _Optional[str] = ..., rtt_within: _Optional[str] = ..., site_weights: _Optional[_Mapping[str, int]] = ..., https: _Optional[_Union[Https, _Mapping]] = ..., srv: _Optional[_Iterable[_Union[Srv, _Mapping]]] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("name", "vip", "address", "public", "site", "regions", "weight", "preference")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VIP_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    PREFERENCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    vip: str
    address: str
    public: str
    site: str
    regions: _containers.RepeatedScalarFieldContainer[str]
    weight: int
    preference: int
    def __init__(self, name: _Optional[str] = ..., vip: _Optional[str] = ..., address: _Optional[str] = ..., public: _Optional[str] = ..., site: _Optional[str] = ..., regions: _Optional[_Iterable[str]] = ..., weight: _Optional[int] = ..., preference: _Optional[int] = ...) -> None: ...

class Https(_message.Message):
    __slots__ = ("alpn", "port", "hints")
    ALPN_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    alpn: _containers.RepeatedScalarFieldContainer[str]
    port: int
    hints: bool
    def __init__(self, alpn: _Optional[_Iterable[str]] = ..., port: _Optional[int] = ..., hints: _Optional[bool] = ...) -> None: ...

class Srv(_message.Message):
    __slots__ = ("name", "port", "priority")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    name: str
    port: int
    priority: int
    def __init__(self, name: _Optional[str] = ..., port: _Optional[int] = ..., priority: _Optional[int] = ...) -> None: ...
