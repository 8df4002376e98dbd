from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UNKNOWN: _ClassVar[Verdict]
    UP: _ClassVar[Verdict]
    DOWN: _ClassVar[Verdict]
UNKNOWN: Verdict
UP: Verdict
DOWN: Verdict

class Nothing(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class BeatMessage(_message.Message):
    __slots__ = ("site", "agent", "life", "number", "path", "holding", "ready", "report")
    SITE_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    LIFE_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    HOLDING_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    site: str
    agent: str
    life: str
    number: int
    path: str
    holding: _containers.RepeatedScalarFieldContainer[str]
    ready: bool
    report: Report
    def __init__(self, site: _Optional[str] = ..., agent: _Optional[str] = ..., life: _Optional[str] = ..., number: _Optional[int] = ..., path: _Optional[str] = ..., holding: _Optional[_Iterable[str]] = ..., ready: _Optional[bool] = ..., report: _Optional[_Union[Report, _Mapping]] = ...) -> None: ...

class Report(_message.Message):
    __slots__ = ("store", "edges", "fences", "lbs")
    STORE_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    FENCES_FIELD_NUMBER: _ClassVar[int]
    LBS_FIELD_NUMBER: _ClassVar[int]
    store: bool
    edges: Share
    fences: Share
    lbs: Share
    def __init__(self, store: _Optional[bool] = ..., edges: _Optional[_Union[Share, _Mapping]] = ..., fences: _Optional[_Union[Share, _Mapping]] = ..., lbs: _Optional[_Union[Share, _Mapping]] = ...) -> None: ...

class Share(_message.Message):
    __slots__ = ("there", "of")
    THERE_FIELD_NUMBER: _ClassVar[int]
    OF_FIELD_NUMBER: _ClassVar[int]
    there: int
    of: int
    def __init__(self, there: _Optional[int] = ..., of: _Optional[int] = ...) -> None: ...

class SeenMessage(_message.Message):
    __slots__ = ("revision", "record")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    revision: int
    record: bytes
    def __init__(self, revision: _Optional[int] = ..., record: _Optional[bytes] = ...) -> None: ...

class AskMessage(_message.Message):
    __slots__ = ("agent", "group", "number", "seen")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    agent: str
    group: str
    number: int
    seen: SeenMessage
    def __init__(self, agent: _Optional[str] = ..., group: _Optional[str] = ..., number: _Optional[int] = ..., seen: _Optional[_Union[SeenMessage, _Mapping]] = ...) -> None: ...

class ReplyMessage(_message.Message):
    __slots__ = ("life", "number", "agent", "promised", "seen")
    LIFE_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    PROMISED_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    life: str
    number: int
    agent: str
    promised: bool
    seen: SeenMessage
    def __init__(self, life: _Optional[str] = ..., number: _Optional[int] = ..., agent: _Optional[str] = ..., promised: _Optional[bool] = ..., seen: _Optional[_Union[SeenMessage, _Mapping]] = ...) -> None: ...

class ObserveMessage(_message.Message):
    __slots__ = ("controller",)
    CONTROLLER_FIELD_NUMBER: _ClassVar[int]
    controller: str
    def __init__(self, controller: _Optional[str] = ...) -> None: ...

class ObservedMessage(_message.Message):
    __slots__ = ("begins", "ends", "changes", "doubt")
    BEGINS_FIELD_NUMBER: _ClassVar[int]
    ENDS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    DOUBT_FIELD_NUMBER: _ClassVar[int]
    begins: bool
    ends: bool
    changes: _containers.RepeatedCompositeFieldContainer[Observation]
    doubt: str
    def __init__(self, begins: _Optional[bool] = ..., ends: _Optional[bool] = ..., changes: _Optional[_Iterable[_Union[Observation, _Mapping]]] = ..., doubt: _Optional[str] = ...) -> None: ...

class Observation(_message.Message):
    __slots__ = ("pool", "backend", "verdict", "reason")
    POOL_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    pool: str
    backend: str
    verdict: Verdict
    reason: str
    def __init__(self, pool: _Optional[str] = ..., backend: _Optional[str] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., reason: _Optional[str] = ...) -> None: ...
