"""Events of name servers (``evenkeel nameserver``)."""

from __future__ import annotations

from collections.abc import Mapping

from controller.core.eventtypes import WHY, Event, Field

_SECONDS = Field("seconds", int, "Since a controller was heard.")
_REVISION = Field("revision", int, "Change id of what is answered.")

NAMESERVERS: Mapping[str, Event] = {
    "nameserver_started": Event(
        "A name server begins to answer.",
        (
            Field("name", str, "Its name."),
            Field("site", str | None, "Its site; null: none was given."),
            Field("listen", list[str], "Addresses and ports."),
        ),
    ),
    "nameserver_follows": Event("A controller is heard, and followed.", (_REVISION,)),
    "nameserver_alone": Event(
        "No controller is heard: answers are by the last that was.", (_REVISION, _SECONDS)
    ),
    "nameserver_expired": Event(
        "No controller was heard for so long that nothing is answered any more.", (_SECONDS,)
    ),
    "nameserver_zones": Event(
        "Other zones, or other names in them, are served than before.",
        (_REVISION, Field("names", dict[str, int], "Names in each zone.")),
    ),
    "nameserver_problem": Event("Something keeps a name server from what it should do.", (WHY,)),
}
