"""The hash and checksum algorithms of bmv2 by name, each from bytes to an unsigned integer."""

from __future__ import annotations

import binascii
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from topo.p4switch.errors import ProgramError

HashFunction = Callable[[bytes], int]


@dataclass(frozen=True)
class CrcConfig:
    """Parameters of a CRC in the usual (Rocksoft) terms."""

    width: int
    polynomial: int
    initial: int
    final_xor: int
    reflect_in: bool
    reflect_out: bool


class Crc:
    """A table-driven CRC of 8 to 64 bits; `configure` replaces its parameters at run time."""

    def __init__(self, config: CrcConfig) -> None:
        """A CRC with these parameters."""
        self.configure(config)

    def configure(self, config: CrcConfig) -> None:
        """Take other parameters; ProgramError when input and output reflection differ from each other."""
        if config.reflect_in != config.reflect_out:
            raise ProgramError("a CRC must reflect both its input and its output, or neither")
        self.config = config
        self._reflected = config.reflect_in
        width, ones = config.width, (1 << config.width) - 1
        if self._reflected:
            polynomial = _reflect(config.polynomial, width)
            self._initial = _reflect(config.initial, width)
            self._table = [_divide_low(byte, polynomial) for byte in range(256)]
        else:
            self._initial = config.initial
            self._table = [_divide_high(byte, config.polynomial, width, ones) for byte in range(256)]

    def __call__(self, data: bytes) -> int:
        """The CRC of `data`."""
        table = self._table
        value = self._initial
        if self._reflected:
            for byte in data:
                value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
        else:
            top, ones = self.config.width - 8, (1 << self.config.width) - 1
            for byte in data:
                value = table[(value >> top) ^ byte] ^ (value << 8 & ones)
        return value ^ self.config.final_xor


def _reflect(value: int, width: int) -> int:
    return int(format(value, f"0{width}b")[::-1], 2)


def _divide_low(byte: int, polynomial: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ polynomial if byte & 1 else byte >> 1
    return byte


def _divide_high(byte: int, polynomial: int, width: int, ones: int) -> int:
    value = byte << (width - 8)
    for _ in range(8):
        value = (value << 1) ^ polynomial if value >> (width - 1) else value << 1
        value &= ones
    return value


def ones_complement_sum(data: bytes) -> int:
    """Sum of the 16-bit words of `data` modulo 65535, 0 only for all zeros; an odd byte is a high byte."""
    value = int.from_bytes(data, "big") << (8 if len(data) & 1 else 0)
    return (value - 1) % 65535 + 1 if value else 0


def csum16(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    return 0xFFFF - ones_complement_sum(data)


def xor16(data: bytes) -> int:
    """Exclusive or of the 16-bit words; the last is filled with zeros."""
    return _xor(data, 2)


def xor32(data: bytes) -> int:
    """Exclusive or of the 32-bit words; the last is filled with zeros."""
    return _xor(data, 4)


def _xor(data: bytes, size: int) -> int:
    value = 0
    for start in range(0, len(data), size):
        value ^= int.from_bytes(data[start : start + size].ljust(size, b"\0"), "big")
    return value


def identity(data: bytes) -> int:
    """The first eight bytes as an integer."""
    return int.from_bytes(data[:8], "big")


def _round_robin() -> HashFunction:
    """A counter that ignores its input, for walking through a selector's members."""
    count = -1

    def step(_data: bytes) -> int:
        nonlocal count
        count += 1
        return count

    return step


def _round_robin_consistent() -> HashFunction:
    """A counter that gives the same input the same number."""
    seen: dict[bytes, int] = {}
    return lambda data: seen.setdefault(bytes(data), len(seen))


CRC16 = CrcConfig(16, 0x8005, 0, 0, True, True)
CRC32 = CrcConfig(32, 0x04C11DB7, 0xFFFFFFFF, 0xFFFFFFFF, True, True)

_MAKERS: dict[str, Callable[[], HashFunction]] = {
    "crc32": lambda: zlib.crc32,
    "crc32_custom": lambda: Crc(CRC32),
    "crc16": lambda: Crc(CRC16),
    "crc16_custom": lambda: Crc(CRC16),
    "crc8_custom": lambda: Crc(CrcConfig(8, 0x07, 0, 0, False, False)),
    "crc64_custom": lambda: Crc(CrcConfig(64, 0x1B, 0, 0, True, True)),
    "crcCCITT": lambda: lambda data: binascii.crc_hqx(data, 0xFFFF),
    "csum16": lambda: csum16,
    "cksum16": lambda: csum16,
    "xor16": lambda: xor16,
    "xor32": lambda: xor32,
    "identity": lambda: identity,
    "random": lambda: lambda _data: random.getrandbits(64),
    "round_robin": _round_robin,
    "round_robin_consistent": _round_robin_consistent,
}


def make_hash(algo: str) -> HashFunction:
    """A fresh hash function of that bmv2 name; ProgramError for a name this switch does not know."""
    maker = _MAKERS.get(algo)
    if maker is None:
        raise ProgramError(
            f"hash algorithm {algo!r} is not supported: use one of {', '.join(sorted(_MAKERS))}"
        )
    return maker()


def configure_crc(function: HashFunction, config: CrcConfig) -> None:
    """Give one of the custom CRCs other parameters; ProgramError for a hash that has none."""
    if not isinstance(function, Crc):
        raise ProgramError("only crc8_custom, crc16_custom, crc32_custom and crc64_custom can be configured")
    function.configure(config)


def pack_parts(parts: tuple[tuple[int, int | bytes, int], ...]) -> bytes:
    """Bits of the valid parts side by side, filled with zeros to whole bytes.

    Each part is (valid, value, width in bits); a width of -1 takes `value` as whole bytes.
    """
    value = width = 0
    for valid, part, bits in parts:
        if not valid:
            continue
        if isinstance(part, bytes):
            bits = 8 * len(part)
            part = int.from_bytes(part, "big")
        value = value << bits | part & ((1 << bits) - 1)
        width += bits
    size = (width + 7) // 8
    return (value << (8 * size - width)).to_bytes(size, "big")
