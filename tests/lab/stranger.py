"""A host that takes a VIP's address, and what others then believe."""

from __future__ import annotations

import json
import socket
from ipaddress import ip_address
from typing import Any

import yaml

from controller.frames.announce import announcement
from tests.lab.balanced import Balanced
from topo.wires import HOST_INTERFACE

STRANGER = "02:45:56:09:00:07"


def vip_at(balanced: Balanced, address: str) -> Any:
    """The VIP with an address, as the intent has it."""
    document = yaml.safe_load(balanced.lab.intent_path.read_text())
    return next(vip for vip in document["vips"] if vip["address"] == address)


def known(balanced: Balanced, client: str, address: str) -> str | None:
    """The MAC that a client has for an address."""
    argv = ["ip", "-json", "neigh", "show", address]
    done = balanced.lab.exec(client, argv, capture_output=True, text=True, check=True)
    return next((row.get("lladdr") for row in json.loads(done.stdout or "[]")), None)


def take(balanced: Balanced, host: str, address: str) -> None:
    """Announce an address from ``STRANGER``, as a host does that was given it."""
    with (
        balanced.lab.namespace(host),
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out,
    ):
        out.bind((HOST_INTERFACE, 0))
        out.send(announcement(ip_address(address), STRANGER))
