from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Preview(_message.Message):
    __slots__ = ("revision", "refused", "hitless", "losses", "pools", "vips", "switches")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    HITLESS_FIELD_NUMBER: _ClassVar[int]
    LOSSES_FIELD_NUMBER: _ClassVar[int]
    POOLS_FIELD_NUMBER: _ClassVar[int]
    VIPS_FIELD_NUMBER: _ClassVar[int]
    SWITCHES_FIELD_NUMBER: _ClassVar[int]
    revision: int
    refused: _containers.RepeatedScalarFieldContainer[str]
    hitless: str
    losses: _containers.RepeatedScalarFieldContainer[str]
    pools: _containers.RepeatedCompositeFieldContainer[PoolChange]
    vips: _containers.RepeatedCompositeFieldContainer[VipMove]
    switches: _containers.RepeatedCompositeFieldContainer[SwitchChange]
    def __init__(self, revision: _Optional[int] = ..., refused: _Optional[_Iterable[str]] = ..., hitless: _Optional[str] = ..., losses: _Optional[_Iterable[str]] = ..., pools: _Optional[_Iterable[_Union[PoolChange, _Mapping]]] = ..., vips: _Optional[_Iterable[_Union[VipMove, _Mapping]]] = ..., switches: _Optional[_Iterable[_Union[SwitchChange, _Mapping]]] = ...) -> None: ...

class PoolChange(_message.Message):
    __slots__ = ("key", "pool", "slots", "moved", "shifts", "connections", "tracked", "formerly_tracked", "serving", "formerly_serving")
    KEY_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    SHIFTS_FIELD_NUMBER: _ClassVar[int]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    TRACKED_FIELD_NUMBER: _ClassVar[int]
    FORMERLY_TRACKED_FIELD_NUMBER: _ClassVar[int]
    SERVING_FIELD_NUMBER: _ClassVar[int]
    FORMERLY_SERVING_FIELD_NUMBER: _ClassVar[int]
    key: str
    pool: str
    slots: int
    moved: int
    shifts: _containers.RepeatedCompositeFieldContainer[Shift]
    connections: _containers.RepeatedCompositeFieldContainer[Connections]
    tracked: int
    formerly_tracked: int
    serving: int
    formerly_serving: int
    def __init__(self, key: _Optional[str] = ..., pool: _Optional[str] = ..., slots: _Optional[int] = ..., moved: _Optional[int] = ..., shifts: _Optional[_Iterable[_Union[Shift, _Mapping]]] = ..., connections: _Optional[_Iterable[_Union[Connections, _Mapping]]] = ..., tracked: _Optional[int] = ..., formerly_tracked: _Optional[int] = ..., serving: _Optional[int] = ..., formerly_serving: _Optional[int] = ...) -> None: ...

class Shift(_message.Message):
    __slots__ = ("former", "now", "slots")
    FORMER_FIELD_NUMBER: _ClassVar[int]
    NOW_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    former: str
    now: str
    slots: int
    def __init__(self, former: _Optional[str] = ..., now: _Optional[str] = ..., slots: _Optional[int] = ...) -> None: ...

class Connections(_message.Message):
    __slots__ = ("backend", "outcome", "slots", "share", "pinned", "packets", "seconds", "then")
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    PINNED_FIELD_NUMBER: _ClassVar[int]
    PACKETS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    THEN_FIELD_NUMBER: _ClassVar[int]
    backend: str
    outcome: str
    slots: int
    share: float
    pinned: int
    packets: int
    seconds: float
    then: str
    def __init__(self, backend: _Optional[str] = ..., outcome: _Optional[str] = ..., slots: _Optional[int] = ..., share: _Optional[float] = ..., pinned: _Optional[int] = ..., packets: _Optional[int] = ..., seconds: _Optional[float] = ..., then: _Optional[str] = ...) -> None: ...

class VipMove(_message.Message):
    __slots__ = ("vip", "former", "site")
    VIP_FIELD_NUMBER: _ClassVar[int]
    FORMER_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    vip: str
    former: str
    site: str
    def __init__(self, vip: _Optional[str] = ..., former: _Optional[str] = ..., site: _Optional[str] = ...) -> None: ...

class SwitchChange(_message.Message):
    __slots__ = ("switch", "added", "modified", "deleted", "connected", "joins", "leaves", "entries", "left_out")
    SWITCH_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    MODIFIED_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    JOINS_FIELD_NUMBER: _ClassVar[int]
    LEAVES_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    switch: str
    added: int
    modified: int
    deleted: int
    connected: bool
    joins: bool
    leaves: bool
    entries: _containers.RepeatedCompositeFieldContainer[EntryChange]
    left_out: int
    def __init__(self, switch: _Optional[str] = ..., added: _Optional[int] = ..., modified: _Optional[int] = ..., deleted: _Optional[int] = ..., connected: _Optional[bool] = ..., joins: _Optional[bool] = ..., leaves: _Optional[bool] = ..., entries: _Optional[_Iterable[_Union[EntryChange, _Mapping]]] = ..., left_out: _Optional[int] = ...) -> None: ...

class EntryChange(_message.Message):
    __slots__ = ("what", "entry")
    WHAT_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    what: str
    entry: str
    def __init__(self, what: _Optional[str] = ..., entry: _Optional[str] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("source", "target", "protocol", "listener", "vip", "owner", "pool", "table", "switches", "presumed", "change", "health", "history", "differences")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    LISTENER_FIELD_NUMBER: _ClassVar[int]
    VIP_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    SWITCHES_FIELD_NUMBER: _ClassVar[int]
    PRESUMED_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    source: str
    target: str
    protocol: str
    listener: str
    vip: str
    owner: str
    pool: str
    table: int
    switches: _containers.RepeatedCompositeFieldContainer[OnSwitch]
    presumed: str
    change: int
    health: _containers.RepeatedCompositeFieldContainer[BackendHealth]
    history: _containers.RepeatedCompositeFieldContainer[Happened]
    differences: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, source: _Optional[str] = ..., target: _Optional[str] = ..., protocol: _Optional[str] = ..., listener: _Optional[str] = ..., vip: _Optional[str] = ..., owner: _Optional[str] = ..., pool: _Optional[str] = ..., table: _Optional[int] = ..., switches: _Optional[_Iterable[_Union[OnSwitch, _Mapping]]] = ..., presumed: _Optional[str] = ..., change: _Optional[int] = ..., health: _Optional[_Iterable[_Union[BackendHealth, _Mapping]]] = ..., history: _Optional[_Iterable[_Union[Happened, _Mapping]]] = ..., differences: _Optional[_Iterable[str]] = ...) -> None: ...

class OnSwitch(_message.Message):
    __slots__ = ("switch", "site", "hash", "spread", "slot", "slots", "now", "tracked", "base", "before", "pin", "reporter", "decisions", "hops", "connected", "admitted", "taken", "change", "read", "problem")
    SWITCH_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    NOW_FIELD_NUMBER: _ClassVar[int]
    TRACKED_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    PIN_FIELD_NUMBER: _ClassVar[int]
    REPORTER_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    HOPS_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    ADMITTED_FIELD_NUMBER: _ClassVar[int]
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    switch: str
    site: str
    hash: str
    spread: str
    slot: int
    slots: int
    now: str
    tracked: bool
    base: str
    before: str
    pin: str
    reporter: str
    decisions: _containers.RepeatedCompositeFieldContainer[Decided]
    hops: _containers.RepeatedCompositeFieldContainer[Hop]
    connected: bool
    admitted: bool
    taken: bool
    change: int
    read: Read
    problem: str
    def __init__(self, switch: _Optional[str] = ..., site: _Optional[str] = ..., hash: _Optional[str] = ..., spread: _Optional[str] = ..., slot: _Optional[int] = ..., slots: _Optional[int] = ..., now: _Optional[str] = ..., tracked: _Optional[bool] = ..., base: _Optional[str] = ..., before: _Optional[str] = ..., pin: _Optional[str] = ..., reporter: _Optional[str] = ..., decisions: _Optional[_Iterable[_Union[Decided, _Mapping]]] = ..., hops: _Optional[_Iterable[_Union[Hop, _Mapping]]] = ..., connected: _Optional[bool] = ..., admitted: _Optional[bool] = ..., taken: _Optional[bool] = ..., change: _Optional[int] = ..., read: _Optional[_Union[Read, _Mapping]] = ..., problem: _Optional[str] = ...) -> None: ...

class Decided(_message.Message):
    __slots__ = ("packet", "backend", "by", "reasons")
    PACKET_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    packet: str
    backend: str
    by: str
    reasons: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, packet: _Optional[str] = ..., backend: _Optional[str] = ..., by: _Optional[str] = ..., reasons: _Optional[_Iterable[str]] = ...) -> None: ...

class Hop(_message.Message):
    __slots__ = ("backend", "fate", "mode", "addresses", "mac", "ports", "packets")
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    FATE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    PACKETS_FIELD_NUMBER: _ClassVar[int]
    backend: str
    fate: str
    mode: str
    addresses: _containers.RepeatedScalarFieldContainer[str]
    mac: str
    ports: _containers.RepeatedScalarFieldContainer[str]
    packets: int
    def __init__(self, backend: _Optional[str] = ..., fate: _Optional[str] = ..., mode: _Optional[str] = ..., addresses: _Optional[_Iterable[str]] = ..., mac: _Optional[str] = ..., ports: _Optional[_Iterable[str]] = ..., packets: _Optional[int] = ...) -> None: ...

class Read(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[Checked]
    def __init__(self, entries: _Optional[_Iterable[_Union[Checked, _Mapping]]] = ...) -> None: ...

class Checked(_message.Message):
    __slots__ = ("what", "state", "entry", "packets")
    WHAT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    PACKETS_FIELD_NUMBER: _ClassVar[int]
    what: str
    state: str
    entry: str
    packets: int
    def __init__(self, what: _Optional[str] = ..., state: _Optional[str] = ..., entry: _Optional[str] = ..., packets: _Optional[int] = ...) -> None: ...

class Happened(_message.Message):
    __slots__ = ("at", "change", "event", "text")
    AT_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    at: float
    change: int
    event: str
    text: str
    def __init__(self, at: _Optional[float] = ..., change: _Optional[int] = ..., event: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class BackendHealth(_message.Message):
    __slots__ = ("backend", "up", "seconds", "reason")
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    UP_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    backend: str
    up: bool
    seconds: float
    reason: str
    def __init__(self, backend: _Optional[str] = ..., up: _Optional[bool] = ..., seconds: _Optional[float] = ..., reason: _Optional[str] = ...) -> None: ...
