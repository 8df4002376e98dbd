"""Certificates for tests, as ``evenkeel pki`` makes them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from controller.security.certificates import Role, Subject
from controller.security.pki import Pki
from tests.fakes.etcd import Files


class Authority:
    """Signs what etcd's members and its clients show."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        self.pki = Pki(folder, datetime.now(UTC))
        self.certificate = self.pki.init(name).path

    def sign(self, common_name: str, *addresses: str, role: Role | None = None) -> Files:
        """A certificate for a common name: of a member of etcd with these addresses, or of a controller without any."""
        path = self.pki.folder / f"{common_name}.pem"
        if not path.exists():
            role = role or (Role.ETCD if addresses else Role.CONTROLLER)
            self.pki.issue(Subject(common_name, role, addresses))
        return Files(self.certificate, path, path.with_suffix(".key"))
