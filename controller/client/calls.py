"""Calls as values: which method, with what, answered by what. Both clients carry them out."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from controller.api.v1 import resources_pb2 as resources
from controller.api.v1 import service_pb2 as api

A = TypeVar("A")

_SERVICE_OF = {
    method.name: service.full_name
    for service in api.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
OPTIONS = (
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.enable_retries", 0),
)
"""Of channels. What is tried again is tried by the client, which knows the request's id."""


Metadata = tuple[tuple[str, str | bytes], ...]


def metadata(token: str = "", reason: str = "", known: Metadata = ()) -> Metadata:
    """What travels beside a request: a token, and why."""
    found: dict[str, str | bytes] = dict(known)
    if token:
        found["authorization"] = f"Bearer {token}"
    if reason:
        found["evenkeel-reason-bin"] = reason.encode()
    return tuple(found.items())


@dataclass(frozen=True)
class Call(Generic[A]):
    """One call."""

    method: str
    request: Any
    answer: type[A]

    @property
    def path(self) -> str:
        """As gRPC names it."""
        return f"/{_SERVICE_OF[self.method]}/{self.method}"


def new_id() -> str:
    """An id for a request that no other has."""
    return uuid.uuid4().hex


def set_aside(request: Any, override: str) -> None:
    """Have budgets set aside for a change, with a reason; nothing if the request is none of the intent."""
    if "override" in request.DESCRIPTOR.fields_by_name:
        request.override = override


def get(name: str) -> Call[api.GetResponse]:
    """One resource."""
    return Call("Get", api.GetRequest(name=name), api.GetResponse)


def get_document() -> Call[api.GetDocumentResponse]:
    """The whole intent."""
    return Call("GetDocument", api.GetDocumentRequest(), api.GetDocumentResponse)


def list_page(kind: api.Kind, where: str, size: int, token: str, labels: str = "") -> Call[api.ListResponse]:
    """One page of resources."""
    request = api.ListRequest(
        kind=kind, filter=where, page_size=size, page_token=token, label_selector=labels
    )
    return Call("List", request, api.ListResponse)


def apply(
    what: resources.Document | api.Resource, expected: int | None, dry_run: bool, request_id: str
) -> Call[api.ApplyResponse]:
    """A document or a resource."""
    request = api.ApplyRequest(request_id=request_id or new_id(), dry_run=dry_run, expected_revision=expected)
    if isinstance(what, api.Resource):
        request.resource.CopyFrom(what)
    else:
        request.document.CopyFrom(what)
    return Call("Apply", request, api.ApplyResponse)


def plan(what: resources.Document | api.Resource, entries: int) -> Call[api.PlanResponse]:
    """What applying it would do."""
    request = api.PlanRequest(entries=entries)
    if isinstance(what, api.Resource):
        request.resource.CopyFrom(what)
    else:
        request.document.CopyFrom(what)
    return Call("Plan", request, api.PlanResponse)


def delete(name: str, expected: int | None, dry_run: bool, request_id: str) -> Call[api.DeleteResponse]:
    """Take a resource away."""
    request = api.DeleteRequest(
        request_id=request_id or new_id(), name=name, dry_run=dry_run, expected_revision=expected
    )
    return Call("Delete", request, api.DeleteResponse)


def drain(backends: Iterable[str], dry_run: bool, request_id: str) -> Call[api.DrainResponse]:
    """Let backends drain."""
    request = api.DrainRequest(request_id=request_id or new_id(), backends=backends, dry_run=dry_run)
    return Call("Drain", request, api.DrainResponse)


def undrain(backends: Iterable[str], dry_run: bool, request_id: str) -> Call[api.UndrainResponse]:
    """Let backends serve."""
    request = api.UndrainRequest(request_id=request_id or new_id(), backends=backends, dry_run=dry_run)
    return Call("Undrain", request, api.UndrainResponse)


def set_weights(weights: Mapping[str, int], dry_run: bool, request_id: str) -> Call[api.SetWeightsResponse]:
    """Weights by backend."""
    rows = [api.Weight(backend=name, weight=weight) for name, weight in weights.items()]
    request = api.SetWeightsRequest(request_id=request_id or new_id(), weights=rows, dry_run=dry_run)
    return Call("SetWeights", request, api.SetWeightsResponse)


def move_vip(vip: str, site: str, request_id: str) -> Call[api.MoveVipResponse]:
    """Own a VIP at a site."""
    request = api.MoveVipRequest(request_id=request_id or new_id(), vip=vip, site=site)
    return Call("MoveVip", request, api.MoveVipResponse)


def drill(vip: str, site: str, stay: float, within: float) -> Call[api.DrillResponse]:
    """Own a VIP at a site for a while."""
    request = api.DrillRequest(vip=vip, site=site, stay=stay, within=within)
    return Call("Drill", request, api.DrillResponse)


def drain_site(site: str, request_id: str) -> Call[api.DrainSiteResponse]:
    """Own nothing at a site."""
    request = api.DrainSiteRequest(request_id=request_id or new_id(), site=site)
    return Call("DrainSite", request, api.DrainSiteResponse)


def undrain_site(site: str, request_id: str) -> Call[api.UndrainSiteResponse]:
    """Own at a site what is at home there."""
    request = api.UndrainSiteRequest(request_id=request_id or new_id(), site=site)
    return Call("UndrainSite", request, api.UndrainSiteResponse)


def failback(pool: str, backend: str, request_id: str) -> Call[api.FailbackResponse]:
    """Make a backend the writer of its pool."""
    request = api.FailbackRequest(request_id=request_id or new_id(), pool=pool, backend=backend)
    return Call("Failback", request, api.FailbackResponse)


def rehash(pool: str, action: api.RehashRequest.Action, request_id: str) -> Call[api.RehashResponse]:
    """Take the slots of a pool as if it were new."""
    request = api.RehashRequest(request_id=request_id or new_id(), pool=pool, action=action)
    return Call("Rehash", request, api.RehashResponse)


def claim_without_quorum() -> Call[api.ClaimWithoutQuorumResponse]:
    """Go on without the store."""
    request = api.ClaimWithoutQuorumRequest(confirmed=True)
    return Call("ClaimWithoutQuorum", request, api.ClaimWithoutQuorumResponse)


def status() -> Call[api.StatusResponse]:
    """What is."""
    return Call("Status", api.StatusRequest(), api.StatusResponse)


def explain(source: str, target: str, udp: bool, flags: str | None, switch: str) -> Call[api.ExplainResponse]:
    """Where a connection goes."""
    request = api.ExplainRequest(
        source=source, target=target, protocol="udp" if udp else "tcp", flags=flags, switch=switch
    )
    return Call("Explain", request, api.ExplainResponse)


def timeline(since: float, vip: str, switch: str) -> Call[api.TimelineResponse]:
    """What was."""
    request = api.TimelineRequest(since=since, vip=vip, switch=switch)
    return Call("Timeline", request, api.TimelineResponse)


def explain_name(name: str, kind: str, client: str, resolver: str) -> Call[api.ExplainNameResponse]:
    """How a name is answered."""
    request = api.ExplainNameRequest(name=name, type=kind, client=client, resolver=resolver)
    return Call("ExplainName", request, api.ExplainNameResponse)


def follow_names(name: str) -> Call[api.FollowNamesResponse]:
    """What names are answered by."""
    return Call("FollowNames", api.FollowNamesRequest(name=name), api.FollowNamesResponse)


def report_names(
    site: str, seconds: Mapping[str, float], asked: Iterable[str]
) -> Call[api.ReportNamesResponse]:
    """What a name server has measured."""
    request = api.ReportNamesRequest(site=site, seconds=seconds, asked=asked)
    return Call("ReportNames", request, api.ReportNamesResponse)


def watch(
    after: api.Position | None, kinds: Iterable[api.Kind], events: bool, resources: bool
) -> Call[api.WatchResponse]:
    """What changes."""
    request = api.WatchRequest(after=after, kinds=kinds, events=events, no_resources=not resources)
    return Call("Watch", request, api.WatchResponse)
