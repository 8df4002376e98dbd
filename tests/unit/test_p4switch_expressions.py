"""Generated arithmetic stays within the bounds that let masks be left out, and flows join where paths meet."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topo.p4switch.compile.flow import Flow, Region
from topo.p4switch.compile.values import ARITHMETIC, Value, combine, constant, of_width, stored
from topo.p4switch.errors import ProgramError

widths = st.integers(1, 40)


@st.composite
def variables(draw: st.DrawFn, name: str) -> tuple[Value, int]:
    """A variable of some width and sign, or a constant, with a value it may have."""
    width, signed = draw(widths), draw(st.booleans())
    if signed and width > 1:
        number = draw(st.integers(-(1 << (width - 1)), (1 << (width - 1)) - 1))
        shape = of_width(name, width, True)
    else:
        number = draw(st.integers(0, (1 << width) - 1))
        shape = of_width(name, width)
    return (constant(number), number) if draw(st.booleans()) else (shape, number)


@given(variables("x"), variables("y"), st.sampled_from(sorted(ARITHMETIC)))
def test_a_result_lies_within_its_known_bounds(a: tuple[Value, int], b: tuple[Value, int], op: str) -> None:
    (left, x), (right, y) = a, b
    if op in ("/", "%") and (x < 0 or y <= 0 or (left.low or 0) < 0 or (right.low or 0) < 0):
        return
    if op in ("<<", ">>") and not (0 <= y < 64 and (right.low or 0) >= 0):
        return
    made = combine(op, left, right)
    result = eval(made.text, {"x": x, "y": y})
    exact = {
        "+": lambda: x + y, "-": lambda: x - y, "*": lambda: x * y, "/": lambda: x // y, "%": lambda: x % y,
        "<<": lambda: x << y, ">>": lambda: x >> y, "&": lambda: x & y, "|": lambda: x | y, "^": lambda: x ^ y,
    }[op]()  # fmt: skip
    assert result == exact
    assert made.low is None or made.low <= result
    assert made.high is None or result <= made.high


@given(st.integers(-(1 << 50), 1 << 50), widths, st.booleans(), st.booleans())
def test_a_stored_value_is_cut_to_its_field(number: int, width: int, signed: bool, fixed: bool) -> None:
    signed = signed and width > 1
    value = constant(number) if fixed else Value("x", None, None)
    result = eval(stored(value, width, signed), {"x": number})
    low = -(1 << (width - 1)) if signed else 0
    assert low <= result < low + (1 << width)
    assert (result - number) % (1 << width) == 0


def test_a_mask_that_changes_nothing_is_left_out() -> None:
    assert stored(of_width("x", 8), 8) == "x"
    assert combine("&", of_width("x", 8), constant(0xFFFF)).text == "x"
    assert "&" in stored(combine("+", of_width("x", 8), constant(1)), 8)


def test_a_shift_by_a_huge_count_builds_no_huge_number() -> None:
    made = combine("<<", of_width("x", 8), of_width("y", 32))
    assert eval(made.text, {"x": 1, "y": 1 << 31}) == 0


def order(graph: dict[str, Sequence[str | None]], entry: str) -> list[str]:
    """What a flow writes, branches in brackets."""
    out: list[str] = []

    def emit(node: Hashable, region: Region) -> None:
        name = str(node)
        out.append(name)
        if len(graph[name]) > 1:
            for successor in graph[name]:
                out.append("[")
                region(successor)
                out.append("]")

    Flow(entry, lambda n: graph[str(n)]).write(emit)
    return out


def test_branches_end_where_they_meet() -> None:
    graph: dict[str, Sequence[str | None]] = {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": [None]}
    assert "".join(order(graph, "a")) == "a[b][c]d"


def test_a_branch_that_ends_the_flow_ends_only_itself() -> None:
    graph: dict[str, Sequence[str | None]] = {"a": ["b", None], "b": ["c", "d"], "c": ["d"], "d": [None]}
    assert "".join(order(graph, "a")) == "a[b[c][]d][]"


def test_a_loop_is_refused() -> None:
    graph: dict[str, Sequence[str | None]] = {"a": ["b"], "b": ["a"]}
    with pytest.raises(ProgramError, match="comes back to a"):
        order(graph, "a")
