"""One intent after another: what is equal in both is the same object, so that what was made of it is not made again."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from controller.spec.names import Zone
from controller.spec.types import Intent, Pool, Site, Switch, Vip

_Part = TypeVar("_Part", Site, Switch, Pool, Vip, Zone)


def sharing(new: Intent, old: Intent | None) -> Intent:
    """The new intent, with the old one's objects wherever these are equal."""
    if old is None:
        return new
    return replace(
        new,
        sites=_shared(new.sites, old.sites),
        switches=_shared(new.switches, old.switches),
        pools=_shared(new.pools, old.pools),
        vips=_shared(new.vips, old.vips),
        zones=_shared(new.zones, old.zones),
    )


def _shared(new: tuple[_Part, ...], old: tuple[_Part, ...]) -> tuple[_Part, ...]:
    known = {part.name: part for part in old}
    kept = tuple(known[part.name] if known.get(part.name) == part else part for part in new)
    same = len(kept) == len(old) and all(one is other for one, other in zip(kept, old, strict=True))
    return old if same else kept
