"""A batch of updates, or of read requests: carried out in slices, with one result for each member."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar

import grpc
from finsy.proto import p4r

from topo.p4switch.errors import StateError
from topo.p4switch.runtime import entities
from topo.p4switch.runtime.errors import P4Error, aborted
from topo.p4switch.runtime.pipeline import Pipeline

LOG = logging.getLogger(__name__)

INSERT, MODIFY, DELETE = p4r.Update.Type.INSERT, p4r.Update.Type.MODIFY, p4r.Update.Type.DELETE

SLICE = 128
"""Members done under one hold of the lock: what a packet has to wait for, about a millisecond."""

ENCODED_SLICE = 1024
"""The same of a read that is encoded at once."""

RESPONSE_BYTES = 1 << 20
"""Size at which a read's response is full; clients refuse messages of 4 MiB and more by default."""

_YIELD = 1e-6
"""Seconds to be off the processor between two slices, so that a packet loop that waits for the lock gets it."""

Results = list[P4Error | None]
_Item = TypeVar("_Item")


def write(pipeline: Pipeline, updates: Sequence[p4r.Update]) -> Results:
    """Try every update in order, whatever the others come to (CONTINUE_ON_ERROR); None is OK."""
    results: Results = []
    lock, tables = pipeline.switch.lock, pipeline.tables
    for start in range(0, len(updates), SLICE):
        if start:
            time.sleep(_YIELD)
        with lock:
            for update in updates[start : start + SLICE]:
                try:
                    entry = update.entity.table_entry
                    table = tables.get(entry.table_id)
                    if table is None or not table.write_plain(update.type, entry):
                        entities.write(pipeline, update.type, update.entity)
                    results.append(None)
                except Exception as error:
                    results.append(_told(error))
    return results


def write_atomically(pipeline: Pipeline, updates: Sequence[p4r.Update]) -> Results:
    """Carry out all updates or none, between two packets: ROLLBACK_ON_ERROR and DATAPLANE_ATOMIC alike."""
    undo: list[tuple[int, p4r.Entity]] = []
    with pipeline.switch.lock:
        for place, update in enumerate(updates):
            try:
                before = entities.current(pipeline, update.entity) if update.type != INSERT else []
                entities.write(pipeline, update.type, update.entity)
            except Exception as error:
                for kind, entity in reversed(undo):
                    entities.write(pipeline, kind, entity)
                results: Results = [aborted("undone: another update of the batch failed")] * place
                results.append(_told(error))
                return results + [aborted("not tried")] * (len(updates) - place - 1)
            undo.extend(_inverse(update, before))
    return [None] * len(updates)


def read(pipeline: Pipeline, wanted: Sequence[p4r.Entity]) -> tuple[list[p4r.ReadResponse], Results]:
    """Every request's entities, and one result for each request.

    The caller keeps writes away; packets pass between slices, so counters of one answer can be of different times.
    """
    responses = [p4r.ReadResponse()]
    results: Results = []
    room = RESPONSE_BYTES
    for request in wanted:
        try:
            with pipeline.switch.lock:
                encoded = entities.encoded(pipeline, request)
            if encoded is not None:
                room = _append(responses, room, _slices(pipeline, encoded, ENCODED_SLICE))
                results.append(None)
                continue
            with pipeline.switch.lock:
                source = entities.read(pipeline, request)
            for entity in chain.from_iterable(_slices(pipeline, source, SLICE)):
                if room < 0:
                    responses.append(p4r.ReadResponse())
                    room = RESPONSE_BYTES
                responses[-1].entities.append(entity)
                room -= entity.ByteSize()
            results.append(None)
        except Exception as error:
            results.append(_told(error))
    return responses, results


def _append(responses: list[p4r.ReadResponse], room: int, slices: Iterator[list[bytes]]) -> int:
    """Add encoded entities to the responses; returns how many bytes the last one has room for."""
    for part in slices:
        if room < 0:
            responses.append(p4r.ReadResponse())
            room = RESPONSE_BYTES
        octets = b"".join(part)
        responses[-1].MergeFromString(octets)
        room -= len(octets)
    return room


def _slices(pipeline: Pipeline, source: Iterator[_Item], size: int) -> Iterator[list[_Item]]:
    """What a request selects, collected under the lock a slice at a time."""
    while True:
        with pipeline.switch.lock:
            part = list(islice(source, size))
        yield part
        if len(part) < size:
            return
        time.sleep(_YIELD)


def _inverse(update: p4r.Update, before: list[p4r.Entity]) -> list[tuple[int, p4r.Entity]]:
    """What undoes an update that succeeded, in the order of a list that is undone from its end."""
    if update.type == INSERT:
        return [(DELETE, update.entity)]
    kind = MODIFY if update.type == MODIFY else INSERT
    return [(kind, entity) for entity in before]


def _told(error: Exception) -> P4Error:
    """What the client gets of an exception."""
    if isinstance(error, P4Error):
        return error
    if isinstance(error, StateError):
        return P4Error(getattr(grpc.StatusCode, error.code), str(error))
    LOG.error("an update or request met a fault of the switch", exc_info=error)
    return P4Error(grpc.StatusCode.INTERNAL, f"fault of the switch: {error!r}")
