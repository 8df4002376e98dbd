"""The files of roles and of tokens: whatever is in them, they are read or refused with places."""

from __future__ import annotations

from controller.model.errors import ConfigErrors
from controller.security.rolesfile import hashed, read_roles, read_tokens
from tests.fuzz.octets import YAML
from tests.fuzz.outcomes import shape
from tests.fuzz.target import Target

_ROLES = b"""certificates:
  - {name: alice, role: admin}
  - name: ci
    role: operator
    only:
      - {kinds: [pool, backend], names: ["web", "web/*"]}
      - {labels: {team: web}}
tokens:
  - {name: grafana, role: viewer}
as_issued: false
"""


class Roles(Target):
    """``read_roles``."""

    name = "roles"
    modules = ("controller/security/rolesfile.py",)
    seconds = 5.0
    tokens = (
        *YAML,
        b"role: ",
        b"only: ",
        b"none",
        b"labels: ",
    )

    def seeds(self) -> list[bytes]:
        """One with everything."""
        return [_ROLES, b"certificates: []\n", b"tokens: [{name: a, role: none}]\n"]

    def feed(self, data: bytes) -> str:
        """Read it."""
        try:
            roles = read_roles(data.decode("utf-8", errors="replace"), "roles.yaml")
        except ConfigErrors as errors:
            return f"refused: {shape(str(errors.errors[0].message))}"
        return f"read: {min(len(roles.certificates), 3)} {min(len(roles.tokens), 3)}"


class TokenLines(Target):
    """``read_tokens``."""

    name = "tokens"
    modules = ("controller/security/rolesfile.py",)
    tokens = (b"\n", b" sha256:", b"#", b"\r", b"\x0b", b"\xe2\x80\xa8")

    def seeds(self) -> list[bytes]:
        """Some lines."""
        lines = [f"{name} sha256:{hashed(name)}" for name in ("grafana", "ci", "a.b-c")]
        return ["\n".join(lines).encode(), b"# nothing\n\n", lines[0].encode()]

    def feed(self, data: bytes) -> str:
        """Read it, and ask for a token."""
        try:
            tokens = read_tokens(data.decode("utf-8", errors="replace"), "tokens")
        except ConfigErrors as errors:
            return f"refused: {shape(str(errors.errors[0].message))}"
        holder = tokens.holder(data[:100].decode("utf-8", errors="surrogateescape"))
        assert holder is None
        return f"read: {tokens.holder('grafana')}"
