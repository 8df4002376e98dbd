"""The command that explains a service, for the control socket."""

from __future__ import annotations

from controller.core.commands import Arguments, Command, CommandRefused, Parameter, Result
from controller.exits.xds.exit import DiscoveryExit
from controller.spec.codec import encode

NAME = "explain_service"


def discovery_commands(discovery: DiscoveryExit) -> tuple[Command, ...]:
    """What the exit to discovery takes."""

    async def explain(given: Arguments) -> Result:
        try:
            made = discovery.explain(given["service"], given.get("region", ""))
        except ValueError as error:
            raise CommandRefused(str(error)) from error
        return {"explanation": encode(made)}

    parameters = (
        Parameter("service", "a service of discovery"),
        Parameter("region", "the client's site; without it: it is at none", optional=True),
    )
    meaning = (
        "Say what clients are told of a service: routes, shares, servers in their order. Nothing changes."
    )
    return (Command(NAME, meaning, parameters, explain, shows=True),)
