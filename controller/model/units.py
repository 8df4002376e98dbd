"""Text to values and back for what an intent is written in: durations, shares, addresses, MACs, octets."""

from __future__ import annotations

import re
from decimal import Decimal
from ipaddress import IPv6Address, ip_address, ip_interface, ip_network

from controller.spec.types import Address, Network

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_UNITS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_SHARE = re.compile(r"([0-9]*\.?[0-9]+)(%?)")


_UNUSABLE: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(prefix), why)
    for prefix, why in (
        ("0.0.0.0/8", "which is no host's address"),
        # The rest of 127.0.0.0/8 is what hosts of a network that is simulated on one machine have.
        ("127.0.0.0/16", "a loopback address, which never leaves its host"),
        ("169.254.0.0/16", "a link-local address, which no router forwards"),
        ("224.0.0.0/4", "a multicast address"),
        ("255.255.255.255/32", "the broadcast address"),
        ("240.0.0.0/4", "a reserved address, which no host accepts"),
        ("::/128", "which is no host's address"),
        ("::1/128", "a loopback address, which never leaves its host"),
        ("::ffff:0:0/96", "an IPv4 address in IPv6 notation, which is in no packet"),
        ("::/96", "an IPv4-compatible address, which is out of use"),
        ("fe80::/10", "a link-local address, which no router forwards"),
        ("ff00::/8", "a multicast address"),
    )
)
"""Where hosts that others reach have no addresses; the first that holds one says why."""


class Wrong(Exception):
    """A value is not what it should be: ``problem`` reads after the key's name, ``right`` after a comma."""

    def __init__(self, problem: str, right: str) -> None:
        super().__init__(problem, right)
        self.problem = problem
        self.right = right


def parse_duration(text: str) -> float:
    """Seconds in ``500ms``, ``1.5s``, ``5m`` or ``1h``; raises ``Wrong``."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise Wrong(
            f'is "{text}", which is no duration', "write 500ms, 1s, 5m, 1h or a plain number of seconds"
        )
    return float(Decimal(match[1]) * _UNITS[match[2]])


def format_duration(seconds: float) -> str:
    """The shortest text that ``parse_duration`` turns into exactly ``seconds`` (finite, >= 0)."""
    exact = Decimal(repr(float(seconds)))
    if exact and exact % 3600 == 0:
        return f"{int(exact / 3600)}h"
    if exact and exact % 60 == 0:
        return f"{int(exact / 60)}m"
    if exact % 1 == 0:
        return f"{int(exact)}s"
    if exact * 1000 % 1 == 0:
        return f"{int(exact * 1000)}ms"
    return f"{exact:f}s"


def parse_share(text: str) -> float:
    """A share from 0 to 1 in ``50%`` or ``0.5``; raises ``Wrong``."""
    match = _SHARE.fullmatch(text.strip())
    if match is None:
        raise Wrong(f'is "{text}", which is no share', "write 50% or 0.5")
    share = float(Decimal(match[1]) / 100) if match[2] else float(match[1])
    if share > 1:
        right = (
            f"write {text}% or a number from 0 to 1" if not match[2] and share <= 100 else "write 0% to 100%"
        )
        raise Wrong(f"is {text}, which is no share", right)
    return share


def parse_address(text: str) -> Address:
    """The address of a host that other hosts reach; raises ``Wrong``."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        right = "write one such as 10.0.0.100 or fd00::100"
        if "/" in text:
            right = "leave out the prefix length"
        raise Wrong(f'is "{text}", which is no IP address', right) from None
    if address.version == 6 and address.scope_id is not None:
        raise Wrong(f'is "{text}" with a zone', "write the address without %")
    why = unusable(ip_network(address))
    if why is not None:
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        usual = "write a unicast address that other hosts reach"
        raise Wrong(f"is {address}, {why}", usual if mapped is None else f"write {mapped}")
    return address


def unusable(network: Network) -> str | None:
    """Why no host that others reach has an address in ``network``; None: one may have."""
    for known, why in _UNUSABLE:
        if network.version == known.version and network.subnet_of(known):  # type: ignore[arg-type]
            return why
    return None


def parse_host_network(text: str) -> Network:
    """A prefix, not wholly among addresses that no host can have towards others; raises ``Wrong``."""
    network = parse_network(text)
    why = unusable(network)
    if why is not None:
        raise Wrong(f"is {network}, {why}", "write a prefix of unicast addresses that other hosts reach")
    return network


def parse_network(text: str) -> Network:
    """A prefix without host bits (a lone address is its own prefix); raises ``Wrong``."""
    try:
        return ip_network(text.strip())
    except ValueError:
        pass
    try:
        whole = ip_interface(text.strip()).network
    except ValueError:
        raise Wrong(
            f'is "{text}", which is no prefix', "write one such as 10.0.0.0/24 or fd00::/64"
        ) from None
    raise Wrong(f'is "{text}", which has bits set beyond the prefix length', f"write {whole}")


def parse_mac(text: str) -> str:
    """A unicast MAC address in lower-case colon form; raises ``Wrong``."""
    mac = text.strip().lower().replace("-", ":")
    if _MAC.fullmatch(mac) is None:
        raise Wrong(f'is "{text}", which is no MAC address', "write one such as 02:45:56:00:00:01")
    if int(mac[:2], 16) & 1:
        raise Wrong(f"is {mac}, which is multicast", "write a MAC whose first octet is even")
    if mac == "00:00:00:00:00:00":
        raise Wrong(f"is {mac}, which no interface has", "write the interface's MAC")
    return mac


def parse_virtual_mac(text: str) -> str:
    """A locally administered unicast MAC; raises ``Wrong``."""
    example = "write a locally administered unicast MAC such as 02:45:56:00:01:01"
    try:
        mac = parse_mac(text)
    except Wrong as wrong:
        raise Wrong(wrong.problem, example) from None
    if not int(mac[:2], 16) & 2:
        raise Wrong(f"is {mac}, which is not locally administered", example)
    return mac


def parse_octets(text: str) -> bytes:
    """Octets from plain text (as UTF-8) or ``hex:0a0b``; raises ``Wrong``."""
    if not text.startswith("hex:"):
        try:
            return text.encode()
        except UnicodeEncodeError:
            raise Wrong("has half a character (a surrogate)", "write octets as hex: and hex digits") from None
    try:
        return bytes.fromhex(text.removeprefix("hex:"))
    except ValueError:
        right = "write hex: and pairs of hex digits, e.g. hex:0a0b"
        raise Wrong(f'is "{text}", which is no hex string', right) from None
