"""Events about discovery (xDS): see ``events.py``."""

from __future__ import annotations

from collections.abc import Mapping

from controller.core.eventtypes import WHY, Event, Field, Line
from controller.sites.causes import Cause

_CLIENT = Field("client", str, "Id of the client's node, as it says.")
_LISTEN = Field("listen", str, "Address and port.")

DISCOVERY: Mapping[str, Event] = {
    "discovery_serves": Event(
        "The discovery server listens.",
        (_LISTEN, Field("tls", bool, "With TLS.")),
        line=Line("discovery listens at {listen}", Cause.INTENT),
    ),
    "discovery_closed": Event(
        "The discovery server cannot listen. It is tried again every second; clients keep what they have.",
        (_LISTEN, WHY),
        line=Line("discovery cannot listen at {listen}: {why}", Cause.INTENT),
    ),
    "discovery_rejected": Event(
        "A client refused what it was sent (NACK), and goes on with what it had. It is not sent the same again.",
        (
            _CLIENT,
            Field("program", str, "What the client is, as it says."),
            Field("kind", str, "`clusters`, `endpoints`, `listeners` or `routes`."),
            Field("version", str, "Of the response."),
            WHY,
        ),
        line=Line("{client} refuses {kind} {version}: {why}", Cause.CLIENT),
    ),
    "discovery_cut": Event(
        "A client was cut off: it does not read or answer what it is sent, or asks for too much.",
        (_CLIENT, Field("address", str, "Where it came from."), WHY),
        line=Line("{client} is cut off from discovery: {why}", Cause.CLIENT),
    ),
}
