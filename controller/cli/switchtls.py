"""How ``evenkeel run`` speaks to switches: with TLS if it was given a certificate for that."""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.saying import Saying
from controller.core.journal import Journal
from controller.security.certificates import Role, named_in
from controller.security.credentials import Credentials, Options, credentials, not_a
from controller.southbound.ovsdb.client import Files

if TYPE_CHECKING:
    from controller.southbound.openflow.listener import Guard

OPTIONS = Options("--switch-cert", "--switch-key", "--switch-ca")

FILES = 8192
"""Open files that a controller may have, if the machine lets it."""


@dataclass(frozen=True)
class SwitchTls:
    """What the options say; all of them or none."""

    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    insecure: bool = False
    """Allow an address for switches that others can reach without TLS."""


NO_TLS = SwitchTls()


class Speaking:
    """The certificate towards switches, and who may pose as one. What happens in threads is said in the event loop."""

    def __init__(self, given: SwitchTls, journal: Journal) -> None:
        """Raises CredentialsError naming the option and the file."""
        self._saying = Saying(journal)
        self.credentials: Credentials | None = credentials(
            given.cert, given.key, given.ca, OPTIONS, self._on_problem
        )

    def begin(self) -> None:
        """In the event loop, before anything else."""
        self._saying.begin()
        # So many peers may connect that the usual 1,024 files would not do for us and them.
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, FILES)), hard))

    @property
    def files(self) -> Files | None:
        """For OVSDB."""
        if self.credentials is None:
            return None
        paths = self.credentials.paths
        return Files(paths.cert, paths.key, paths.ca)

    def guard(self) -> Guard:
        """For the listener of OpenFlow."""
        from controller.southbound.openflow.listener import Guard

        context = None if self.credentials is None else self.credentials.fresh_server_context
        return Guard(context, _why_no_switch, on_refused=self._on_refused)

    @staticmethod
    def impostor(names: Callable[[], Mapping[int, str]]) -> Callable[[int, Mapping[str, object]], str | None]:
        """Why a switch is not the one that its certificate names; ``names``: of the switches of the intent, by id."""

        def why(number: int, shown: Mapping[str, object]) -> str | None:
            said, name = named_in(shown), names().get(number)
            if not said.ours or name is None or said.name == name:
                return None
            return f"its certificate is of switch {said.name!r}, and its datapath id that of {name!r}"

        return why

    def _on_problem(self, why: str) -> None:
        self._saying.event("certificate_unused", why=why)

    def _on_refused(self, address: str, why: str, count: int) -> None:
        self._saying.event("stream_refused", address=address, why=why, count=count)


def _why_no_switch(shown: Mapping[str, object]) -> str | None:
    return not_a(Role.SWITCH, named_in(shown))
