"""The errors of this package; each says what is wrong where, and what would be right."""

from __future__ import annotations


class SecurityError(Exception):
    """A certificate, key, token or record that cannot be used."""


class PkiError(SecurityError):
    """What was asked of the authority cannot be done; nothing was changed."""


class CredentialsError(SecurityError):
    """Files of a certificate, its key or an authority that cannot be used."""


class AuditError(SecurityError):
    """The audit log cannot be written: what it should have recorded must not be done."""
