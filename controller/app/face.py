"""What the API needs of a controller that is put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.api.parts import Parts

if TYPE_CHECKING:
    from controller.app.assembly import App


def api_parts(app: App) -> Parts:
    """Its parts, as the API's services have them."""
    return Parts(
        app.state,
        app.intents,
        app.resources,
        app.requests,
        {each.name: each for each in app.commands()},
        app.snapshot,
        app.log,
        app.journal,
        app.clock,
        "" if app.file is None else str(app.file.path),
    )
