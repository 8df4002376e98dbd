"""The file in which a program shows itself: readers see the old text or the new one, and no power loss matters."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Put a text in place of the file; blocking. Raises OSError."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)
