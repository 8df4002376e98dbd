"""The tunnel's outer packet is IPv4, so its backends need an IPv4 address."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.model.errors import ConfigErrors
from controller.model.load import load_text

BASE = (Path(__file__).parent / "data" / "base.yaml").read_text()


def test_a_tunnel_to_a_backend_without_ipv4_address_is_refused() -> None:
    spoiled = BASE.replace(
        '{name: s3, addresses: [10.1.0.13, "fd00::13"]', '{name: s3, addresses: ["fd00::13"]'
    )
    tunnelled = spoiled.replace("port: 83, pool: web, mode: tun", "port: 83, pool: dns, mode: tun")
    with pytest.raises(
        ConfigErrors, match='backend "s3" of pool "dns" has no IPv4 address, which the tunnel of'
    ):
        load_text(tunnelled, "fabric.yaml")
