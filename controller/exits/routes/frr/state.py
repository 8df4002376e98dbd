"""What FRR says of its neighbours, from the JSON of its ``show`` commands. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

BGP = "show bgp summary json"
OSPF = "show ip ospf neighbor json"
OSPF6 = "show ipv6 ospf6 neighbor json"
BFD = "show bfd peers json"


class Met(NamedTuple):
    """A neighbour as the engine sees it."""

    protocol: str
    """``bgp``, ``ospf``, ``ospf6`` or ``bfd``."""
    neighbor: str
    """Its address; of OSPF its router id and the interface."""
    up: bool
    """Routers are told through it."""
    state: str
    """In the engine's word."""
    told: int | None = None
    """Prefixes that it was told; None: that is not counted."""


def bgp(found: Any) -> Iterator[Met]:
    """Of ``BGP``."""
    for family in ("ipv4Unicast", "ipv6Unicast"):
        for name, peer in _mapping(_mapping(found).get(family, {})).get("peers", {}).items():
            state = str(peer.get("state", "unknown"))
            told = peer.get("pfxSnt")
            yield Met("bgp", name, state == "Established", state, told if isinstance(told, int) else None)


def ospf(found: Any) -> Iterator[Met]:
    """Of ``OSPF``."""
    for number, rows in _mapping(_mapping(found).get("neighbors", {})).items():
        for row in rows if isinstance(rows, list) else [rows]:
            interface = str(row.get("ifaceName", "")).partition(":")[0]
            yield _ospf(
                "ospf", f"{number}%{interface}", str(row.get("nbrState", row.get("state", "unknown")))
            )


def ospf6(found: Any) -> Iterator[Met]:
    """Of ``OSPF6``."""
    for row in _mapping(found).get("neighbors", ()):
        name = f"{row.get('neighborId', '?')}%{row.get('interfaceName', '')}"
        yield _ospf("ospf6", name, str(row.get("state", "unknown")))


def _ospf(protocol: str, name: str, state: str) -> Met:
    """Two neighbours that are not designated routers stay at 2-Way, as is right."""
    word = state.partition("/")[0]
    return Met(protocol, name, word == "Full", word)


def bfd(found: Any) -> Iterator[Met]:
    """Of ``BFD``."""
    for row in found if isinstance(found, list) else ():
        state = str(row.get("status", "unknown"))
        name = str(row.get("peer", "?"))
        yield Met("bfd", f"{name}%{row['interface']}" if row.get("interface") else name, state == "up", state)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
