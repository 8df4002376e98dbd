"""What a process shows of itself through its life: it starts, stands by, leads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from controller.app.assembly import App
from controller.clock import Clock
from controller.metrics.figures import Figures, Standing
from controller.metrics.observations import Observations
from controller.metrics.process import process_figures, program_version
from controller.metrics.series import rendered
from controller.metrics.taking import serving


class Led(Protocol):
    """Leadership, as it is shown."""

    problem: str

    @property
    def name(self) -> str:
        """Of this controller."""
        ...

    @property
    def leader(self) -> str | None:
        """Who is known to lead."""
        ...

    @property
    def until(self) -> float:
        """Until when no other controller can lead, by the clock."""
        ...


class Exposed:
    """All that metrics and the two answers about life and readiness are made from."""

    def __init__(self, observations: Observations, clock: Clock, dropped: Callable[[], int]) -> None:
        """``dropped``: events that the journal's reader was too slow for."""
        self.observations = observations
        self.lead: Led | None = None
        """Leadership, where controllers share a store; set as soon as it is known."""
        self._clock = clock
        self._dropped = dropped
        self._app: App | None = None
        self._version = program_version()

    @contextmanager
    def serves(self, app: App) -> Iterator[None]:
        """Show a controller while it serves switches."""
        self._app = app
        try:
            yield
        finally:
            self._app = None

    def figures(self) -> Figures:
        """Everything, as it is now. Call it in the event loop."""
        shown = None if self._app is None else serving(self._app)
        return Figures(
            self._version,
            self.standing(),
            self.observations.taken(),
            process_figures(),
            shown,
            self._dropped(),
        )

    @staticmethod
    def text(figures: Figures, plain: bool) -> bytes:
        """All metrics as text; may be called in a thread."""
        return rendered(figures, plain)

    def standing(self) -> Standing:
        """What this controller is among others, and whether it is ready."""
        if self._app is not None:
            return self._leading(self._app)
        if self.lead is None:
            return Standing(False, False, "starts", True)
        lead, leader = self.lead, self.lead.leader
        if lead.problem:
            ready, why = False, f"the store does not answer: {lead.problem}"
        elif leader is None or leader == lead.name:
            ready, why = False, "starts"
        else:
            ready, why = True, f"stands by: {leader} leads"
        return Standing(False, ready, why, not lead.problem, lead.name, leader or "", 0.0)

    def _leading(self, app: App) -> Standing:
        lead, problem = self.lead, app.state.problem
        left = None if lead is None else round(max(0.0, lead.until - self._clock.now()), 3)
        why = "leads"
        if app.state.committed.value is None:
            why = "starts"
        elif problem:
            why = f"leads, but the store cannot be written: {problem}"
        elif left == 0.0:
            why = "leads, but could not renew its leadership: another controller may lead"
        return Standing(True, why == "leads", why, not problem, "" if lead is None else lead.name, "", left)
