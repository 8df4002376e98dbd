"""Messages and the intent file say the same: keys, values, and nothing but what the descriptions say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor

from controller.api import compile as made
from controller.api.messages import ALWAYS, fill, plain
from controller.api.v1 import resources_pb2 as messages
from controller.model.document import document
from controller.model.load import load_intent
from controller.model.plain import load_plain
from tests.reference.intent import Path as Keys
from tests.reference.intent import sections

GOOD = Path(__file__).parent / "data" / "good.yaml"


def _fields(kind: Descriptor, path: Keys = ()) -> dict[Keys, Descriptor]:
    """All messages in a message by the path of keys that leads to them."""
    found = {path: kind}
    for field in kind.fields:
        inner = field.message_type
        if inner is not None and not inner.GetOptions().map_entry:
            found |= _fields(inner, (*path, field.name))
    return found


def test_messages_have_the_keys_of_the_intent_file_and_no_others() -> None:
    described = {
        path: [field.name for field in kind.fields]
        for path, kind in _fields(messages.Document.DESCRIPTOR).items()
    }
    schema = {path: [key.path[-1] for key in keys] for path, keys in sections()}
    assert {path: sorted(keys) for path, keys in described.items()} == {
        path: sorted(keys) for path, keys in schema.items()
    }
    assert len(described) > 15


def test_a_key_that_need_not_be_given_can_be_left_out_of_a_message() -> None:
    kinds = _fields(messages.Document.DESCRIPTOR)
    for path, keys in sections():
        for key in keys:
            field = kinds[path].fields_by_name[key.path[-1]]
            if field.is_repeated:
                # What need not be given is left out when it is empty; what must be given is there when it is empty.
                assert (field.name in ALWAYS) <= key.key.required, key.path
            elif not key.key.required:
                assert field.has_presence, f"{'.'.join(key.path)} cannot be left out"


def test_the_committed_messages_are_made_of_the_descriptions() -> None:
    there = {each.name: each.read_text() for each in made.OUT.glob("*_pb2.*")}
    assert there == made.generated()


def test_an_intent_passes_through_messages_unchanged() -> None:
    intent = load_intent(GOOD)
    said = document(intent)
    message = fill(messages.Document(), said)
    read = plain(messages.Document.FromString(message.SerializeToString()))
    assert read == said
    assert load_plain(read) == intent


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (messages.Backend(name="s1", weight=0), {"name": "s1", "weight": 0}),
        (messages.Backend(name="s1"), {"name": "s1"}),
        (messages.Pool(name="web"), {"name": "web", "backends": []}),
        (messages.Pool(health=messages.Health()), {"health": {}, "backends": []}),
        (messages.Fence(port=0, interface="f0"), {"port": 0, "interface": "f0"}),
        (messages.Switch(ports={9: "segment", 1: "lb1"}), {"ports": {"1": "lb1", "9": "segment"}}),
    ],
)
def test_what_is_not_set_is_not_said(message: Any, said: dict[str, object]) -> None:
    assert plain(message) == said
    assert fill(type(message)(), said) == message
