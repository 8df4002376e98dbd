"""Batches and values in etcd's keys: what is cut and put together again is the same, and nothing is too large."""

from __future__ import annotations

from itertools import count, pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.sites.base import Stored, StoreError
from controller.sites.etcd import layout
from controller.sites.etcd.address import parse, read_tls
from controller.sites.etcd.layout import Damaged, Head, Keys, KeyValue, Op, Parts

KEYS = Keys("/east/evenkeel/")
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
BATCHES = st.dictionaries(NAMES, st.none() | st.binary(max_size=200), max_size=12)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little fits under a key or into a transaction."""
    monkeypatch.setattr(layout, "PART", 16)
    monkeypatch.setattr(layout, "OCTETS", 300)
    monkeypatch.setattr(layout, "OPERATIONS", 4)


class Etcd:
    """Keys by the rules of etcd."""

    def __init__(self) -> None:
        self.keys: dict[bytes, KeyValue] = {}
        self.revision = 0

    def run(self, ops: list[Op]) -> None:
        self.revision += 1
        puts = [op.key for op in ops if op.data is not None]
        assert len(set(puts)) == len(puts), "etcd takes no key twice"
        for op in ops:
            if op.data is not None:
                self.keys[op.key] = KeyValue(op.key, op.data, self.revision)
            else:
                assert not any(op.key <= key < op.end for key in puts), "nor one both put and deleted"
                self.keys = {key: kv for key, kv in self.keys.items() if not op.key <= key < op.end}

    def values(self) -> tuple[dict[str, Stored], dict[str, int]]:
        return layout.values(self.keys.values(), KEYS)


@given(BATCHES)
def test_a_batch_is_the_same_after_it_was_packed(batch: dict[str, bytes | None]) -> None:
    assert layout.unpack(layout.pack(batch)) == batch


@given(BATCHES.filter(bool), st.data())
def test_a_batch_that_ends_early_is_damaged_or_ends_between_two_values(
    batch: dict[str, bytes | None], data: st.DataObject
) -> None:
    packed = layout.pack(batch)
    cut = packed[: data.draw(st.integers(0, len(packed) - 1))]
    try:
        found = layout.unpack(cut)
    except Damaged:
        return
    assert layout.pack(found) == cut


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(BATCHES, max_size=6))
def test_values_written_in_any_groups_are_read_as_a_dict_would_have_them(
    small: None, batches: list[dict[str, bytes | None]]
) -> None:
    etcd, wanted, chunks = Etcd(), dict[str, Stored](), dict[str, int]()
    for number, batch in enumerate(batches, 1):
        ops = [
            op
            for name, data in batch.items()
            for op in layout.value_ops(KEYS, name, data, chunks.get(name, 1), 1000 + number)
        ]
        groups = list(layout.groups(ops))
        assert [op for group in groups for op in group] == ops
        for group in groups:
            assert len(group) <= layout.OPERATIONS
            assert len(group) == 1 or sum(op.cost for op in group) <= layout.OCTETS
            etcd.run(group)
        for name, data in batch.items():
            wanted.pop(name, None)
            if data is not None:
                wanted[name] = Stored(data, 1000 + number)
        found, chunks = etcd.values()
        assert found == wanted
        assert len(etcd.keys) == sum(len(layout.cut(stored.data)) for stored in wanted.values()), (
            "nothing is left"
        )


def test_a_deleted_value_takes_along_what_a_writer_left_behind_it(small: None) -> None:
    etcd = Etcd()
    etcd.run(layout.value_ops(KEYS, "a", bytes(60), 1))
    etcd.run(layout.value_ops(KEYS, "ab", b"other", 1))
    etcd.run(layout.value_ops(KEYS, "a", b"short", 1))  # by one that did not know of the rest
    assert etcd.values()[0] == {"a": Stored(b"short", 3), "ab": Stored(b"other", 2)}
    etcd.run(layout.value_ops(KEYS, "a", None, 1))
    assert etcd.keys.keys() == {KEYS.value("ab")}


@given(st.lists(st.integers(0, 400), max_size=30))
def test_groups_are_as_large_as_may_be(sizes: list[int]) -> None:
    number = count()
    ops = [Op(b"%d" % next(number), bytes(size * 1024)) for size in sizes]
    groups = list(layout.groups(ops))
    for group, following in pairwise(groups):
        assert sum(op.cost for op in group) + following[0].cost > layout.OCTETS
    assert all(sum(op.cost for op in group) <= layout.OCTETS for group in groups)


def parts_of(batch: dict[str, bytes | None]) -> tuple[Head, dict[bytes, bytes]]:
    packed = layout.pack(batch)
    pieces = layout.cut(packed)
    head = Head(9, "w", "g", Parts("g", len(pieces), layout.digest(packed)))
    return head, {KEYS.part("g", number): piece for number, piece in enumerate(pieces)}


def test_parts_are_one_batch_and_none_of_them_is_one_that_is_in_the_values(small: None) -> None:
    batch: dict[str, bytes | None] = {"a": bytes(100), "b": None}
    head, parts = parts_of(batch)
    assert len(parts) > 3
    strange = {KEYS.part("other", 0): b"of a writer that was killed"}
    assert layout.joined(head, parts | strange, KEYS) == batch
    assert layout.joined(head, strange, KEYS) is None
    assert layout.joined(Head(9), parts, KEYS) is None


@pytest.mark.parametrize("wrong", ["missing", "altered"])
def test_parts_that_are_not_whole_are_damage(small: None, wrong: str) -> None:
    head, parts = parts_of({"a": bytes(100)})
    key = KEYS.part("g", 2)
    if wrong == "missing":
        del parts[key]
    else:
        parts[key] = b"x" * 16
    with pytest.raises(Damaged, match="of the batch g parts are missing or altered"):
        layout.joined(head, parts, KEYS)


def test_a_head_is_the_same_when_it_is_read_again() -> None:
    head = Head(5, "east-1, process 7", "c0ffee", Parts("c0ffee", 3, "d1"))
    assert Head.load(KeyValue(KEYS.head, head.dump(), 5)) == head
    assert Head.load(None) == Head(0)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"format": 2}', "has the format 2, this version reads 1"),
        (b"", "is damaged"),
        (b"[]", "is damaged"),
        (b'{"format": 1, "writer": "w", "commit": "c", "parts": {"no": 1}}', "is damaged"),
    ],
)
def test_a_head_of_another_format_is_named(data: bytes, why: str) -> None:
    with pytest.raises(Damaged, match=f"/east/evenkeel/state/head {why}"):
        Head.load(KeyValue(KEYS.head, data, 1))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({0: None}, "'a' has no beginning"),
        ({0: b"short"}, "'a' has no beginning"),
        ({0: b"\x09" + bytes(20)}, "'a' has the format 9, this version reads 1"),
        ({2: None}, r"'a' lacks part 2 of 4"),
    ],
)
def test_a_value_that_is_not_whole_is_named(small: None, change: dict[int, bytes | None], why: str) -> None:
    pieces = {
        number: KeyValue(op.key, op.data or b"", 1)
        for number, op in enumerate(layout.value_ops(KEYS, "a", bytes(60), 1))
    }
    for number, data in change.items():
        del pieces[number]
        if data is not None:
            pieces[number] = KeyValue(b"", data, 1)
    with pytest.raises(Damaged, match=why):
        layout.value("a", pieces)


def test_a_key_that_is_none_of_ours_is_named() -> None:
    assert KEYS.name(KEYS.value("pool/ä", 3)) == ("pool/ä", 3)
    for key in (KEYS.values + b"\xff", KEYS.value("a") + b"\0x"):
        with pytest.raises(Damaged, match="is no key of this store"):
            KEYS.name(key)


# -- addresses ----------------------------------------------------------------------------------------------------


def test_an_address_is_read() -> None:
    address = parse("etcd://10.0.0.1:2379,[2001:db8::1]:2379,etcd-w:2379/site/evenkeel/")
    assert address.endpoints == ("10.0.0.1:2379", "[2001:db8::1]:2379", "etcd-w:2379")
    assert address.prefix == "/site/evenkeel"
    assert str(address) == "etcd://10.0.0.1:2379,[2001:db8::1]:2379,etcd-w:2379/site/evenkeel"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("http://a:1/x", "is no address of etcd with a prefix"),
        ("etcd://a:1", "is no address of etcd with a prefix"),
        ("etcd://a:1//", "is no address of etcd with a prefix"),
        ("etcd://a:1/x//y", "the prefix 'x//y' has an empty part"),
        ("etcd://a/x", "'a' is no HOST:PORT"),
        ("etcd://a:1,/x", "'' is no HOST:PORT"),
        ("etcd://a:70000/x", "'a:70000' is no HOST:PORT"),
        ("etcd://2001:db8::1:2379/x", "write an IPv6 address in brackets"),
        ("etcd://a:1,a:1/x", "names a member twice"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused_with_what_would_be_right(text: str, why: str) -> None:
    with pytest.raises(StoreError, match=r".*(write etcd://HOST:PORT|in brackets, such as)") as caught:
        parse(text)
    assert why in str(caught.value)


def test_certificates_are_given_all_or_not_at_all_and_named_when_they_are_none(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.pem", tmp_path / "bad.pem"
    good.write_text("-----BEGIN CERTIFICATE-----\n")
    bad.write_text("binary")
    assert read_tls(None, None, None) is None
    assert read_tls(good, good, good) is not None
    with pytest.raises(StoreError, match="--store-ca, --store-key: missing; TLS needs all of --store-ca"):
        read_tls(None, good, None)
    with pytest.raises(StoreError, match=f"--store-cert {bad}: is no PEM file"):
        read_tls(good, bad, good)
    with pytest.raises(
        StoreError, match=r"--store-key .*absent: No such file or directory; give a readable PEM"
    ):
        read_tls(good, good, tmp_path / "absent")
