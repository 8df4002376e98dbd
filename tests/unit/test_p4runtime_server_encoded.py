"""What is read by the ten thousand is encoded a shorter way, and to the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from finsy.proto import p4r
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from p4src.compile import outputs
from topo.p4switch.dataplane import DataPlane
from topo.p4switch.runtime import batch, encoded, entities
from topo.p4switch.runtime.pipeline import Pipeline

INSERT, MODIFY, DELETE = p4r.Update.Type.INSERT, p4r.Update.Type.MODIFY, p4r.Update.Type.DELETE


def pipeline() -> Pipeline:
    """The balancer, empty."""
    program, info = outputs("balancer")[:2]
    config = p4r.ForwardingPipelineConfig(p4_device_config=program.read_bytes())
    text_format.Parse(info.read_text(), config.p4info)
    return Pipeline(config, DataPlane(510).load(program.read_bytes()))


HELD = pipeline()
IDS = {info.preamble.alias: info.preamble.id for info in HELD.config.p4info.tables}
ACTIONS = {info.preamble.alias: info.preamble.id for info in HELD.config.p4info.actions}
SMALL = st.sampled_from((0, 1, 127, 128, 255, 256, 65_535)) | st.integers(0, 65_535)
WIDE = SMALL | st.integers(0, (1 << 128) - 1)


def entity(table: str, match: Sequence[int], action: str, params: Sequence[int], **more: Any) -> p4r.Entity:
    made = p4r.TableEntry(table_id=IDS[table], **more)
    for number, value in enumerate(match, 1):
        made.match.add(field_id=number).exact.value = _octets(value)
    made.action.action.action_id = ACTIONS[action]
    for number, value in enumerate(params, 1):
        made.action.action.params.add(param_id=number, value=_octets(value))
    return p4r.Entity(table_entry=made)


def _octets(value: int) -> bytes:
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")


SLOTS = st.builds(
    lambda pool, slot, now, base: entity(
        "slot", (pool, slot), *(("tracked", (now, base, 2, 1)) if base else ("settled", (now,)))
    ),
    SMALL,
    SMALL,
    SMALL,
    SMALL,
)
PINS = st.builds(
    lambda listener, client, port, backend, idle, metadata: entity(
        "pin", (listener, client, port), "pinned", (backend,), idle_timeout_ns=idle, metadata=metadata
    ),
    SMALL,
    WIDE,
    SMALL,
    SMALL,
    st.sampled_from((0, 1, 900 * 10**9)),
    st.sampled_from((b"", b"mine")),
)


def _read(wanted: p4r.Entity) -> list[p4r.Entity]:
    responses, results = batch.read(HELD, [wanted])
    assert results == [None]
    return [each for response in responses for each in response.entities]


@settings(deadline=None, max_examples=60)
@given(st.lists(SLOTS | PINS, max_size=20))
def test_a_read_of_all_entries_gives_what_a_read_of_each_would(written: list[p4r.Entity]) -> None:
    done = batch.write(HELD, [p4r.Update(type=INSERT, entity=each) for each in written])
    there = [each for each, result in zip(written, done, strict=True) if result is None]
    try:
        for table in ("slot", "pin"):
            wanted = p4r.Entity(table_entry=p4r.TableEntry(table_id=IDS[table]))
            assert entities.encoded(HELD, wanted) is not None
            expected = list(entities.read(HELD, wanted))
            assert _read(wanted) == expected
            own = (each for each in there if each.table_entry.table_id == IDS[table])
            assert sorted(map(repr, expected)) == sorted(map(repr, own))
    finally:
        batch.write(HELD, [p4r.Update(type=DELETE, entity=each) for each in there])


def test_a_changed_entry_is_read_as_it_is_now() -> None:
    wanted = p4r.Entity(table_entry=p4r.TableEntry(table_id=IDS["slot"]))
    before, after = entity("slot", (1, 2), "settled", (3,)), entity("slot", (1, 2), "tracked", (4, 3, 1, 1))
    for kind, each, expected in ((INSERT, before, [before]), (MODIFY, after, [after]), (DELETE, after, [])):
        assert batch.write(HELD, [p4r.Update(type=kind, entity=each)]) == [None]
        assert _read(wanted) == expected


def test_a_request_for_more_than_entries_goes_the_long_way() -> None:
    counted = p4r.TableEntry(table_id=IDS["backend"])
    counted.counter_data.SetInParent()
    for wanted in (
        counted,
        p4r.TableEntry(table_id=IDS["slot"], is_default_action=True),
        p4r.TableEntry(table_id=IDS["slot"], metadata=b"mine"),
        p4r.TableEntry(table_id=IDS["address"]),
        p4r.TableEntry(table_id=IDS["guard_listener"]),
        p4r.TableEntry(table_id=99),
        p4r.TableEntry(),
    ):
        assert entities.encoded(HELD, p4r.Entity(table_entry=wanted)) is None


def test_pieces_that_are_too_many_are_forgotten_and_made_again() -> None:
    pieces: encoded.Pieces[int] = encoded.Pieces(lambda value: b"%d" % value, most=3)
    assert [pieces[number] for number in (1, 2, 3, 4, 1)] == [b"1", b"2", b"3", b"4", b"1"]
    assert len(pieces) <= 3
