"""The committed stubs are those of the description beside them, and refusals say what would help."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controller.sites.etcd import wire_pb2 as wire
from controller.sites.etcd.client import refused

PROTO = Path(wire.__file__).with_name("wire.proto")


def fields_in_text() -> dict[str, dict[str, int]]:
    text = re.sub(r"//[^\n]*", "", PROTO.read_text(encoding="utf-8"))
    text = re.sub(r"enum \w+ \{[^}]*\}", "", text)
    text = re.sub(r"oneof \w+ \{([^}]*)\}", r"\1", text)
    messages = re.findall(r"message (\w+) \{([^}]*)\}", text)
    return {
        name: {field: int(number) for field, number in re.findall(r"(\w+) = (\d+);", body)}
        for name, body in messages
    }


def test_the_stubs_have_the_messages_and_numbers_of_the_description() -> None:
    types = wire.DESCRIPTOR.message_types_by_name
    assert {
        name: {field.name: field.number for field in kind.fields} for name, kind in types.items()
    } == fields_in_text()
    assert len(types) > 15


def test_the_description_is_in_no_package_or_file_of_etcds() -> None:
    assert wire.DESCRIPTOR.package == "evenkeel.etcd"
    assert wire.DESCRIPTOR.name == "controller/sites/etcd/wire.proto"


@pytest.mark.parametrize(
    ("why", "remedy"),
    [
        ("etcdserver: mvcc: database space exceeded", "etcdctl alarm disarm"),
        ("etcdserver: request is too large", "--max-request-bytes of 1572864 or more"),
        ("etcdserver: too many operations in txn request", "--max-txn-ops of 128 or more"),
        ("etcdserver: permission denied", "a role that may read and write the prefix"),
        ("etcdserver: user name is empty", "common name is one"),
    ],
)
def test_a_refusal_names_store_and_member_and_says_what_would_help(why: str, remedy: str) -> None:
    text = str(refused("etcd://a:1/x", "a:1", why))
    assert text.startswith(f"etcd://a:1/x: a:1 refuses: {why}; ")
    assert remedy in text
