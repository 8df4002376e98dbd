"""Zones as resources of the API: added, read, found, refused and taken away as all others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controller.api.v1 import resources_pb2 as resources
from controller.api.v1 import service_pb2 as api
from controller.cli.place import VARIABLE
from controller.client import ApiError
from controller.security.certificates import Role
from tests.fakes.api import Face, message, played
from tests.fakes.guarded import PAIR, Fabric, fabric
from tests.unit.test_cli_elsewhere import context
from tests.unit.test_cli_elsewhere import ek as elsewhere
from tests.unit.test_cli_resources import Ek, play, rows

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


ZONE_FILE = """\
zone:
  name: example.net
  servers: [{name: ns1, addresses: [10.0.0.53]}]
  services: [{name: shop, candidates: [{vip: shop}]}]
"""


def test_commands_show_and_change_zones_as_other_resources(tmp_path: Path) -> None:
    def test(face: Face, ek: Ek) -> None:
        file = tmp_path / "zones.yaml"
        file.write_text(ZONE_FILE)
        assert "zones/example.net added" in ek("apply", "-f", str(file))
        shown = rows(ek("get", "zones"))
        assert shown[0][:2] == ["NAME", "SERVICES"]
        assert shown[1][:2] == ["example.net", "1"]
        assert "vip: shop" in ek("get", "zones/example.net", "-o", "yaml")
        assert "example.net" in ek("describe", "zones/example.net")
        assert "removes all zones" in ek("delete", "zones/example.net", code=1)

    play(tmp_path, test)


def test_a_name_is_explained_by_a_controller_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(VARIABLE, raising=False)

    def test(f: Fabric) -> None:
        context(f, "away", Role.VIEWER)
        said = elsewhere("explain", "name", "shop.example.net", "--client", "10.0.0.9")
        assert "shop.example.net A, to 10.0.0.9, change " in said
        assert "1. health: 1 in, 1 out" in said
        assert f"{PAIR.vips[0].address} (" in said
        assert "balanced names: shop.example.net" in elsewhere("explain", "name", "nix", code=2)
        assert "write an address" in elsewhere("explain", "name", "nix", "--client", "x", code=2)

    async def play() -> None:
        async with fabric(tmp_path) as f:
            async with f.client("root", Role.ADMIN) as client:
                await client.apply(message(PAIR))
                await client.apply(zone(PAIR.vips[0].name))
            await asyncio.to_thread(test, f)

    played(play)
