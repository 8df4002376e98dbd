"""A zone of names as the document that says it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from controller.model.units import format_duration
from controller.spec.health import HealthCheck
from controller.spec.names import Candidate, Delegation, Https, NameServer, Record, Region, Service, Zone

Plain = dict[str, Any]


def zone(of: Zone, health: Callable[[HealthCheck], Plain], share: Callable[[float], str]) -> Plain:
    """One entry of ``zones``. ``health``, ``share``: as the rest of the document has them."""
    said = _given(
        {
            "name": of.name,
            "ttl": f"{of.ttl}s",
            "negative_ttl": f"{of.negative_ttl}s",
            "contact": of.contact,
            "signed": of.signed,
            "regions": [_region(each) for each in of.regions],
            "services": [_service(each, health, share) for each in of.services],
            "records": [_record(each) for each in of.records],
            "delegations": [_delegation(each) for each in of.delegations],
            "labels": dict(of.labels) or None,
        }
    )
    return {**said, "servers": [_server(each) for each in of.servers]}


def _server(of: NameServer) -> Plain:
    return _given({"name": of.name, "addresses": _texts(of.addresses), "site": of.site})


def _region(of: Region) -> Plain:
    return _given({"name": of.name, "prefixes": _texts(of.prefixes), "served_by": list(of.served_by)})


def _record(of: Record) -> Plain:
    return _given({"name": of.name, "type": of.type.value, "values": list(of.values), "ttl": _ttl(of.ttl)})


def _delegation(of: Delegation) -> Plain:
    servers = [_server(each) for each in of.servers]
    return _given({"name": of.name, "servers": servers, "ttl": _ttl(of.ttl), "ds": list(of.ds)})


def _service(of: Service, health: Callable[[HealthCheck], Plain], share: Callable[[float], str]) -> Plain:
    return _given(
        {
            "name": of.name,
            "ttl": _ttl(of.ttl),
            "answers": "all" if of.answers is None else str(of.answers),
            "policies": [each.value for each in of.policies],
            "none_live": of.none_live.value,
            "otherwise": of.otherwise,
            "port": of.port,
            "health": None if of.health is None else health(of.health),
            "threshold": share(of.threshold),
            "rtt_within": format_duration(of.rtt_within),
            "site_weights": dict(of.site_weights) or None,
            "https": None if of.https is None else _https(of.https),
            "srv": [{"name": each.name, "port": each.port, "priority": each.priority} for each in of.srv],
            "candidates": [_candidate(each) for each in of.candidates],
        }
    )


def _https(of: Https) -> Plain:
    return _given({"alpn": list(of.alpn), "port": of.port, "hints": of.hints})


def _candidate(of: Candidate) -> Plain:
    return _given(
        {
            "name": of.name,
            "vip": of.vip,
            "address": None if of.address is None else str(of.address),
            "public": None if of.public is None else str(of.public),
            "site": of.site,
            "regions": list(of.regions),
            "weight": of.weight,
            "preference": of.preference,
        }
    )


def _ttl(seconds: int | None) -> str | None:
    return None if seconds is None else f"{seconds}s"


def _texts(values: Iterable[object]) -> list[str]:
    return [str(each) for each in values]


def _given(values: Mapping[str, object]) -> Plain:
    return {key: value for key, value in values.items() if value is not None and value not in ([], {})}
