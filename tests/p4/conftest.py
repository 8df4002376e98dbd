"""A switch for each test: the embedded one, and BMv2 where it is present."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.p4 import bmv2
from tests.p4.bmv2 import Bmv2Box
from tests.p4.box import Box
from tests.p4.embedded import EmbeddedBox

KINDS: dict[str, Callable[[str], Box]] = {"embedded": EmbeddedBox, "bmv2": Bmv2Box}


@pytest.fixture(scope="module", params=["embedded", pytest.param("bmv2", marks=pytest.mark.long)])
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of switch that can be had here."""
    name = str(request.param)
    reason = bmv2.why_not() if name == "bmv2" else None
    if reason:
        pytest.skip(reason)
    return name


@pytest.fixture
def make(kind: str) -> Iterator[Callable[[str], Box]]:
    """Makes switches of one kind, by name."""
    made: list[Box] = []

    def one(name: str) -> Box:
        made.append(KINDS[kind](name))
        return made[-1]

    yield one
    for each in made:
        each.close()


@pytest.fixture
def box(make: Callable[[str], Box]) -> Box:
    """One switch."""
    return make("lb1")


@pytest.fixture(scope="module")
def common(kind: str) -> Iterator[Box]:
    """One switch for all tests of a module: they use connections of their own."""
    made = KINDS[kind]("lb1")
    yield made
    made.close()


@pytest.fixture
def embedded() -> Iterator[EmbeddedBox]:
    """The embedded switch, whose clock is the test's."""
    made = EmbeddedBox()
    yield made
    made.close()
