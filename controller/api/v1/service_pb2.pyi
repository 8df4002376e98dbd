from controller.api.v1 import answers_pb2 as _answers_pb2
from controller.api.v1 import resources_pb2 as _resources_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KIND_UNSPECIFIED: _ClassVar[Kind]
    KIND_SITE: _ClassVar[Kind]
    KIND_SWITCH: _ClassVar[Kind]
    KIND_POOL: _ClassVar[Kind]
    KIND_BACKEND: _ClassVar[Kind]
    KIND_VIP: _ClassVar[Kind]
    KIND_ZONE: _ClassVar[Kind]
KIND_UNSPECIFIED: Kind
KIND_SITE: Kind
KIND_SWITCH: Kind
KIND_POOL: Kind
KIND_BACKEND: Kind
KIND_VIP: Kind
KIND_ZONE: Kind

class Resource(_message.Message):
    __slots__ = ("name", "id", "revision", "site", "switch", "pool", "backend", "vip", "zone")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    SWITCH_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    VIP_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    name: str
    id: str
    revision: int
    site: _resources_pb2.Site
    switch: _resources_pb2.Switch
    pool: _resources_pb2.Pool
    backend: _resources_pb2.Backend
    vip: _resources_pb2.Vip
    zone: _resources_pb2.Zone
    def __init__(self, name: _Optional[str] = ..., id: _Optional[str] = ..., revision: _Optional[int] = ..., site: _Optional[_Union[_resources_pb2.Site, _Mapping]] = ..., switch: _Optional[_Union[_resources_pb2.Switch, _Mapping]] = ..., pool: _Optional[_Union[_resources_pb2.Pool, _Mapping]] = ..., backend: _Optional[_Union[_resources_pb2.Backend, _Mapping]] = ..., vip: _Optional[_Union[_resources_pb2.Vip, _Mapping]] = ..., zone: _Optional[_Union[_resources_pb2.Zone, _Mapping]] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("revision", "changes", "changed", "repeated_request")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REPEATED_REQUEST_FIELD_NUMBER: _ClassVar[int]
    revision: int
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    changed: int
    repeated_request: bool
    def __init__(self, revision: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., changed: _Optional[int] = ..., repeated_request: _Optional[bool] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("name", "action")
    class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ACTION_UNSPECIFIED: _ClassVar[Change.Action]
        ACTION_ADDED: _ClassVar[Change.Action]
        ACTION_MODIFIED: _ClassVar[Change.Action]
        ACTION_DELETED: _ClassVar[Change.Action]
    ACTION_UNSPECIFIED: Change.Action
    ACTION_ADDED: Change.Action
    ACTION_MODIFIED: Change.Action
    ACTION_DELETED: Change.Action
    NAME_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    action: Change.Action
    def __init__(self, name: _Optional[str] = ..., action: _Optional[_Union[Change.Action, str]] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetResponse(_message.Message):
    __slots__ = ("resource", "revision")
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    resource: Resource
    revision: int
    def __init__(self, resource: _Optional[_Union[Resource, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class GetDocumentRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetDocumentResponse(_message.Message):
    __slots__ = ("document", "revision")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    document: _resources_pb2.Document
    revision: int
    def __init__(self, document: _Optional[_Union[_resources_pb2.Document, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class ListRequest(_message.Message):
    __slots__ = ("kind", "filter", "page_size", "page_token", "label_selector")
    KIND_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LABEL_SELECTOR_FIELD_NUMBER: _ClassVar[int]
    kind: Kind
    filter: str
    page_size: int
    page_token: str
    label_selector: str
    def __init__(self, kind: _Optional[_Union[Kind, str]] = ..., filter: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., label_selector: _Optional[str] = ...) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ("resources", "next_page_token", "revision")
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    resources: _containers.RepeatedCompositeFieldContainer[Resource]
    next_page_token: str
    revision: int
    def __init__(self, resources: _Optional[_Iterable[_Union[Resource, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class ApplyRequest(_message.Message):
    __slots__ = ("request_id", "document", "resource", "expected_revision", "dry_run", "override")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    OVERRIDE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    document: _resources_pb2.Document
    resource: Resource
    expected_revision: int
    dry_run: bool
    override: str
    def __init__(self, request_id: _Optional[str] = ..., document: _Optional[_Union[_resources_pb2.Document, _Mapping]] = ..., resource: _Optional[_Union[Resource, _Mapping]] = ..., expected_revision: _Optional[int] = ..., dry_run: _Optional[bool] = ..., override: _Optional[str] = ...) -> None: ...

class ApplyResponse(_message.Message):
    __slots__ = ("outcome",)
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    def __init__(self, outcome: _Optional[_Union[Outcome, _Mapping]] = ...) -> None: ...

class PlanRequest(_message.Message):
    __slots__ = ("document", "resource", "entries")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    document: _resources_pb2.Document
    resource: Resource
    entries: int
    def __init__(self, document: _Optional[_Union[_resources_pb2.Document, _Mapping]] = ..., resource: _Optional[_Union[Resource, _Mapping]] = ..., entries: _Optional[int] = ...) -> None: ...

class PlanResponse(_message.Message):
    __slots__ = ("plan",)
    PLAN_FIELD_NUMBER: _ClassVar[int]
    plan: _answers_pb2.Preview
    def __init__(self, plan: _Optional[_Union[_answers_pb2.Preview, _Mapping]] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("request_id", "name", "expected_revision", "dry_run", "override")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    OVERRIDE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    expected_revision: int
    dry_run: bool
    override: str
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ..., expected_revision: _Optional[int] = ..., dry_run: _Optional[bool] = ..., override: _Optional[str] = ...) -> None: ...

class DeleteResponse(_message.Message):
    __slots__ = ("outcome",)
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    def __init__(self, outcome: _Optional[_Union[Outcome, _Mapping]] = ...) -> None: ...

class DrainRequest(_message.Message):
    __slots__ = ("request_id", "backends", "dry_run", "override")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    BACKENDS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    OVERRIDE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    backends: _containers.RepeatedScalarFieldContainer[str]
    dry_run: bool
    override: str
    def __init__(self, request_id: _Optional[str] = ..., backends: _Optional[_Iterable[str]] = ..., dry_run: _Optional[bool] = ..., override: _Optional[str] = ...) -> None: ...

class DrainResponse(_message.Message):
    __slots__ = ("outcome",)
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    def __init__(self, outcome: _Optional[_Union[Outcome, _Mapping]] = ...) -> None: ...

class UndrainRequest(_message.Message):
    __slots__ = ("request_id", "backends", "dry_run", "override")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    BACKENDS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    OVERRIDE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    backends: _containers.RepeatedScalarFieldContainer[str]
    dry_run: bool
    override: str
    def __init__(self, request_id: _Optional[str] = ..., backends: _Optional[_Iterable[str]] = ..., dry_run: _Optional[bool] = ..., override: _Optional[str] = ...) -> None: ...

class UndrainResponse(_message.Message):
    __slots__ = ("outcome",)
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    def __init__(self, outcome: _Optional[_Union[Outcome, _Mapping]] = ...) -> None: ...

class Weight(_message.Message):
    __slots__ = ("backend", "weight")
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    backend: str
    weight: int
    def __init__(self, backend: _Optional[str] = ..., weight: _Optional[int] = ...) -> None: ...

class SetWeightsRequest(_message.Message):
    __slots__ = ("request_id", "weights", "dry_run", "override")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    OVERRIDE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    weights: _containers.RepeatedCompositeFieldContainer[Weight]
    dry_run: bool
    override: str
    def __init__(self, request_id: _Optional[str] = ..., weights: _Optional[_Iterable[_Union[Weight, _Mapping]]] = ..., dry_run: _Optional[bool] = ..., override: _Optional[str] = ...) -> None: ...

class SetWeightsResponse(_message.Message):
    __slots__ = ("outcome",)
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    def __init__(self, outcome: _Optional[_Union[Outcome, _Mapping]] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ("revision", "event_revision")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    EVENT_REVISION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    event_revision: int
    def __init__(self, revision: _Optional[int] = ..., event_revision: _Optional[int] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("after", "kinds", "events", "no_resources")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NO_RESOURCES_FIELD_NUMBER: _ClassVar[int]
    after: Position
    kinds: _containers.RepeatedScalarFieldContainer[Kind]
    events: bool
    no_resources: bool
    def __init__(self, after: _Optional[_Union[Position, _Mapping]] = ..., kinds: _Optional[_Iterable[_Union[Kind, str]]] = ..., events: _Optional[bool] = ..., no_resources: _Optional[bool] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("position", "reset", "put", "deleted", "event", "bookmark")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    RESET_FIELD_NUMBER: _ClassVar[int]
    PUT_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    BOOKMARK_FIELD_NUMBER: _ClassVar[int]
    position: Position
    reset: Reset
    put: Resource
    deleted: str
    event: Event
    bookmark: Bookmark
    def __init__(self, position: _Optional[_Union[Position, _Mapping]] = ..., reset: _Optional[_Union[Reset, _Mapping]] = ..., put: _Optional[_Union[Resource, _Mapping]] = ..., deleted: _Optional[str] = ..., event: _Optional[_Union[Event, _Mapping]] = ..., bookmark: _Optional[_Union[Bookmark, _Mapping]] = ...) -> None: ...

class Reset(_message.Message):
    __slots__ = ("why",)
    WHY_FIELD_NUMBER: _ClassVar[int]
    why: str
    def __init__(self, why: _Optional[str] = ...) -> None: ...

class Bookmark(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Event(_message.Message):
    __slots__ = ("controller", "number", "at", "revision", "event", "cause", "fields")
    CONTROLLER_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    controller: str
    number: int
    at: float
    revision: int
    event: str
    cause: str
    fields: _struct_pb2.Struct
    def __init__(self, controller: _Optional[str] = ..., number: _Optional[int] = ..., at: _Optional[float] = ..., revision: _Optional[int] = ..., event: _Optional[str] = ..., cause: _Optional[str] = ..., fields: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class MoveVipRequest(_message.Message):
    __slots__ = ("request_id", "vip", "site")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VIP_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    vip: str
    site: str
    def __init__(self, request_id: _Optional[str] = ..., vip: _Optional[str] = ..., site: _Optional[str] = ...) -> None: ...

class MoveVipResponse(_message.Message):
    __slots__ = ("outcome", "vips")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    VIPS_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    vips: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, outcome: _Optional[_Union[Outcome, _Mapping]] = ..., vips: _Optional[_Iterable[str]] = ...) -> None: ...

class DrainSiteRequest(_message.Message):
    __slots__ = ("request_id", "site")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    site: str
    def __init__(self, request_id: _Optional[str] = ..., site: _Optional[str] = ...) -> None: ...

class DrainSiteResponse(_message.Message):
    __slots__ = ("outcome",)
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    def __init__(self, outcome: _Optional[_Union[Outcome, _Mapping]] = ...) -> None: ...

class UndrainSiteRequest(_message.Message):
    __slots__ = ("request_id", "site")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    site: str
    def __init__(self, request_id: _Optional[str] = ..., site: _Optional[str] = ...) -> None: ...

class UndrainSiteResponse(_message.Message):
    __slots__ = ("outcome",)
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    def __init__(self, outcome: _Optional[_Union[Outcome, _Mapping]] = ...) -> None: ...

class DrillRequest(_message.Message):
    __slots__ = ("vip", "site", "stay", "within")
    VIP_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    STAY_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    vip: str
    site: str
    stay: float
    within: float
    def __init__(self, vip: _Optional[str] = ..., site: _Optional[str] = ..., stay: _Optional[float] = ..., within: _Optional[float] = ...) -> None: ...

class DrillResponse(_message.Message):
    __slots__ = ("stage", "vips", "former")
    class Stage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STAGE_UNSPECIFIED: _ClassVar[DrillResponse.Stage]
        STAGE_ORDERED: _ClassVar[DrillResponse.Stage]
        STAGE_THERE: _ClassVar[DrillResponse.Stage]
        STAGE_WITHDRAWN: _ClassVar[DrillResponse.Stage]
        STAGE_BACK: _ClassVar[DrillResponse.Stage]
    STAGE_UNSPECIFIED: DrillResponse.Stage
    STAGE_ORDERED: DrillResponse.Stage
    STAGE_THERE: DrillResponse.Stage
    STAGE_WITHDRAWN: DrillResponse.Stage
    STAGE_BACK: DrillResponse.Stage
    STAGE_FIELD_NUMBER: _ClassVar[int]
    VIPS_FIELD_NUMBER: _ClassVar[int]
    FORMER_FIELD_NUMBER: _ClassVar[int]
    stage: DrillResponse.Stage
    vips: _containers.RepeatedScalarFieldContainer[str]
    former: str
    def __init__(self, stage: _Optional[_Union[DrillResponse.Stage, str]] = ..., vips: _Optional[_Iterable[str]] = ..., former: _Optional[str] = ...) -> None: ...

class FailbackRequest(_message.Message):
    __slots__ = ("request_id", "pool", "backend")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    pool: str
    backend: str
    def __init__(self, request_id: _Optional[str] = ..., pool: _Optional[str] = ..., backend: _Optional[str] = ...) -> None: ...

class FailbackResponse(_message.Message):
    __slots__ = ("outcome", "writer")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    WRITER_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    writer: str
    def __init__(self, outcome: _Optional[_Union[Outcome, _Mapping]] = ..., writer: _Optional[str] = ...) -> None: ...

class RehashRequest(_message.Message):
    __slots__ = ("request_id", "pool", "action")
    class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ACTION_UNSPECIFIED: _ClassVar[RehashRequest.Action]
        ACTION_PLAN: _ClassVar[RehashRequest.Action]
        ACTION_BEGIN: _ClassVar[RehashRequest.Action]
        ACTION_CANCEL: _ClassVar[RehashRequest.Action]
    ACTION_UNSPECIFIED: RehashRequest.Action
    ACTION_PLAN: RehashRequest.Action
    ACTION_BEGIN: RehashRequest.Action
    ACTION_CANCEL: RehashRequest.Action
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    pool: str
    action: RehashRequest.Action
    def __init__(self, request_id: _Optional[str] = ..., pool: _Optional[str] = ..., action: _Optional[_Union[RehashRequest.Action, str]] = ...) -> None: ...

class RehashResponse(_message.Message):
    __slots__ = ("outcome", "plans")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    PLANS_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    plans: _containers.RepeatedCompositeFieldContainer[RehashPlan]
    def __init__(self, outcome: _Optional[_Union[Outcome, _Mapping]] = ..., plans: _Optional[_Iterable[_Union[RehashPlan, _Mapping]]] = ...) -> None: ...

class RehashPlan(_message.Message):
    __slots__ = ("table", "before", "after", "slots", "turns_in", "waits_for", "memory", "young")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    TURNS_IN_FIELD_NUMBER: _ClassVar[int]
    WAITS_FOR_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    YOUNG_FIELD_NUMBER: _ClassVar[int]
    table: str
    before: str
    after: str
    slots: int
    turns_in: float
    waits_for: str
    memory: float
    young: float
    def __init__(self, table: _Optional[str] = ..., before: _Optional[str] = ..., after: _Optional[str] = ..., slots: _Optional[int] = ..., turns_in: _Optional[float] = ..., waits_for: _Optional[str] = ..., memory: _Optional[float] = ..., young: _Optional[float] = ...) -> None: ...

class ClaimWithoutQuorumRequest(_message.Message):
    __slots__ = ("confirmed",)
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    confirmed: bool
    def __init__(self, confirmed: _Optional[bool] = ...) -> None: ...

class ClaimWithoutQuorumResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatusResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: _struct_pb2.Struct
    def __init__(self, status: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("source", "target", "protocol", "flags", "switch")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    SWITCH_FIELD_NUMBER: _ClassVar[int]
    source: str
    target: str
    protocol: str
    flags: str
    switch: str
    def __init__(self, source: _Optional[str] = ..., target: _Optional[str] = ..., protocol: _Optional[str] = ..., flags: _Optional[str] = ..., switch: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("explanation",)
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    explanation: _answers_pb2.Explanation
    def __init__(self, explanation: _Optional[_Union[_answers_pb2.Explanation, _Mapping]] = ...) -> None: ...

class TimelineRequest(_message.Message):
    __slots__ = ("since", "vip", "switch")
    SINCE_FIELD_NUMBER: _ClassVar[int]
    VIP_FIELD_NUMBER: _ClassVar[int]
    SWITCH_FIELD_NUMBER: _ClassVar[int]
    since: float
    vip: str
    switch: str
    def __init__(self, since: _Optional[float] = ..., vip: _Optional[str] = ..., switch: _Optional[str] = ...) -> None: ...

class TimelineResponse(_message.Message):
    __slots__ = ("events", "problems")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    problems: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., problems: _Optional[_Iterable[str]] = ...) -> None: ...

class FollowNamesRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class FollowNamesResponse(_message.Message):
    __slots__ = ("revision", "inputs", "none", "same")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    NONE_FIELD_NUMBER: _ClassVar[int]
    SAME_FIELD_NUMBER: _ClassVar[int]
    revision: int
    inputs: bytes
    none: NoNames
    same: Bookmark
    def __init__(self, revision: _Optional[int] = ..., inputs: _Optional[bytes] = ..., none: _Optional[_Union[NoNames, _Mapping]] = ..., same: _Optional[_Union[Bookmark, _Mapping]] = ...) -> None: ...

class NoNames(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReportNamesRequest(_message.Message):
    __slots__ = ("site", "seconds", "asked")
    class SecondsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    SITE_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    site: str
    seconds: _containers.ScalarMap[str, float]
    asked: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, site: _Optional[str] = ..., seconds: _Optional[_Mapping[str, float]] = ..., asked: _Optional[_Iterable[str]] = ...) -> None: ...

class ReportNamesResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ExplainNameRequest(_message.Message):
    __slots__ = ("name", "type", "client", "resolver")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    RESOLVER_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    client: str
    resolver: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., client: _Optional[str] = ..., resolver: _Optional[str] = ...) -> None: ...

class ExplainNameResponse(_message.Message):
    __slots__ = ("explanation",)
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    explanation: _struct_pb2.Struct
    def __init__(self, explanation: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...
