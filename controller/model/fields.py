"""Converters of single values: from a place in the file to a typed value, or ``Wrong``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from ipaddress import ip_address
from typing import TypeVar

from controller.model import probe_values
from controller.model.reader import Converter, Place, shortened
from controller.model.units import (
    Wrong,
    format_duration,
    parse_address,
    parse_duration,
    parse_host_network,
    parse_mac,
    parse_network,
    parse_octets,
    parse_share,
    parse_virtual_mac,
)
from controller.spec.policy import Amount
from controller.spec.types import Address, Network

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

MAX_ID = 2**64 - 1
"""Largest id of a switch."""
_DATAPATH = re.compile(r"[0-9a-f]{16}|[0-9a-f]{2}(?::[0-9a-f]{2}){7}")
_DECIMAL = re.compile(r"[0-9]{1,40}")
_PLAIN = re.compile(r"0x[0-9a-f]{1,40}|0|[1-9][0-9]{0,39}")
_SECONDS = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?")
_FACTOR = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,20})?)(%?)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_P4RUNTIME = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/\s]+):([0-9]{1,5})|unix:/\S+")
_INTERFACE = re.compile(r"[!-.0-9;-~]{1,15}")
_OVSDB = re.compile(r"(?:tcp|ssl):(\[[0-9A-Fa-f:.]+\]|[^:\[\]/\s]+):([0-9]{1,5})|unix:/\S+")


def text(place: Place) -> str:
    """Text, not empty."""
    scalar = place.scalar("write a text")
    if not isinstance(scalar.value, str):
        raise Wrong(
            f"is {scalar.text}, which YAML does not take for text", f'write "{scalar.text}" in quotes'
        )
    if not scalar.value:
        raise Wrong("is empty", "write a text")
    return scalar.value


def name(place: Place) -> str:
    """Name.

    At most 63 letters, digits, dots, dashes and underscores, the first a letter or digit.
    """
    found = text(place)
    if _NAME.fullmatch(found) is None:
        right = 'use up to 63 letters, digits, ".", "-" and "_", starting with a letter or digit'
        raise Wrong(f'is "{found}", which is no name', right)
    return found


def flag(place: Place) -> bool:
    """``true`` or ``false``."""
    scalar = place.scalar("write true or false")
    if not isinstance(scalar.value, bool):
        raise Wrong(f"is {scalar}", "write true or false")
    return scalar.value


def whole(low: int, high: int) -> Converter[int]:
    """A whole number from ``low`` to ``high``."""
    right = f"write a whole number from {low} to {high}"

    def convert(place: Place) -> int:
        value = place.scalar(right)
        if not isinstance(value.value, int) or isinstance(value.value, bool):
            raise Wrong(f"is {value}", right)
        if not low <= value.value <= high:
            raise Wrong(f"is {value.text}", right)
        return value.value

    convert.__doc__ = f"Whole number, {low:,} to {high:,}"
    return convert


def duration(low: float, high: float) -> Converter[float]:
    """Seconds from ``low`` to ``high``; ``low`` 0 admits none at all."""
    right = f"write one from {format_duration(low)} to {format_duration(high)}"

    def convert(place: Place) -> float:
        scalar = place.scalar("write 500ms, 1s, 5m, 1h or a plain number of seconds")
        if isinstance(scalar.value, int | float) and not isinstance(scalar.value, bool):
            # Compared as it is: no float is as large as an int may be.
            seconds = float(scalar.value) if scalar.value <= high else math.inf
        elif _SECONDS.fullmatch(scalar.text) is not None:  # a text, which all durations are in messages
            seconds = float(scalar.text)
        else:
            seconds = parse_duration(scalar.text)
        if not low <= seconds <= high:
            raise Wrong(f"is {scalar.text}", right)
        return seconds

    convert.__doc__ = f"Duration, {format_duration(low)} to {format_duration(high)}"
    return convert


def switch_id(place: Place) -> int:
    """Number: ``0x21``, ``33``, or 16 hex digits as ``ovs-vsctl`` prints them."""
    right = f"write 0x21, 33, or the 16 hex digits that ovs-vsctl prints, from 1 to {MAX_ID:#x}"
    scalar = place.scalar(right)
    written = scalar.text.strip().lower()
    if _DATAPATH.fullmatch(written) is not None:
        value = int(written.replace(":", ""), 16)
        if _DECIMAL.fullmatch(written) is not None and not written.startswith("0"):
            choices = f"write {value:#x} for the hex digits, or {int(written):#x} for the decimal number"
            raise Wrong(f"is {written}, 16 digits that are hex as ovs-vsctl prints them, or decimal", choices)
    elif _PLAIN.fullmatch(written) is not None:
        value = int(written, 0)
    elif _DECIMAL.fullmatch(written) is not None:
        choices = f"write {int(written, 16):#x} for hex digits, or {int(written)} for the decimal number"
        raise Wrong(f"is {shortened(written)}, which may be hex, octal or decimal", choices)
    else:
        raise Wrong(f"is {scalar}", right)
    if not 1 <= value <= MAX_ID:
        raise Wrong(f"is {scalar.text}", right)
    return value


def choice(kinds: type[E], only: tuple[E, ...] | None = None) -> Converter[E]:
    """One of the words of an enumeration (or of ``only`` some of them)."""
    allowed = only or tuple(kinds)
    right = f"write {either(allowed)}"

    def convert(place: Place) -> E:
        scalar = place.scalar(right)
        for kind in allowed:
            if scalar.text == kind.value:
                return kind
        raise Wrong(f"is {scalar}", right)

    convert.__doc__ = either(tuple(f"``{each}``" for each in allowed))
    return convert


def word(*allowed: str) -> Converter[str]:
    """One of some words."""
    right = f"write {either(allowed)}"

    def convert(place: Place) -> str:
        scalar = place.scalar(right)
        if scalar.text not in allowed:
            raise Wrong(f"is {scalar}", right)
        return scalar.text

    convert.__doc__ = either(tuple(f"``{each}``" for each in allowed))
    return convert


def either(words: tuple[str, ...]) -> str:
    """The words as a choice: ``a, b or c``."""
    return ", ".join(words[:-1]) + f" or {words[-1]}" if len(words) > 1 else words[0]


def _from_text(parse: Callable[[str], T], right: str, what: str) -> Converter[T]:
    def convert(place: Place) -> T:
        return parse(place.scalar(right).text)

    convert.__doc__ = what
    return convert


share: Converter[float] = _from_text(parse_share, "write 50% or 0.5", "Share, ``50%`` or ``0.5``")


def factor(low: float, high: float) -> Converter[float]:
    """A factor from ``low`` to ``high``, as a number or in percent."""
    right = f"write a factor from {low:g} to {high:g}, such as {max(low, 0.5):g} or {max(low, 0.5):.0%}"

    def convert(place: Place) -> float:
        text = place.scalar(right).text
        match = _FACTOR.fullmatch(text)
        if match is None:
            raise Wrong(f'is "{shortened(text)}"', right)
        # Divided as a decimal: 110% is exactly what 1.1 is.
        value = float(Decimal(match[1]) / (100 if match[2] else 1))
        if not low <= value <= high:
            raise Wrong(f"is {text}", right)
        return value

    convert.__doc__ = f"Factor, {low:g} to {high:g}, or in percent"
    return convert


def amount(place: Place) -> Amount:
    """Whole number, or share such as ``25%``."""
    right = "write a whole number such as 2, or a share such as 25%"
    text = place.scalar(right).text
    if text.endswith("%"):
        return Amount(parse_share(text), share=True)
    if re.fullmatch("[0-9]{1,9}", text) is None:
        raise Wrong(f'is "{shortened(text)}"', right)
    return Amount(float(int(text)))


address: Converter[Address] = _from_text(
    parse_address, "write one such as 10.0.0.100 or fd00::100", "Address, IPv4 or IPv6"
)
network: Converter[Network] = _from_text(
    parse_network, "write one such as 10.0.0.0/24 or fd00::/64", "Prefix, IPv4 or IPv6"
)
host_network: Converter[Network] = _from_text(
    parse_host_network, "write one such as 10.0.0.0/24 or fd00::/64", "Prefix of hosts, IPv4 or IPv6"
)
mac: Converter[str] = _from_text(parse_mac, "write one such as 02:45:56:00:00:01", "MAC address")
virtual_mac: Converter[str] = _from_text(
    parse_virtual_mac, "write one such as 02:45:56:00:01:01", "Locally administered MAC address"
)
octets: Converter[bytes] = _from_text(
    parse_octets, 'write a text or "hex:" and hex digits', "Text, or ``hex:`` and hex digits"
)


def http_path(place: Place) -> str:
    """Path of an HTTP request; begins with ``/``."""
    return probe_values.http_path(text(place))


def http_host(place: Place) -> str:
    """Name or address, for the Host header."""
    return probe_values.http_host(place.scalar("write a name or an address").text)


def regex(place: Place) -> str:
    """Regular expression."""
    return probe_values.body_pattern(place.scalar("write a regular expression").text)


def datagram(place: Place) -> bytes:
    """Text, or ``hex:`` and hex digits, that fits into a datagram."""
    return probe_values.datagram(octets(place))


def status(place: Place) -> tuple[int, int]:
    """HTTP status or a range of them, ``200`` or ``301-308``."""
    right = "write a status such as 200 or a range such as 301-308, from 100 to 599"
    scalar = place.scalar(right)
    match = re.fullmatch("([0-9]{3})(?:-([0-9]{3}))?", scalar.text)
    if match is None:
        raise Wrong(f"is {scalar}", right)
    low, high = int(match[1]), int(match[2] or match[1])
    if not 100 <= low <= high <= 599:
        raise Wrong(f"is {scalar}", right)
    return low, high


def ovsdb(place: Place) -> str:
    """``tcp:HOST:PORT``, ``ssl:HOST:PORT`` or ``unix:/PATH`` of an OVSDB server."""
    right = "write tcp:HOST:PORT, ssl:HOST:PORT or unix:/PATH"
    scalar = place.scalar(right)
    match = _OVSDB.fullmatch(scalar.text)
    if match is None or (match[2] and not 1 <= int(match[2]) <= 65535):
        raise Wrong(f"is {scalar}", right)
    return scalar.text


def endpoint(place: Place) -> str:
    """``ADDRESS:PORT``, an IPv6 address in brackets."""
    right = "write ADDRESS:PORT, such as 192.0.2.1:7654 or [2001:db8::1]:7654"
    scalar = place.scalar(right)
    host, _, port = scalar.text.rpartition(":")
    plain = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        bracketed = ip_address(plain).version == 6
    except ValueError:
        raise Wrong(f"is {scalar}", right) from None
    if bracketed != (plain != host) or _DECIMAL.fullmatch(port) is None or not 1 <= int(port) <= 65535:
        raise Wrong(f"is {scalar}", right)
    return scalar.text


def interface(place: Place) -> str:
    """Name of a network interface: at most 15 characters, no blank, ``/`` or ``:``."""
    found = text(place)
    if _INTERFACE.fullmatch(found) is None or found in (".", ".."):
        right = 'use up to 15 characters as ip link shows them, none of them blank, "/" or ":"'
        raise Wrong(f'is "{shortened(found)}", which is no name of an interface', right)
    return found


def p4runtime(place: Place) -> str:
    """``HOST:PORT`` or ``unix:/PATH`` of a P4Runtime server."""
    right = "write HOST:PORT or unix:/PATH"
    scalar = place.scalar(right)
    match = _P4RUNTIME.fullmatch(scalar.text)
    if match is None or (match[2] and not 1 <= int(match[2]) <= 65535):
        raise Wrong(f"is {scalar}", right)
    return scalar.text
