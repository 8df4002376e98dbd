"""Plans and comparisons of many switches at once leave room for everything else in the loop."""

from __future__ import annotations

import asyncio

import pytest

from controller.core import targets as module
from controller.core.cells import Cell
from controller.core.targets import Targets
from controller.plan.duty import PlanInput
from controller.plan.pins import PinBook
from tests.fakes.core import until


def some() -> Targets:
    committed: Cell[PlanInput | None] = Cell("committed", None)
    return Targets(committed, PinBook())


@pytest.mark.parametrize(
    ("long", "order"),
    [
        pytest.param(-1.0, ["one", "rest", "two", "rest"], id="long"),
        pytest.param(float("inf"), ["one", "two", "rest", "rest"], id="short"),
    ],
)
def test_the_rest_of_the_loop_has_its_turn_after_work_that_took_long(
    monkeypatch: pytest.MonkeyPatch, long: float, order: list[str]
) -> None:
    monkeypatch.setattr(module, "LONG", long)
    targets = some()
    done: list[str] = []

    async def body() -> None:
        def work(name: str) -> str:
            done.append(name)
            asyncio.get_running_loop().call_soon(done.append, "rest")
            return name

        both = (targets.in_turn(lambda: work("one")), targets.in_turn(lambda: work("two")))
        assert list(await asyncio.gather(*both)) == ["one", "two"]
        await until(lambda: len(done) == len(order), "all is done")

    asyncio.run(body())
    assert done == order


def test_work_that_fails_gives_its_turn_away() -> None:
    targets = some()

    def fail() -> None:
        raise ValueError("it cannot be planned")

    async def body() -> None:
        failed, done = await asyncio.gather(
            targets.in_turn(fail), targets.in_turn(lambda: "done"), return_exceptions=True
        )
        assert isinstance(failed, ValueError)
        assert done == "done"

    asyncio.run(body())
