"""``evenkeel drill``: there and back; whatever goes wrong on the way, the order does not stay."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest

from controller.cli import codes
from controller.cli import drill as module
from controller.cli.asking import NoAnswer
from controller.cli.drill import Spans, drill
from controller.cli.stores import Where
from controller.clock import SystemClock
from controller.core import drilling
from controller.core.drilling import Answer, Drill, Failed, Interrupted, Shown, Stage


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK", 0.001)
    monkeypatch.setattr(drilling, "LOOK", 0.001)
    monkeypatch.setattr(module, "CURRENT", 0.01)


class Fabric:
    """A controller that moves a group at once, unless a test says otherwise."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.order: str | None = None
        self.owner: str | None = "east"
        self.cause = "home"
        self.follows = True
        self.refuses: Mapping[str, Any] | None = None
        self.on_look: Callable[[], None] = lambda: None

    def command(self, request: Mapping[str, str]) -> Mapping[str, Any]:
        assert (request["command"], request["vip"]) == ("move", "shop")
        self.asked.append(request.get("site"))
        if self.refuses is not None:
            return self.refuses
        self.order = request.get("site")
        return {"ok": True, "vips": ["shop", "shop6"], "revision": 7}

    def status(self) -> Mapping[str, Any]:
        self.on_look()
        if self.follows:
            self.owner = self.order or "east"
        row = {"owner": self.owner, "belongs": self.order or "east", "why": "so it is", "cause": self.cause}
        return {"vips": {"shop": row, "shop6": row, "api": row}}

    def drill(self, site: str = "west", vip: str = "shop") -> Drill:
        return drill_of(self.command, self.status, site, vip)


def drill_of(
    command: Callable[[Mapping[str, str]], Mapping[str, Any]],
    status: Callable[[], Mapping[str, Any]],
    site: str = "west",
    vip: str = "shop",
) -> Drill:
    """A drill whose answers are as JSON gives them."""
    return Drill(
        vip,
        site,
        lambda request: cast(Answer, command(request)),
        lambda: cast(Shown, status()),
        SystemClock().now,
    )


def test_a_vip_moves_there_and_back() -> None:
    it = Fabric()
    made, stages = it.drill(), list[Stage]()
    made.on_stage = stages.append
    made.run(stay=0.01, within=5.0)
    assert stages == list(Stage)
    assert it.asked == ["west", None]
    assert (it.owner, made.vips, made.former, made.left) == ("east", ("shop", "shop6"), "east", False)


@pytest.mark.parametrize(
    ("change", "vip", "site", "why"),
    [
        ({}, "mail", "west", "there is no VIP mail; VIPs: shop, shop6, api"),
        ({}, "shop", "east", "shop is at east already; name another one of its owners"),
        ({"cause": "moved"}, "shop", "west", "an operator has it; first: evenkeel move shop"),
        ({"owner": None, "follows": False}, "shop", "west", "shop is owned by no site and belongs to east"),
    ],
)
def test_one_that_is_not_at_rest_is_not_touched(
    change: Mapping[str, Any], vip: str, site: str, why: str
) -> None:
    it = Fabric()
    for name, value in change.items():
        setattr(it, name, value)
    with pytest.raises(Failed, match=why):
        it.drill(site, vip).run(0.0, 1.0)
    assert it.asked == []


def test_what_is_refused_leaves_no_order() -> None:
    it = Fabric()
    it.refuses = {"ok": False, "refused": ["site west is drained"]}
    made = it.drill()
    with pytest.raises(Failed, match="site west is drained"):
        made.run(0.0, 1.0)
    assert (it.asked, made.left) == (["west"], False)


def test_one_that_does_not_arrive_in_time_goes_back_and_that_is_said_with_its_reason() -> None:
    it = Fabric()
    it.follows = False
    made = it.drill()
    with pytest.raises(Failed, match=r"not owned by west within 0\.01 s, but by \{'shop': 'east'.*so it is"):
        made.run(0.0, 0.01)
    assert (it.asked, it.order, made.left) == (["west", None], None, False)


def test_one_that_does_not_stay_goes_back() -> None:
    it = Fabric()
    made = it.drill()

    def falls() -> None:
        if it.owner == "west":
            it.follows, it.owner = False, "east"

    it.on_look = falls
    with pytest.raises(Failed, match="did not stay at west: so it is"):
        made.run(5.0, 5.0)
    assert (it.asked, made.left) == (["west", None], False)


def test_an_interruption_withdraws_the_order() -> None:
    it = Fabric()
    made = it.drill()

    def interrupts() -> None:
        if it.order == "west":
            raise Interrupted

    it.on_look = interrupts
    with pytest.raises(Interrupted):
        made.run(5.0, 5.0)
    assert (it.asked, it.order, made.left) == (["west", None], None, False)


def test_an_order_that_cannot_be_withdrawn_is_known_to_stand() -> None:
    it = Fabric()
    made = it.drill()

    def dies() -> None:
        if it.order == "west":
            it.refuses = {"ok": False, "not_stored": "the disk is full"}

    it.on_look = dies
    with pytest.raises(Failed, match="not stored: the disk is full"):
        made.run(0.0, 5.0)
    assert made.left


def test_without_a_controller_or_with_bad_options_nothing_is_asked(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    where = Where(tmp_path / "evenkeel.db")
    assert drill(where, "shop", "west", Spans(stay="soon")) == codes.Drill.NO_ANSWER
    assert capsys.readouterr().err.startswith("--stay soon: write a number and s, m, h or d")
    assert drill(where, "shop", "west", Spans()) == codes.Drill.NO_ANSWER
    assert "is a controller running with --state" in capsys.readouterr().err
    (tmp_path / "status.json").write_text('{"at": 5.0}')
    assert drill(where, "shop", "west", Spans()) == codes.Drill.NO_ANSWER
    assert capsys.readouterr().err.startswith("the status is old: the controller is not running")
    (tmp_path / "status.json").write_text('{"at": 5.0, "standby": {"leader": "east"}}')
    assert drill(where, "shop", "west", Spans()) == codes.Drill.NO_ANSWER
    assert "stands by, east leads" in capsys.readouterr().err


def test_a_controller_that_goes_away_in_the_middle_leaves_the_order() -> None:
    it = Fabric()

    def gone(request: Mapping[str, str]) -> Mapping[str, Any]:
        if it.order is not None:
            raise NoAnswer("gone")
        return it.command(request)

    made = drill_of(gone, it.status)
    with pytest.raises(NoAnswer):
        made.run(0.0, 5.0)
    assert made.left


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_interrupts_and_the_next_one_does_not_cut_off_the_way_back(
    number: signal.Signals,
) -> None:
    former = signal.getsignal(number)
    said: list[str] = []

    def interrupted() -> None:
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)
            said.append("withdrawn")

    with pytest.raises(Interrupted), module.interruptible():
        interrupted()
    assert said == ["withdrawn"]
    assert signal.getsignal(number) is former
