from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Routes(_message.Message):
    __slots__ = ("speakers", "vips", "backups", "spread", "max_vips", "communities", "graceful", "preference", "bfd", "dampening")
    SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    VIPS_FIELD_NUMBER: _ClassVar[int]
    BACKUPS_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    MAX_VIPS_FIELD_NUMBER: _ClassVar[int]
    COMMUNITIES_FIELD_NUMBER: _ClassVar[int]
    GRACEFUL_FIELD_NUMBER: _ClassVar[int]
    PREFERENCE_FIELD_NUMBER: _ClassVar[int]
    BFD_FIELD_NUMBER: _ClassVar[int]
    DAMPENING_FIELD_NUMBER: _ClassVar[int]
    speakers: _containers.RepeatedCompositeFieldContainer[Speaker]
    vips: _containers.RepeatedCompositeFieldContainer[RoutedVip]
    backups: bool
    spread: str
    max_vips: int
    communities: _containers.RepeatedScalarFieldContainer[str]
    graceful: str
    preference: RoutePreference
    bfd: Bfd
    dampening: Dampening
    def __init__(self, speakers: _Optional[_Iterable[_Union[Speaker, _Mapping]]] = ..., vips: _Optional[_Iterable[_Union[RoutedVip, _Mapping]]] = ..., backups: _Optional[bool] = ..., spread: _Optional[str] = ..., max_vips: _Optional[int] = ..., communities: _Optional[_Iterable[str]] = ..., graceful: _Optional[str] = ..., preference: _Optional[_Union[RoutePreference, _Mapping]] = ..., bfd: _Optional[_Union[Bfd, _Mapping]] = ..., dampening: _Optional[_Union[Dampening, _Mapping]] = ...) -> None: ...

class Speaker(_message.Message):
    __slots__ = ("name", "switch", "sockets", "router_id", "engine", "drain", "bgp", "ospf")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SWITCH_FIELD_NUMBER: _ClassVar[int]
    SOCKETS_FIELD_NUMBER: _ClassVar[int]
    ROUTER_ID_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    BGP_FIELD_NUMBER: _ClassVar[int]
    OSPF_FIELD_NUMBER: _ClassVar[int]
    name: str
    switch: str
    sockets: str
    router_id: str
    engine: str
    drain: bool
    bgp: Bgp
    ospf: Ospf
    def __init__(self, name: _Optional[str] = ..., switch: _Optional[str] = ..., sockets: _Optional[str] = ..., router_id: _Optional[str] = ..., engine: _Optional[str] = ..., drain: _Optional[bool] = ..., bgp: _Optional[_Union[Bgp, _Mapping]] = ..., ospf: _Optional[_Union[Ospf, _Mapping]] = ...) -> None: ...

class Bgp(_message.Message):
    __slots__ = ("neighbors",)
    AS_FIELD_NUMBER: _ClassVar[int]
    NEIGHBORS_FIELD_NUMBER: _ClassVar[int]
    neighbors: _containers.RepeatedCompositeFieldContainer[BgpNeighbor]
    def __init__(self, neighbors: _Optional[_Iterable[_Union[BgpNeighbor, _Mapping]]] = ..., **kwargs) -> None: ...

class BgpNeighbor(_message.Message):
    __slots__ = ("address", "bfd", "password_file", "hold")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    AS_FIELD_NUMBER: _ClassVar[int]
    BFD_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FILE_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    address: str
    bfd: bool
    password_file: str
    hold: int
    def __init__(self, address: _Optional[str] = ..., bfd: _Optional[bool] = ..., password_file: _Optional[str] = ..., hold: _Optional[int] = ..., **kwargs) -> None: ...

class Ospf(_message.Message):
    __slots__ = ("interfaces", "area", "hello", "dead")
    INTERFACES_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    DEAD_FIELD_NUMBER: _ClassVar[int]
    interfaces: _containers.RepeatedCompositeFieldContainer[OspfInterface]
    area: str
    hello: int
    dead: int
    def __init__(self, interfaces: _Optional[_Iterable[_Union[OspfInterface, _Mapping]]] = ..., area: _Optional[str] = ..., hello: _Optional[int] = ..., dead: _Optional[int] = ...) -> None: ...

class OspfInterface(_message.Message):
    __slots__ = ("name", "cost", "network", "bfd")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    BFD_FIELD_NUMBER: _ClassVar[int]
    name: str
    cost: int
    network: str
    bfd: bool
    def __init__(self, name: _Optional[str] = ..., cost: _Optional[int] = ..., network: _Optional[str] = ..., bfd: _Optional[bool] = ...) -> None: ...

class RoutedVip(_message.Message):
    __slots__ = ("name", "med", "cost", "communities")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MED_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    COMMUNITIES_FIELD_NUMBER: _ClassVar[int]
    name: str
    med: int
    cost: int
    communities: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., med: _Optional[int] = ..., cost: _Optional[int] = ..., communities: _Optional[_Iterable[str]] = ...) -> None: ...

class RoutePreference(_message.Message):
    __slots__ = ("med", "med_step", "cost", "cost_step", "prepend", "local_pref", "local_pref_step")
    MED_FIELD_NUMBER: _ClassVar[int]
    MED_STEP_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    COST_STEP_FIELD_NUMBER: _ClassVar[int]
    PREPEND_FIELD_NUMBER: _ClassVar[int]
    LOCAL_PREF_FIELD_NUMBER: _ClassVar[int]
    LOCAL_PREF_STEP_FIELD_NUMBER: _ClassVar[int]
    med: int
    med_step: int
    cost: int
    cost_step: int
    prepend: int
    local_pref: int
    local_pref_step: int
    def __init__(self, med: _Optional[int] = ..., med_step: _Optional[int] = ..., cost: _Optional[int] = ..., cost_step: _Optional[int] = ..., prepend: _Optional[int] = ..., local_pref: _Optional[int] = ..., local_pref_step: _Optional[int] = ...) -> None: ...

class Bfd(_message.Message):
    __slots__ = ("interval", "multiplier")
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    interval: str
    multiplier: int
    def __init__(self, interval: _Optional[str] = ..., multiplier: _Optional[int] = ...) -> None: ...

class Dampening(_message.Message):
    __slots__ = ("flaps", "window", "hold")
    FLAPS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    flaps: int
    window: str
    hold: str
    def __init__(self, flaps: _Optional[int] = ..., window: _Optional[str] = ..., hold: _Optional[str] = ...) -> None: ...
