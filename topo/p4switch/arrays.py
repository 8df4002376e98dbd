"""Counter, meter and register arrays and parser value sets: the cells the data plane reads and writes."""

from __future__ import annotations

from topo.p4switch.errors import InvalidArgument, OutOfRange
from topo.p4switch.program.model import CounterDef, MeterDef, RegisterDef, ValueSetDef

GREEN, YELLOW, RED = 0, 1, 2

MeterConfig = tuple[tuple[float, int], ...]
"""(rate in units per second, burst in units) for each rate, the lowest (committed) first."""


def check_index(kind: str, name: str, size: int, index: int) -> None:
    """Raise OutOfRange unless 0 <= index < size."""
    if not 0 <= index < size:
        raise OutOfRange(f"{kind} {name}: index {index} is not in 0..{size - 1}")


class CounterArray:
    """A counter array; `packets` and `bytes` are plain lists that live as long as the program."""

    def __init__(self, definition: CounterDef) -> None:
        """All cells zero."""
        self.definition = definition
        self.name = definition.name
        self.packets = [0] * definition.size
        self.bytes = [0] * definition.size

    def __len__(self) -> int:
        """Cells in the array."""
        return len(self.packets)

    def get(self, index: int) -> tuple[int, int]:
        """(packets, bytes) of a cell; OutOfRange."""
        check_index("counter", self.name, len(self.packets), index)
        return self.packets[index], self.bytes[index]

    def set(self, index: int, packets: int, byte_count: int) -> None:
        """Set a cell; OutOfRange."""
        check_index("counter", self.name, len(self.packets), index)
        self.packets[index] = packets
        self.bytes[index] = byte_count


class Meter:
    """One two-rate three-colour meter, with bmv2's token arithmetic (RFC 2698, colour blind or aware).

    The clock is the switch's, in ns; tokens come once a whole microsecond, from the time of configuration.
    A meter that is not configured is green.
    """

    __slots__ = ("_by_bytes", "_origin", "_rates", "config")

    def __init__(self, unit: str) -> None:
        """A meter counting `unit`: bytes or packets."""
        self._by_bytes = unit == "bytes"
        self._origin = 0
        self._rates: list[list[float | int]] = []
        self.config: MeterConfig | None = None

    def configure(self, config: MeterConfig, now: int) -> None:
        """Set the rates and fill the buckets; InvalidArgument when the rates do not rise."""
        check_meter(config)
        self.config = config
        self._origin = now
        # Highest rate first: what exceeds it is red whatever the lower ones say. [per us, burst, tokens, given, colour]
        self._rates = [
            [rate / 1e6, burst, burst, 0, colour] for colour, (rate, burst) in enumerate(config, start=1)
        ][::-1]

    def reset(self) -> None:
        """Back to not configured."""
        self.config = None
        self._rates = []

    def execute(self, length: int, now: int, pre_color: int = GREEN) -> int:
        """The colour of a packet of `length` bytes at `now`; takes its tokens."""
        if self.config is None:
            return pre_color
        need = length if self._by_bytes else 1
        elapsed = (now - self._origin) // 1000
        color = GREEN
        for rate in self._rates:
            given = int(elapsed * rate[0])
            tokens = min(rate[2] + given - rate[3], rate[1])
            rate[3] = given
            if tokens < need:
                rate[2] = tokens
                color = int(rate[4])
                break
            rate[2] = tokens - need
        return max(pre_color, color)


def check_meter(config: MeterConfig) -> None:
    """Raise InvalidArgument for negative rates or a committed rate above the peak rate."""
    last = 0.0
    for rate, burst in config:
        if rate < 0 or burst < 0:
            raise InvalidArgument(f"meter rate {rate} and burst {burst} must not be negative")
        if rate < last:
            raise InvalidArgument(f"meter rates must rise: {rate} comes after {last}")
        last = rate


class MeterArray:
    """An indirect meter array."""

    def __init__(self, definition: MeterDef) -> None:
        """No cell configured."""
        self.definition = definition
        self.name = definition.name
        self.cells = [Meter(definition.unit) for _ in range(0 if definition.direct else definition.size)]

    def __len__(self) -> int:
        """Cells in the array."""
        return len(self.cells)

    def get(self, index: int) -> MeterConfig | None:
        """The cell's configuration, None when it has none; OutOfRange."""
        check_index("meter", self.name, len(self.cells), index)
        return self.cells[index].config

    def set(self, index: int, config: MeterConfig | None, now: int) -> None:
        """Configure a cell, or with None take its configuration away; OutOfRange, InvalidArgument."""
        check_index("meter", self.name, len(self.cells), index)
        if config is None:
            self.cells[index].reset()
        else:
            self.cells[index].configure(config, now)


class RegisterArray:
    """A register array; `cells` is a plain list that generated code keeps: it is never replaced."""

    def __init__(self, definition: RegisterDef) -> None:
        """All cells zero."""
        self.definition = definition
        self.name = definition.name
        self.cells = [0] * definition.size

    def __len__(self) -> int:
        """Cells in the array."""
        return len(self.cells)

    def get(self, index: int) -> int:
        """A cell's value; OutOfRange."""
        check_index("register", self.name, len(self.cells), index)
        return self.cells[index]

    def set(self, index: int, value: int) -> None:
        """Set a cell; OutOfRange, InvalidArgument when the value is wider than a cell."""
        check_index("register", self.name, len(self.cells), index)
        if value < 0 or value >> self.definition.width:
            raise InvalidArgument(
                f"register {self.name}: {value:#x} is wider than {self.definition.width} bits"
            )
        self.cells[index] = value

    def fill(self, value: int = 0) -> None:
        """Set every cell."""
        self.cells[:] = [value] * len(self.cells)


class ValueSet:
    """A parser value set: members are (value, mask) over the whole set's bits, mask all ones for exact."""

    def __init__(self, definition: ValueSetDef) -> None:
        """An empty set."""
        self.definition = definition
        self.name = definition.name
        self.members: tuple[tuple[int, int], ...] = ()
        self._exact: frozenset[int] = frozenset()
        self._masked: tuple[tuple[int, int], ...] = ()

    def replace(self, members: tuple[tuple[int, int], ...]) -> None:
        """Set all members at once; InvalidArgument for one that is too wide."""
        ones = (1 << self.definition.width) - 1
        for value, mask in members:
            if value < 0 or value & ~ones or mask < 0 or mask & ~ones:
                raise InvalidArgument(
                    f"value set {self.name}: {value:#x} mask {mask:#x} is wider than {self.definition.width} bits"
                )
        self.members = members
        self._exact = frozenset(value for value, mask in members if mask == ones)
        self._masked = tuple((value & mask, mask) for value, mask in members if mask != ones)

    def matches(self, value: int, mask: int = -1) -> bool:
        """Whether a member equals `value` under its own mask and the transition's."""
        if mask == -1:
            return value in self._exact or any(value & own == want for want, own in self._masked)
        return any((value ^ want) & own & mask == 0 for want, own in self.members)
