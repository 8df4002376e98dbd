"""Cookies (RFC 7873, RFC 9018): one who shows a cookie of ours is where it says to be. Pure.

    server cookie   1 (version), 0 0 0, when it was made, SipHash-2-4 of these, the client's cookie and its address

All name servers behind one address have the same secret; so have those that are to know each other's cookies.
"""

from __future__ import annotations

import struct
from ipaddress import ip_address
from typing import NamedTuple

SECRET = 16
"""Octets of a secret."""
GOOD, AHEAD = 3600, 300
"""Seconds for which a cookie is taken, and by which the clock of the server that made it may be ahead."""
RENEW = 1800
"""Seconds after which another one is handed out."""
KNOWN = 16_384
"""Cookies that are known without being computed again, at most."""
_MASK = (1 << 64) - 1
_CLIENT = 8


class Checked(NamedTuple):
    """What is to be made of a cookie."""

    good: bool
    """It is one of ours, made for this client."""
    answer: bytes
    """The option's value in the answer."""


class Cookies:
    """Of one name server."""

    def __init__(self, *secrets: bytes) -> None:
        """``secrets``: of what is made, then of what is taken too. Raises ValueError."""
        if not secrets or any(len(each) != SECRET for each in secrets):
            raise ValueError(f"a secret of cookies has {SECRET} octets")
        self._keys = tuple(struct.unpack("<QQ", each) for each in secrets)
        self._known: dict[tuple[bytes, str], tuple[bytes, int]] = {}

    def check(self, cookie: bytes, host: str, now: int) -> Checked:
        """Judge what a client shows. ``now``: Unix seconds."""
        known = self._known.get((cookie, host))
        if known is not None and -AHEAD <= now - known[1] < RENEW:
            return Checked(len(cookie) > _CLIENT, known[0])
        client, shown = cookie[:_CLIENT], cookie[_CLIENT:]
        good = self._is_ours(client, shown, host, now)
        made = int.from_bytes(shown[4:8]) if good else 0
        if good and (now - made) % (1 << 32) < RENEW:
            answer = cookie
        else:
            answer, made = client + self._make(client, host, now), now & 0xFFFFFFFF
        if good or not shown:
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known[cookie, host] = (answer, made)
        return Checked(good, answer)

    def _is_ours(self, client: bytes, shown: bytes, host: str, now: int) -> bool:
        if len(shown) != 16 or shown[0] != 1:
            return False
        age = (now - int.from_bytes(shown[4:8]) + (1 << 31)) % (1 << 32) - (1 << 31)
        if not -AHEAD <= age <= GOOD:
            return False
        said = client + shown[:8] + ip_address(host).packed
        return any(siphash(key, said) == shown[8:] for key in self._keys)

    def _make(self, client: bytes, host: str, now: int) -> bytes:
        head = b"\1\0\0\0" + (now & 0xFFFFFFFF).to_bytes(4)
        return head + siphash(self._keys[0], client + head + ip_address(host).packed)


def siphash(key: tuple[int, int], data: bytes) -> bytes:
    """SipHash-2-4 (Aumasson and Bernstein, 2012), 8 octets."""
    low, high = key
    state = (
        low ^ 0x736F6D6570736575,
        high ^ 0x646F72616E646F6D,
        low ^ 0x6C7967656E657261,
        high ^ 0x7465646279746573,
    )
    padded = data + bytes(-(len(data) + 1) % 8) + bytes((len(data) & 0xFF,))
    for (word,) in struct.iter_unpack("<Q", padded):
        a, b, c, d = state
        a, b, c, d = _round(*_round(a, b, c, d ^ word))
        state = (a ^ word, b, c, d)
    a, b, c, d = state
    c ^= 0xFF
    for _ in range(4):
        a, b, c, d = _round(a, b, c, d)
    return (a ^ b ^ c ^ d).to_bytes(8, "little")


def _round(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
    a = (a + b) & _MASK
    b = a ^ ((b << 13 | b >> 51) & _MASK)
    a = (a << 32 | a >> 32) & _MASK
    c = (c + d) & _MASK
    d = c ^ ((d << 16 | d >> 48) & _MASK)
    a = (a + d) & _MASK
    d = a ^ ((d << 21 | d >> 43) & _MASK)
    c = (c + b) & _MASK
    b = c ^ ((b << 17 | b >> 47) & _MASK)
    return a, b, (c << 32 | c >> 32) & _MASK, d
