"""The command that explains answers, for the control socket."""

from __future__ import annotations

from ipaddress import ip_address

from controller.core.commands import Arguments, Command, CommandRefused, Parameter, Result
from controller.exits.names.exit import NamesExit
from controller.exits.names.explaining import UnknownName
from controller.spec.addresses import Address
from controller.spec.codec import encode

NAME = "explain_name"


def name_commands(names: NamesExit) -> tuple[Command, ...]:
    """What the exit to names takes."""

    async def explain(given: Arguments) -> Result:
        client, resolver = (_address(given, key) for key in ("client", "resolver"))
        try:
            made = names.explain(given["name"], given.get("type", "A"), client, resolver)
        except UnknownName as error:
            raise CommandRefused(str(error)) from error
        return {"explanation": encode(made)}

    parameters = (
        Parameter("name", "a name that is balanced"),
        Parameter("client", "address of the client, or of its subnet", optional=True),
        Parameter("resolver", "address of the resolver that asks; without it: the client", optional=True),
        Parameter("type", "A (without it) or AAAA", optional=True),
    )
    meaning = "Say how questions for a name are answered, and why. Nothing changes."
    return (Command(NAME, meaning, parameters, explain, shows=True),)


def _address(given: Arguments, key: str) -> Address | None:
    text = given.get(key)
    if text is None:
        return None
    try:
        return ip_address(text)
    except ValueError:
        raise CommandRefused(f'"{key}" of {NAME} is "{text}", write an address') from None
