"""Which store ``evenkeel run`` uses, and ``evenkeel timeline`` reads, by their options."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.sites.base import Loaded, Space, Store, StoreError
from controller.sites.etcd.address import Address, parse, read_tls
from controller.sites.lock import lock
from controller.sites.store import SqliteStore, read_log, read_values


@dataclass(frozen=True)
class Where:
    """What the options say."""

    state: Path
    """SQLite file; with etcd, what status, lock and control socket stand beside."""
    url: str | None = None
    """Of etcd; None: the SQLite file."""
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    name: str | None = None
    """Of this controller among those on one store."""


LONGEST_NAME = 250
"""Characters of a controller's name."""


class Chosen:
    """A store that is ours alone on this machine, to be opened in an event loop. Closed at the end of ``with``."""

    def __init__(self, where: Where) -> None:
        """Raises StoreError: the options make no sense, or another controller uses the file."""
        tls = read_tls(where.ca, where.cert, where.key)
        self._sqlite: SqliteStore | None = None
        self._address: Address | None = None
        self.name: str | None = None
        """Of this controller among those that share the store; None: it is ours alone."""
        if where.url is not None:
            self._address = parse(where.url, tls)
            self.name = _name(where)
            self._lock = _hold(where.state)
        elif tls is not None:
            raise StoreError("--store-ca, --store-cert and --store-key are for etcd: give --store too")
        elif where.name is not None:
            raise StoreError("--name is for controllers that share etcd: give --store too")
        else:
            self._sqlite = SqliteStore(where.state)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Store]:
        """The store, in this event loop."""
        if self._sqlite is not None:
            yield self._sqlite
            return
        from controller.sites.etcd.client import Client
        from controller.sites.etcd.store import EtcdStore

        assert self._address is not None
        writer = f"{self.name}, process {os.getpid()}"
        store = EtcdStore(Client(self._address), self._address.prefix, writer)
        try:
            yield store
        finally:
            await store.close()

    @property
    def shown(self) -> str:
        """What the timeline calls this controller."""
        return socket.gethostname() if self.name is None else self.name

    def close(self) -> None:
        """Let another controller have it."""
        if self._sqlite is not None:
            self._sqlite.close()
        else:
            os.close(self._lock)


async def log_of(where: Where) -> Loaded:
    """The log of a store, whether controllers run on it or not. Raises StoreError."""
    return await _read(where, read_log, lambda store: store.log)


async def values_of(where: Where) -> Loaded:
    """The values of a store, whether controllers run on it or not. Raises StoreError."""
    return await _read(where, read_values, lambda store: store)


async def _read(where: Where, file: Callable[[Path], Loaded], space: Callable[[Store], Space]) -> Loaded:
    tls = read_tls(where.ca, where.cert, where.key)
    if where.url is None:
        if tls is not None:
            raise StoreError("--store-ca, --store-cert and --store-key are for etcd: give --store too")
        return file(where.state)
    from controller.sites.etcd.client import Client
    from controller.sites.etcd.store import EtcdStore

    address = parse(where.url, tls)
    store = EtcdStore(Client(address), address.prefix)
    try:
        return await space(store).load()
    finally:
        await store.close()


def _name(where: Where) -> str:
    """No two that run have the same: the state file is locked."""
    name = where.name
    if name is None:
        name = f"{socket.gethostname()}:{where.state.resolve()}"
    if not name.isprintable() or not 1 <= len(name) <= LONGEST_NAME:
        raise StoreError(f"--name {name!r}: write 1 to {LONGEST_NAME} printable characters")
    return name


def _hold(state: Path) -> int:
    try:
        state.parent.mkdir(parents=True, exist_ok=True)
        return lock(state)
    except OSError as error:
        raise StoreError(f"--state {state}: {error.strerror}; give a file in a writable folder") from error
