from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Discovery(_message.Message):
    __slots__ = ("listen", "services", "tls", "insecure")
    LISTEN_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    INSECURE_FIELD_NUMBER: _ClassVar[int]
    listen: str
    services: _containers.RepeatedCompositeFieldContainer[DiscoveryService]
    tls: DiscoveryTls
    insecure: bool
    def __init__(self, listen: _Optional[str] = ..., services: _Optional[_Iterable[_Union[DiscoveryService, _Mapping]]] = ..., tls: _Optional[_Union[DiscoveryTls, _Mapping]] = ..., insecure: _Optional[bool] = ...) -> None: ...

class DiscoveryTls(_message.Message):
    __slots__ = ("cert", "key", "ca")
    CERT_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    CA_FIELD_NUMBER: _ClassVar[int]
    cert: str
    key: str
    ca: str
    def __init__(self, cert: _Optional[str] = ..., key: _Optional[str] = ..., ca: _Optional[str] = ...) -> None: ...

class DiscoveryService(_message.Message):
    __slots__ = ("name", "port", "pool", "routes", "speaks", "prefer", "local_first", "limits", "listen")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    SPEAKS_FIELD_NUMBER: _ClassVar[int]
    PREFER_FIELD_NUMBER: _ClassVar[int]
    LOCAL_FIRST_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    LISTEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    port: int
    pool: str
    routes: _containers.RepeatedCompositeFieldContainer[DiscoveryRoute]
    speaks: str
    prefer: _containers.RepeatedScalarFieldContainer[str]
    local_first: bool
    limits: DiscoveryLimits
    listen: str
    def __init__(self, name: _Optional[str] = ..., port: _Optional[int] = ..., pool: _Optional[str] = ..., routes: _Optional[_Iterable[_Union[DiscoveryRoute, _Mapping]]] = ..., speaks: _Optional[str] = ..., prefer: _Optional[_Iterable[str]] = ..., local_first: _Optional[bool] = ..., limits: _Optional[_Union[DiscoveryLimits, _Mapping]] = ..., listen: _Optional[str] = ...) -> None: ...

class DiscoveryRoute(_message.Message):
    __slots__ = ("path", "headers", "to")
    PATH_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    path: str
    headers: _containers.RepeatedCompositeFieldContainer[DiscoveryHeader]
    to: _containers.RepeatedCompositeFieldContainer[DiscoveryTarget]
    def __init__(self, path: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[DiscoveryHeader, _Mapping]]] = ..., to: _Optional[_Iterable[_Union[DiscoveryTarget, _Mapping]]] = ...) -> None: ...

class DiscoveryHeader(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class DiscoveryTarget(_message.Message):
    __slots__ = ("pool", "subset", "weight")
    POOL_FIELD_NUMBER: _ClassVar[int]
    SUBSET_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    pool: str
    subset: str
    weight: int
    def __init__(self, pool: _Optional[str] = ..., subset: _Optional[str] = ..., weight: _Optional[int] = ...) -> None: ...

class DiscoveryLimits(_message.Message):
    __slots__ = ("connections", "pending", "requests")
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    connections: int
    pending: int
    requests: int
    def __init__(self, connections: _Optional[int] = ..., pending: _Optional[int] = ..., requests: _Optional[int] = ...) -> None: ...
