"""The sizes of tables in ``shared/sizes.p4`` for Python, by alias; a test compares them with the compiled program."""

from __future__ import annotations

TABLES = {
    "neighbour": 512,
    "self": 1,
    "vip": 4096,
    "listener": 8192,
    "pin": 131072,
    "access": 16384,
    "guard_source": 4096,
    "guard_listener": 8192,
    "guard_over": 12288,
    "slot": 1048576,
    "fate": 16384,
    "backend": 16384,
    "session": 32768,
    "local_address": 4096,
    "answer_local": 16384,
    "answer": 16384,
    "bypass": 256,
    "frame": 16384,
    "address": 16384,
    "segment": 512,
    "nexthop": 65536,
}
MOST_VIPS = 4095
"""Highest number of a VIP: register ``authority`` has a cell for each, and 0 is none."""
