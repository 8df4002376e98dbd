"""What is fuzzed: something that takes octets from others, and may refuse them, but neither fail, hang nor grow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from random import Random
from typing import ClassVar

from tests.fuzz.octets import mutated


class Target(ABC):
    """One entrance. An input is octets, whatever they are turned into."""

    name: ClassVar[str]
    modules: ClassVar[tuple[str, ...]]
    """Files and folders, below the root of the tree, whose lines count as reached or not."""
    seconds: ClassVar[float] = 1.0
    """Processor time that one input may take."""
    tokens: ClassVar[tuple[bytes, ...]] = ()
    """What means something to it."""

    @abstractmethod
    def seeds(self) -> list[bytes]:
        """Good inputs, from which others are made."""

    @abstractmethod
    def feed(self, data: bytes) -> str:
        """Take one input. What became of it, in a few words; whatever is raised is a fault."""

    def mutate(self, chance: Random, data: bytes, other: bytes) -> bytes:
        """Another input, made from one or two."""
        return mutated(chance, data, other, self.tokens)

    def begin(self) -> None:  # noqa: B027 - most keep nothing
        """Before the first input, and whenever what is kept between inputs should be forgotten."""

    def end(self) -> None:  # noqa: B027 - as above
        """After the last one."""
