"""Previews and explanations as messages, and messages as what ``-o json`` prints: every key, null where not known."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from controller.api.messages import fill
from controller.api.v1 import answers_pb2 as answers
from controller.explain import Explanation
from controller.plan.preview import Preview
from controller.spec.codec import encode


def of_preview(made: Preview) -> answers.Preview:
    """As it travels."""
    return fill(answers.Preview(), _known(encode(made)))


def of_explanation(made: Explanation) -> answers.Explanation:
    """As it travels."""
    said = _known(encode(made))
    for switch in said["switches"]:
        if "checked" in switch:
            switch["read"] = {"entries": switch.pop("checked")}
    return fill(answers.Explanation(), said)


def preview(message: answers.Preview) -> dict[str, Any]:
    """As the command prints it."""
    return _all_of(message)


def explanation(message: answers.Explanation) -> dict[str, Any]:
    """The same."""
    said = _all_of(message)
    for switch in said["switches"]:
        read = switch.pop("read")
        switch["checked"] = None if read is None else read["entries"]
    return said


def _known(value: Any) -> Any:
    """Without what is not known."""
    if isinstance(value, dict):
        return {key: _known(each) for key, each in value.items() if each is not None}
    return [_known(each) for each in value] if isinstance(value, list) else value


def _all_of(message: Message) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated:
            said[field.name] = (
                list(value) if field.message_type is None else [_all_of(each) for each in value]
            )
        elif field.has_presence and not message.HasField(field.name):
            said[field.name] = None
        else:
            said[field.name] = value if field.message_type is None else _all_of(value)
    return said
