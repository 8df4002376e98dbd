from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Tier(_message.Message):
    __slots__ = ("name", "instances", "frontends", "pools", "status_port", "timeouts", "hard_stop_after", "raw_global", "raw_defaults", "raw_sections")
    NAME_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    FRONTENDS_FIELD_NUMBER: _ClassVar[int]
    POOLS_FIELD_NUMBER: _ClassVar[int]
    STATUS_PORT_FIELD_NUMBER: _ClassVar[int]
    TIMEOUTS_FIELD_NUMBER: _ClassVar[int]
    HARD_STOP_AFTER_FIELD_NUMBER: _ClassVar[int]
    RAW_GLOBAL_FIELD_NUMBER: _ClassVar[int]
    RAW_DEFAULTS_FIELD_NUMBER: _ClassVar[int]
    RAW_SECTIONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    instances: _containers.RepeatedCompositeFieldContainer[Instance]
    frontends: _containers.RepeatedCompositeFieldContainer[Frontend]
    pools: _containers.RepeatedCompositeFieldContainer[TierPool]
    status_port: int
    timeouts: TierTimeouts
    hard_stop_after: str
    raw_global: _containers.RepeatedScalarFieldContainer[str]
    raw_defaults: _containers.RepeatedScalarFieldContainer[str]
    raw_sections: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., instances: _Optional[_Iterable[_Union[Instance, _Mapping]]] = ..., frontends: _Optional[_Iterable[_Union[Frontend, _Mapping]]] = ..., pools: _Optional[_Iterable[_Union[TierPool, _Mapping]]] = ..., status_port: _Optional[int] = ..., timeouts: _Optional[_Union[TierTimeouts, _Mapping]] = ..., hard_stop_after: _Optional[str] = ..., raw_global: _Optional[_Iterable[str]] = ..., raw_defaults: _Optional[_Iterable[str]] = ..., raw_sections: _Optional[_Iterable[str]] = ...) -> None: ...

class Instance(_message.Message):
    __slots__ = ("name", "master", "config")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MASTER_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    name: str
    master: str
    config: str
    def __init__(self, name: _Optional[str] = ..., master: _Optional[str] = ..., config: _Optional[str] = ...) -> None: ...

class TierTimeouts(_message.Message):
    __slots__ = ("connect", "client", "server", "http_request", "keep_alive")
    CONNECT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    HTTP_REQUEST_FIELD_NUMBER: _ClassVar[int]
    KEEP_ALIVE_FIELD_NUMBER: _ClassVar[int]
    connect: str
    client: str
    server: str
    http_request: str
    keep_alive: str
    def __init__(self, connect: _Optional[str] = ..., client: _Optional[str] = ..., server: _Optional[str] = ..., http_request: _Optional[str] = ..., keep_alive: _Optional[str] = ...) -> None: ...

class Frontend(_message.Message):
    __slots__ = ("name", "binds", "mode", "routes", "pool", "forwarded_for", "max_connections", "raw")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BINDS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    FORWARDED_FOR_FIELD_NUMBER: _ClassVar[int]
    MAX_CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    name: str
    binds: _containers.RepeatedCompositeFieldContainer[Bind]
    mode: str
    routes: _containers.RepeatedCompositeFieldContainer[TierRoute]
    pool: str
    forwarded_for: str
    max_connections: int
    raw: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., binds: _Optional[_Iterable[_Union[Bind, _Mapping]]] = ..., mode: _Optional[str] = ..., routes: _Optional[_Iterable[_Union[TierRoute, _Mapping]]] = ..., pool: _Optional[str] = ..., forwarded_for: _Optional[str] = ..., max_connections: _Optional[int] = ..., raw: _Optional[_Iterable[str]] = ...) -> None: ...

class Bind(_message.Message):
    __slots__ = ("port", "address", "certificates", "accept_proxy")
    PORT_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_PROXY_FIELD_NUMBER: _ClassVar[int]
    port: int
    address: str
    certificates: _containers.RepeatedScalarFieldContainer[str]
    accept_proxy: bool
    def __init__(self, port: _Optional[int] = ..., address: _Optional[str] = ..., certificates: _Optional[_Iterable[str]] = ..., accept_proxy: _Optional[bool] = ...) -> None: ...

class TierRoute(_message.Message):
    __slots__ = ("pool", "hosts", "paths", "headers", "cookies")
    POOL_FIELD_NUMBER: _ClassVar[int]
    HOSTS_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    COOKIES_FIELD_NUMBER: _ClassVar[int]
    pool: str
    hosts: _containers.RepeatedScalarFieldContainer[str]
    paths: _containers.RepeatedScalarFieldContainer[str]
    headers: _containers.RepeatedCompositeFieldContainer[TierMatch]
    cookies: _containers.RepeatedCompositeFieldContainer[TierMatch]
    def __init__(self, pool: _Optional[str] = ..., hosts: _Optional[_Iterable[str]] = ..., paths: _Optional[_Iterable[str]] = ..., headers: _Optional[_Iterable[_Union[TierMatch, _Mapping]]] = ..., cookies: _Optional[_Iterable[_Union[TierMatch, _Mapping]]] = ...) -> None: ...

class TierMatch(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class TierPool(_message.Message):
    __slots__ = ("name", "servers", "mode", "balance", "balance_on", "sticky", "retries", "health", "send_proxy", "drain_timeout", "raw", "raw_server")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SERVERS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    BALANCE_ON_FIELD_NUMBER: _ClassVar[int]
    STICKY_FIELD_NUMBER: _ClassVar[int]
    RETRIES_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    SEND_PROXY_FIELD_NUMBER: _ClassVar[int]
    DRAIN_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    RAW_SERVER_FIELD_NUMBER: _ClassVar[int]
    name: str
    servers: _containers.RepeatedCompositeFieldContainer[TierServer]
    mode: str
    balance: str
    balance_on: str
    sticky: TierSticky
    retries: TierRetries
    health: TierHealth
    send_proxy: str
    drain_timeout: str
    raw: _containers.RepeatedScalarFieldContainer[str]
    raw_server: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., servers: _Optional[_Iterable[_Union[TierServer, _Mapping]]] = ..., mode: _Optional[str] = ..., balance: _Optional[str] = ..., balance_on: _Optional[str] = ..., sticky: _Optional[_Union[TierSticky, _Mapping]] = ..., retries: _Optional[_Union[TierRetries, _Mapping]] = ..., health: _Optional[_Union[TierHealth, _Mapping]] = ..., send_proxy: _Optional[str] = ..., drain_timeout: _Optional[str] = ..., raw: _Optional[_Iterable[str]] = ..., raw_server: _Optional[_Iterable[str]] = ...) -> None: ...

class TierSticky(_message.Message):
    __slots__ = ("cookie", "secure")
    COOKIE_FIELD_NUMBER: _ClassVar[int]
    SECURE_FIELD_NUMBER: _ClassVar[int]
    cookie: str
    secure: bool
    def __init__(self, cookie: _Optional[str] = ..., secure: _Optional[bool] = ...) -> None: ...

class TierRetries(_message.Message):
    __slots__ = ("attempts", "on", "methods")
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    ON_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    attempts: int
    on: _containers.RepeatedScalarFieldContainer[str]
    methods: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, attempts: _Optional[int] = ..., on: _Optional[_Iterable[str]] = ..., methods: _Optional[_Iterable[str]] = ...) -> None: ...

class TierHealth(_message.Message):
    __slots__ = ("type", "path", "host", "port", "interval", "timeout", "rise", "fall")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RISE_FIELD_NUMBER: _ClassVar[int]
    FALL_FIELD_NUMBER: _ClassVar[int]
    type: str
    path: str
    host: str
    port: int
    interval: str
    timeout: str
    rise: int
    fall: int
    def __init__(self, type: _Optional[str] = ..., path: _Optional[str] = ..., host: _Optional[str] = ..., port: _Optional[int] = ..., interval: _Optional[str] = ..., timeout: _Optional[str] = ..., rise: _Optional[int] = ..., fall: _Optional[int] = ...) -> None: ...

class TierServer(_message.Message):
    __slots__ = ("name", "address", "port", "weight", "drain", "backup")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    BACKUP_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: str
    port: int
    weight: int
    drain: bool
    backup: bool
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., port: _Optional[int] = ..., weight: _Optional[int] = ..., drain: _Optional[bool] = ..., backup: _Optional[bool] = ...) -> None: ...
