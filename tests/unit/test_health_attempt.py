"""A kind of probe is whole, or cannot be made."""

from __future__ import annotations

from typing import Any

import pytest

from controller.health.attempt import Attempt, SocketAttempt, TcpAttempt, UdpAttempt
from controller.health.icmp import EchoAttempt
from controller.health.web import ATTEMPTS


class Asking(SocketAttempt):
    """Puts its question and hears no answer."""

    def begin(self) -> None:
        """Nothing to ask."""


@pytest.mark.parametrize(
    ("kind", "lacks"),
    [(Attempt, "begin, close"), (SocketAttempt, "begin, ready"), (Asking, "ready")],
)
def test_a_kind_that_lacks_a_part_is_refused_by_its_name(kind: type[Any], lacks: str) -> None:
    with pytest.raises(TypeError, match=rf"abstract class {kind.__name__} .*{lacks}"):
        kind(None, None, 0.0)


@pytest.mark.parametrize("kind", [TcpAttempt, UdpAttempt, EchoAttempt, *ATTEMPTS])
def test_the_kinds_there_are_lack_nothing(kind: type[Attempt]) -> None:
    assert not kind.__abstractmethods__
