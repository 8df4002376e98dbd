"""Whether a new intent, although it is good by itself, takes away everything that the old one served. Pure."""

from __future__ import annotations

from controller.spec.types import Intent

_RIGHT = "put them back, or add allow_empty: true at the top of the file if this is meant"


def removes_all(old: Intent, new: Intent) -> list[str]:
    """Why ``new`` is refused in place of ``old``, one sentence each; empty: it is not.

    A file that was cut off, or the wrong file, is often a good intent with nothing in it. Without VIPs no
    switch answers for them, and their connections end; the same without listeners, pools or backends; without zones
    no name is answered. With ``allow_empty`` an intent may do so; one that served nothing before may go on serving
    nothing.
    """
    if new.allow_empty:
        return []
    kinds = (
        ("VIPs", len(old.vips), len(new.vips)),
        ("listeners", len(old.listeners()), len(new.listeners())),
        ("pools", len(old.pools), len(new.pools)),
        ("backends", _backends(old), _backends(new)),
        ("zones", len(old.zones), len(new.zones)),
    )
    return [
        f"the new intent removes all {what} ({had}): {_RIGHT}" for what, had, has in kinds if had and not has
    ]


def _backends(intent: Intent) -> int:
    return sum(len(pool.backends) for pool in intent.pools)
