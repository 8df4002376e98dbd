"""Spans of time on the command line."""

from __future__ import annotations

import re

_SPAN = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(option: str, text: str) -> float:
    """Seconds of ``90s``, ``10m``, ``2h`` or ``1d``. Raises ValueError naming the option."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"{option} {text}: write a number and s, m, h or d, such as 10m")
    return float(int(found[1]) * _UNITS[found[2]])
