"""A controller that serves its API by mutual TLS in the test's own event loop, with roles and an audit log."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.api.guarding import Guard
from controller.api.listening import Where
from controller.client import AsyncClient, Tls
from controller.clock import SystemClock
from controller.security.access import access
from controller.security.audit import AuditLog
from controller.security.auditverify import verify
from controller.security.certificates import Role
from controller.security.credentials import Credentials, Paths
from controller.spec.types import Intent
from tests.fakes import core
from tests.fakes.api import Face, served
from tests.fakes.certificates import Authority

PAIR = core.loaded("pair")


@dataclass
class Fabric:
    """A controller beyond this machine's reach but for those with certificates, and what it has recorded."""

    face: Face
    authority: Authority
    log: Path

    def client(self, name: str, role: Role) -> AsyncClient:
        """One that shows a certificate of that name."""
        shown = self.authority.sign(name, role=role)
        return AsyncClient(f"127.0.0.1:{self.face.server.port}", Tls(shown.ca, shown.cert, shown.key))

    def records(self) -> list[dict[str, Any]]:
        """What was recorded, but for the beginning."""
        verify(self.log)
        return [json.loads(text) for text in self.log.read_text().splitlines()][1:]


@asynccontextmanager
async def fabric(folder: Path, roles: str | None = None, intent: Intent = PAIR) -> AsyncIterator[Fabric]:
    """``roles``: the text of the roles file."""
    authority = Authority(folder / "pki")
    own = authority.sign("api", "127.0.0.1", role=Role.SERVER)
    where = Where(folder / "api.sock", "127.0.0.1:0", Credentials(Paths(own.cert, own.key, own.ca)))
    path = None
    if roles is not None:
        path = folder / "roles.yaml"
        path.write_text(roles)
    audit = AuditLog(folder / "audit.log", SystemClock())
    guard = Guard(access(path, None, lambda why: None), audit)
    try:
        async with served(folder, guard=guard, where=where, intent=intent) as face:
            yield Fabric(face, authority, folder / "audit.log")
    finally:
        audit.close()
