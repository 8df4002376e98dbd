"""What all parts of a topology file share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,11}$")]
"""Becomes part of namespace and interface names, where "-" separates and 15 characters are the limit."""


class Part(BaseModel):
    """Base of every part of a topology: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RouterSpec(Part):
    """A router (FRR) with a cable to every lb switch that has a speaker, and one to every client."""

    name: Name
    asn: int = Field(default=65001, ge=1, le=2**32 - 1)


class SpeakerSpec(Part):
    """The engine (FRR) of a speaker, beside an lb switch: for each router a cable, and a network with that alone."""

    name: Name
    at: Name
    """The lb switch."""
    asn: int = Field(default=65010, ge=1, le=2**32 - 1)


class RoutedSpec(Part):
    """Routers in the place of edges."""

    routers: tuple[RouterSpec, ...] = Field(min_length=1, max_length=4)
    speakers: tuple[SpeakerSpec, ...] = Field(min_length=1, max_length=8)
    clients: tuple[Name, ...] = Field(min_length=1, max_length=8)
    """Hosts behind all of the routers."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """All that it adds to a lab."""
        routers, speakers = (each.name for each in self.routers), (each.name for each in self.speakers)
        return (*routers, *speakers, *self.clients)

    def at(self, switch: str) -> tuple[str, ...]:
        """Interfaces of a switch: to each router, and as many to its speaker."""
        routers = [each.name for each in self.routers]
        here = [each.name for each in self.speakers if each.at == switch]
        return (*routers, *(f"{name}-{router}" for name in here for router in routers)) if here else ()
