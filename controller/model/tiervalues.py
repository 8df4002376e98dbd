"""Converters of what a tier's keys hold. It goes into HAProxy's file: nothing in it can end its argument there."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address

from controller.model import probe_values
from controller.model.fields import endpoint, text
from controller.model.reader import Place, shortened
from controller.model.units import Wrong
from controller.spec.tier import ANY, ANY6, OWN
from controller.spec.types import Address

_TOKEN = re.compile(r"[A-Za-z0-9!$&+.^_`|~-]{1,100}")
_HOST = re.compile(r"(?:\*\.)?[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")
_PATH = re.compile(r"/[A-Za-z0-9/._~!$&()+,;=:@%-]*\*?")
_VALUE = re.compile(r"[!-&(-\[\]-~](?:[ -&(-\[\]-~]{0,498}[!-&(-\[\]-~])?")
_METHOD = re.compile(r"[A-Z]{1,20}")
_FILE = re.compile(r"/[!-&(-\[\]-~]{1,1000}")
_RAW = re.compile(r"[^\x00-\x1f\x7f]{1,2000}")


def master(place: Place) -> str:
    """``unix:/PATH`` or ``tcp:ADDRESS:PORT`` of a master socket."""
    scalar = place.scalar("write unix:/PATH or tcp:ADDRESS:PORT")
    kind, _, rest = scalar.text.partition(":")
    if kind == "unix" and _FILE.fullmatch(rest) is not None and len(rest.encode()) < 108:
        return scalar.text
    if kind != "tcp":
        raise Wrong(f"is {scalar}", "write unix:/PATH (at most 107 octets) or tcp:ADDRESS:PORT")
    return f"tcp:{endpoint(replace(place, node=replace(scalar, value=rest, text=rest)))}"


def file(place: Place) -> str:
    """Absolute path of a file."""
    return _matching(place, _FILE, "write an absolute path without blanks, quotes and backslashes")


def config_file(place: Place) -> str:
    """Absolute path of a file that ends with ``.cfg``."""
    found = file(place)
    if not found.endswith(".cfg"):
        raise Wrong(
            f'is "{shortened(found)}"', "write a path that ends with .cfg: the file is the controller's"
        )
    return found


def bind_address(place: Place) -> str:
    """``any``, ``own``, ``::`` or an address."""
    found = place.scalar("write any, own or an address").text
    if found in (ANY, ANY6, OWN):
        return found
    return str(server_address(place))


def host(place: Place) -> str:
    """Name of a host, or ``*.`` and a name."""
    found = text(place)
    if _HOST.fullmatch(found) is None or len(found) > 255:
        raise Wrong(f'is "{shortened(found)}"', "write a name such as api.example.org or *.example.org")
    return found.lower()


def route_path(place: Place) -> str:
    """Path of requests, which begins with ``/``; ``*`` at its end stands for the rest."""
    found = text(place)
    if _PATH.fullmatch(found) is None or len(found) > 500:
        raise Wrong(f'is "{shortened(found)}"', "write a path such as /login, or /api/* for all below it")
    return found


def probe_path(place: Place) -> str:
    """Path of a probe's request, which begins with ``/``."""
    found = probe_values.http_path(text(place))
    if set(found) & set("'\\"):
        raise Wrong(f'is "{shortened(found)}"', "write a path without quotes and backslashes")
    return found


def probe_host(place: Place) -> str:
    """Name or address, for the Host header of a probe."""
    found = probe_values.http_host(place.scalar("write a name or an address").text)
    if set(found) & set("'\\"):
        raise Wrong(f'is "{shortened(found)}"', "write a name without quotes and backslashes")
    return found


def token(place: Place) -> str:
    """Name of a header, cookie or parameter."""
    return _matching(place, _TOKEN, "write a name of letters, digits and dashes, such as x-version")


def _matching(place: Place, pattern: re.Pattern[str], right: str) -> str:
    found = text(place)
    if pattern.fullmatch(found) is None:
        raise Wrong(f'is "{shortened(found)}"', right)
    return found


def value(place: Place) -> str:
    """Text of printable ASCII without quotes and backslashes."""
    found = place.scalar("write a text").text
    if _VALUE.fullmatch(found) is None:
        right = "write 1 to 500 printable ASCII characters without ' and \\, no blank at an end"
        raise Wrong(f'is "{shortened(found)}"', right)
    return found


def method(place: Place) -> str:
    """Method of HTTP requests, such as ``GET``."""
    found = text(place)
    if _METHOD.fullmatch(found) is None:
        raise Wrong(f'is "{shortened(found)}"', "write a method in capitals, such as GET")
    return found


def raw(place: Place) -> str:
    """One line of HAProxy's language."""
    found = text(place)
    if _RAW.fullmatch(found) is None:
        raise Wrong(f'is "{shortened(found)}"', "write one line of at most 2,000 characters")
    return found


def server_address(place: Place) -> Address:
    """Address, IPv4 or IPv6; one of the HAProxy's own machine too, such as ``127.0.0.1``."""
    right = "write one such as 10.1.0.11, fd00::11 or 127.0.0.1"
    scalar = place.scalar(right)
    try:
        found = ip_address(scalar.text)
    except ValueError:
        raise Wrong(f"is {scalar}", right) from None
    if found.is_multicast or found.is_unspecified or getattr(found, "scope_id", None):
        raise Wrong(f"is {scalar}, which no server has", right)
    return found
