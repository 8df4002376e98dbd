"""What runs beside a controller that asks agents what they see of servers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from controller.app.assembly import App
from controller.cli.standby import Ending
from controller.security.credentials import Credentials


@dataclass(frozen=True)
class Asks:
    """How agents are reached."""

    tls: Credentials | None
    """None: without certificates."""

    def beside(self, app: App, ending: Ending | None, name: str) -> Ending:
        """The streams to agents, and what ends the controller. ``name``: of this controller."""
        from controller.agent.observers import Observers

        observers = Observers(app.state.intent, app.places, name, self.tls)

        async def both() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(observers.run())
                if ending is not None:
                    group.create_task(ending())

        return both
