"""A cell wakes its readers when it changed, and only then; two that change together are seen together."""

from __future__ import annotations

from controller.core.cells import Cell


def test_readers_are_woken_by_changes_alone() -> None:
    cell: Cell[tuple[int, ...]] = Cell("numbers", (1, 2))
    seen: list[tuple[int, ...]] = []
    cell.subscribe(lambda: seen.append(cell.value))
    assert not cell.put((1, 2))
    assert (cell.revision, seen) == (0, [])
    assert cell.put((3,))
    assert (cell.revision, seen) == (1, [(3,)])
    assert not cell.put((3,))
    assert (cell.value, cell.revision) == ((3,), 1)


def test_all_readers_are_woken_in_the_order_in_which_they_asked() -> None:
    cell, seen = Cell("number", 1), []
    for name in "abc":
        cell.subscribe(lambda name=name: seen.append(name))  # type: ignore[misc]
    cell.put(2)
    assert seen == ["a", "b", "c"]


def test_what_is_set_is_seen_before_anyone_is_woken() -> None:
    one, other = Cell("one", 1), Cell("other", 1)
    seen = []
    for cell in (one, other):
        cell.subscribe(lambda: seen.append((one.value, other.value)))
    assert one.set(2)
    assert not one.set(2)
    other.put(2)
    one.wake()
    assert seen == [(2, 2), (2, 2)]
    assert one.revision == other.revision == 1
