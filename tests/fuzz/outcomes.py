"""What became of an input, with all that differs between inputs left out. Pure."""

from __future__ import annotations

import re

_QUOTED = re.compile(r'"[^"]*"?|\'[^\']*\'?')
_NUMBER = re.compile(r"[0-9][0-9a-fx.,:]*")
_LONGEST = 80


def shape(text: str) -> str:
    """A message without what it quotes, and without numbers."""
    return _NUMBER.sub("N", _QUOTED.sub("Q", text))[:_LONGEST]
