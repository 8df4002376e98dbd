"""Values of a health check that become octets, names or patterns when servers are probed: one judgement for all.

``check`` refuses with these functions what a probe could not be built from, and the probe is built with them.
Each returns its value or raises ``Wrong``.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import quote

from controller.model.units import Wrong

MAX_PATH = 2000
"""Characters of an HTTP request target."""
MAX_HOST = 253
"""Characters of a host name."""
MAX_BODY = 1000
"""Characters of a regular expression."""
MAX_GROUPS = 100
"""Parentheses of a regular expression; the compiler calls itself for each that is open."""
MAX_DATAGRAM = 65507
"""Octets that fit into a UDP datagram over IPv4."""

_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_HOST = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?")


def http_path(text: str) -> str:
    """The target of an HTTP request, as it is sent: printable ASCII without blanks that begins with ``/``."""
    if len(text) > MAX_PATH:
        raise Wrong(f"has {len(text)} characters", f"write at most {MAX_PATH}")
    if not text.startswith("/") or any(c.isspace() for c in text):
        raise Wrong(f'is "{text}"', "write a path that begins with / and has no blanks")
    if not all("!" <= c <= "~" for c in text):
        escaped = quote(text, safe="/%?&=+,;:@!$'()*~#", errors="replace")
        raise Wrong(f'is "{text}", and a request carries only ASCII', f'write it escaped: "{escaped}"')
    return text


def http_host(text: str) -> str:
    """A Host header, and the name that TLS asks for: a name, an address or ``[ADDRESS6]``; ``:PORT`` may end it."""
    right = "write a name or an address such as shop.example, with or without a port"
    match = _HOST.fullmatch(text)
    if match is None or (match[2] and not 1 <= int(match[2]) <= 65535):
        raise Wrong(f'is "{text}", which is no host', right)
    name: str = match[1]
    if name.startswith("["):
        try:
            known = IPv6Address(name[1:-1]).scope_id is None
        except AddressValueError:
            known = False
    else:
        known = len(name) <= MAX_HOST and all(map(_LABEL.fullmatch, name.removesuffix(".").split(".")))
    if not known:
        if not name.isascii():
            right = "write it as DNS knows it (xn--...)"
        raise Wrong(f'is "{text}", which is no host', right)
    return text


def server_name(host: str) -> str:
    """The name in a Host header (that ``http_host`` accepts), without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def body_pattern(text: str) -> str:
    """A regular expression that compiles, of bounded size."""
    if len(text) > MAX_BODY or text.count("(") > MAX_GROUPS:
        size = f"has {len(text)} characters and {text.count('(')} parentheses"
        raise Wrong(size, f"write a regular expression of at most {MAX_BODY} and {MAX_GROUPS}")
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise Wrong(f'is "{text}", which is no regular expression', f"mind: {error}") from None
    return text


def datagram(octets: bytes) -> bytes:
    """What fits into one UDP datagram."""
    if len(octets) > MAX_DATAGRAM:
        raise Wrong(f"has {len(octets)} octets", f"write at most {MAX_DATAGRAM}, which fit into one datagram")
    return octets
