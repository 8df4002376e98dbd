"""How ``evenkeel run`` is asked: where its API listens, who may do what there, and what is recorded of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.api import listening
from controller.api.guarding import Guard
from controller.api.listening import ListenError
from controller.api.server import ApiServer
from controller.cli.saying import Saying
from controller.clock import Clock
from controller.core.journal import Journal
from controller.security.access import access
from controller.security.audit import AuditLog
from controller.security.credentials import Credentials, Paths, credentials


@dataclass(frozen=True)
class ApiOptions:
    """What the options say."""

    address: str | None = None
    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    roles: Path | None = None
    tokens: Path | None = None
    audit: Path | None = None

    def made(self, state: Path, journal: Journal, clock: Clock) -> Face:
        """Raises ListenError, SecurityError and ConfigErrors, and holds nothing then."""
        saying = Saying(journal)
        if self.tokens is not None and self.roles is None:
            raise ListenError(f"--api-tokens {self.tokens}: give --api-roles too, which says what they may")
        known = access(self.roles, self.tokens, lambda why: saying.event("access_unused", why=why))
        tls, certificates = self._tls(saying)
        where = listening.Where(listening.api_beside(state), self.address or "", tls, certificates)
        where.check()
        audit = None
        if self.audit is not None:
            audit = AuditLog(self.audit, clock, on_failure=lambda why: saying.event("audit_failed", why=why))
        guard = Guard(known, audit, anonymous=self.roles is None)
        return Face(ApiServer(where, journal, clock, guard), audit, saying)

    def _tls(self, saying: Saying) -> tuple[Credentials | None, bool]:
        """Credentials, and whether clients have to show a certificate."""

        def on_problem(why: str) -> None:
            saying.event("certificate_unused", why=why)

        if self.cert is not None and self.key is not None and self.ca is None and self.tokens is not None:
            # No certificate is asked for, so there is no authority: our own stands in its place.
            return Credentials(Paths(self.cert, self.key, self.cert), listening.OPTIONS, on_problem), False
        return credentials(self.cert, self.key, self.ca, listening.OPTIONS, on_problem), True


@dataclass(frozen=True)
class Face:
    """What asks and is asked."""

    api: ApiServer
    audit: AuditLog | None
    saying: Saying

    @contextmanager
    def closed_unless_used(self) -> Iterator[None]:
        """Closed if what comes after it fails."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another process have the audit log."""
        if self.audit is not None:
            self.audit.close()
