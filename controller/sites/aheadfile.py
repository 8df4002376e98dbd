"""What was carried out before it could be stored, kept on this machine's disk until the store has it.

One file: a line of JSON (format, the store, its last revision, a digest) and a batch. It is replaced as a whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.security.files import SECRET, replace
from controller.sites.base import ABSENT, Batch, Loaded, Stored, StoreError
from controller.sites.etcd.layout import Damaged, pack, unpack

FORMAT = 1


@dataclass(frozen=True)
class Kept:
    """What is on the disk."""

    store: str
    """Which one lacks it."""
    base: int
    """Revision of the last batch that the store was known to have."""
    batch: Batch


class AheadFile:
    """One file; blocking."""

    def __init__(self, path: Path, store: str) -> None:
        """``store``: what it is called; what was kept for another one is not used."""
        self._path, self._store = path, store

    def save(self, base: int, batch: Batch) -> None:
        """Replace what is there; it outlives a loss of power. Raises StoreError: then what was there is."""
        packed = pack(batch)
        digest = hashlib.sha256(packed).hexdigest()
        head = json.dumps({"format": FORMAT, "store": self._store, "base": base, "digest": digest})
        try:
            replace(self._path, head.encode() + b"\n" + packed, SECRET)
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be written: {error.strerror}") from error

    def load(self) -> Kept | None:
        """What is there; None: nothing. Raises StoreError: it is damaged, or cannot be read."""
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be read: {error.strerror}") from error
        first, _, packed = text.partition(b"\n")
        try:
            head = json.loads(first)
            if head["format"] != FORMAT:
                raise Damaged(f"it has the format {head['format']}, this version reads {FORMAT}")
            if head["digest"] != hashlib.sha256(packed).hexdigest():
                raise Damaged("its digest is another one")
            return Kept(str(head["store"]), int(head["base"]), unpack(packed))
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{self._path}: is damaged ({error}); remove it") from error

    def remove(self) -> None:
        """The store has it, or never will."""
        self._path.unlink(missing_ok=True)

    def fits(self, kept: Kept, loaded: Loaded) -> str:
        """Why what was kept does not follow what is stored now; empty: it does."""
        if kept.store != self._store:
            return f"it belongs to the store {kept.store}"
        newest = max((each.revision for each in loaded.values.values()), default=ABSENT)
        if newest > kept.base:
            return f"the store was written since, at revision {newest}: another controller has led"
        return ""


def applied(kept: Kept, loaded: Loaded) -> Loaded:
    """What is stored, with what was kept in place of it; its revision is that of the store."""
    values: Mapping[str, Stored] = loaded.values
    after = {name: stored for name, stored in values.items() if name not in kept.batch}
    after |= {name: Stored(data, kept.base) for name, data in kept.batch.items() if data is not None}
    return Loaded(after, loaded.revision)
