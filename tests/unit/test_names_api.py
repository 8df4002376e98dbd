"""Zones as resources of the API: added, read, found, refused and taken away as all others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from controller.api.v1 import resources_pb2 as resources
from controller.api.v1 import service_pb2 as api
from controller.client import ApiError
from controller.security.certificates import Role
from tests.fakes.api import message, played
from tests.fakes.guarded import PAIR, fabric

ZONE = "zones/example.net"


def zone(vip: str) -> api.Resource:
    """One service that leads to a VIP."""
    service = resources.NameService(name="shop", ttl="5s", answers="all", policies=["health", "round-robin"])
    service.candidates.add(vip=vip, weight=2)
    servers = [resources.NameServer(name="ns1", addresses=["10.0.0.53"])]
    made = resources.Zone(name="example.net", servers=servers, services=[service], labels={"team": "web"})
    return api.Resource(zone=made)


def test_a_zone_is_a_resource(tmp_path: Path) -> None:
    async def found(client: Any, labels: str, where: str = "") -> list[str]:
        return [each.name async for each in client.list(api.KIND_ZONE, where, labels=labels)]

    async def play() -> None:
        async with fabric(tmp_path) as f, f.client("root", Role.ADMIN) as client:
            await client.apply(message(PAIR))
            vip = PAIR.vips[0].name
            outcome = await client.apply(zone(vip))
            assert [each.name for each in outcome.changes] == [ZONE]
            got = await client.get(ZONE)
            assert got.zone.services[0].candidates[0].vip == vip
            assert got.zone.negative_ttl == "30s"
            assert (await client.apply(got)).changed == 0
            assert await found(client, "team=web", "services.name=shop") == [ZONE]
            assert await found(client, "team=api") == []
            with pytest.raises(ApiError) as caught:
                await client.apply(zone("nix"))
            assert caught.value.violations[0][0] == "zones[0].services[0].candidates[0].vip"
            with pytest.raises(ApiError, match=r"candidate .* names the vip"):
                await client.delete(f"vips/{vip}")
            document = (await client.get_document()).document
            assert [each.name for each in document.zones] == ["example.net"]

    played(play)
