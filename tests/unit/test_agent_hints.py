"""Hints of the leader to agents: a conflict that goes on has its VIP announced, and nothing else does."""

from __future__ import annotations

import json

import pytest

from controller.agent.hints import Hints
from controller.core.telling import CONFLICTS, UNSYNCED
from controller.sites.base import Stored


def said(**numbers: int) -> bytes:
    return json.dumps(numbers).encode()


def test_a_vip_is_announced_when_its_count_has_changed_and_not_for_what_was_said_before() -> None:
    announced: list[str] = []
    hints = Hints(announced.append)
    hints.found({CONFLICTS: Stored(said(shop=3), 5)})
    assert announced == []
    hints.changed(CONFLICTS, said(shop=3, api=1))
    hints.changed(CONFLICTS, said(shop=4, api=1))
    assert announced == ["api", "shop"]
    hints.changed(CONFLICTS, said())
    hints.changed(CONFLICTS, said(shop=1))
    assert announced == ["api", "shop", "shop"], "another controller leads, and counts from 0"


def test_what_is_not_safe_is_as_it_was_said_last() -> None:
    hints = Hints(lambda _: None)
    hints.found({UNSYNCED: Stored(said(east=2), 5)})
    assert hints.unsynced == {"east": 2}
    hints.changed("owner/02:45:56:00:01:01", b"lease")
    assert hints.unsynced == {"east": 2}
    hints.changed(UNSYNCED, None)
    assert hints.unsynced == {}


@pytest.mark.parametrize("damaged", [b"{", b"[1]", b'{"east": "x"}', b'{"east": null}'])
def test_what_cannot_be_read_says_nothing(damaged: bytes) -> None:
    hints = Hints(lambda _: None)
    hints.changed(UNSYNCED, damaged)
    hints.changed(CONFLICTS, damaged)
    assert hints.unsynced == {}
