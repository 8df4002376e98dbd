"""Has HAProxy check a file before it is used, and says what it finds at the key of the intent that says it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from controller.exits.tier.wanted import Line

PROGRAM = "haproxy"
"""In PATH. The intent does not name it: who may change that is not to choose what this process starts."""
DEADLINE = 30.0
"""Seconds for a check; certificates are read."""
MOST = 8
"""Messages that are kept."""
_LONGEST = 300
_ALERT = re.compile(r"^\[ALERT\]\s+\(\d+\)\s*:\s*(?:config\s*:\s*)?(?P<text>.*)$")
_SUMMARIES = ("Error(s) found in configuration file", "Fatal errors found in configuration")


class CannotCheck(OSError):
    """The program is not there, or does not end; the text says what."""


async def check(path: Path, lines: Sequence[Line]) -> list[str]:
    """What HAProxy has against a file; empty: nothing. ``lines``: those of the file. Raises CannotCheck."""
    try:
        process = await asyncio.create_subprocess_exec(
            PROGRAM,
            "-c",
            "-f",
            str(path),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise CannotCheck(
            f"{PROGRAM} cannot be run here: {error.strerror}; a file is used only when it was checked"
        ) from None
    try:
        async with asyncio.timeout(DEADLINE):
            _, said = await process.communicate()
    except TimeoutError:
        raise CannotCheck(f"{PROGRAM} -c does not end within {DEADLINE:g} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode == 0:
        return []
    found = refusals(said.decode(errors="replace"), str(path), lines)
    return found or [f"{PROGRAM} -c ends with {process.returncode} and no word"]


def refusals(said: str, path: str, lines: Sequence[Line]) -> list[str]:
    """HAProxy's messages, each with the key that it is about."""
    found: list[str] = []
    place = re.compile(rf"(?:parsing\s+)?\[?{re.escape(path)}:(\d+)\]?\s*:?\s*")
    for row in said.splitlines():
        alert = _ALERT.match(row)
        if alert is None or alert["text"].startswith(_SUMMARIES):
            continue
        text = alert["text"].replace(f"file '{path}', ", "")
        where = place.search(text)
        at = ""
        if where is not None:
            text = f"{text[: where.start()]}{text[where.end() :]}"
            number = int(where[1]) - 1
            at = lines[number].at if number < len(lines) else ""
        text = " ".join(text.split()).rstrip(".")
        found.append(f"{at}: {text}"[:_LONGEST] if at else text[:_LONGEST])
    return list(dict.fromkeys(found))[:MOST]
