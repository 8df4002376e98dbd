"""Where metrics are shown, and to whom: on loopback, or by TLS, or as an operator explicitly allows."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """As the command line has them."""

    address: str | None = None
    """ADDRESS:PORT; None: nowhere."""
    cert: Path | None = None
    """Our certificate, and what leads to its authority."""
    key: Path | None = None
    ca: Path | None = None
    """Who signs the certificates that clients must have; None: they need none."""
    insecure: bool = False
    """Allow an address that others can reach without TLS."""

    def place(self) -> tuple[str, int] | None:
        """Host and port. Raises ValueError, naming the option, also where others could read without TLS."""
        if self.address is None:
            if self != NOWHERE:
                raise ValueError("the options --metrics-... need --metrics ADDRESS:PORT")
            return None
        host, _, port = self.address.rpartition(":")
        host = host.strip("[]")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"--metrics {self.address}: write ADDRESS:PORT, such as 127.0.0.1:9469")
        if (self.cert is None) is not (self.key is None):
            raise ValueError("--metrics-cert and --metrics-key go together")
        if self.ca is not None and self.cert is None:
            raise ValueError("--metrics-ca asks clients for certificates, which needs --metrics-cert too")
        if self.cert is None and not self.insecure and not _loopback(host):
            raise ValueError(
                f"--metrics {self.address}: whatever reaches this address could read without TLS: give --metrics-cert "
                "and --metrics-key, or allow that with --metrics-insecure"
            )
        return host, int(port)

    def tls(self) -> ssl.SSLContext | None:
        """How to talk; None: without TLS. Raises ValueError naming the file."""
        if self.cert is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.cert, self.key)
        except OSError as error:
            raise ValueError(f"--metrics-cert {self.cert}, --metrics-key {self.key}: {error}") from error
        if self.ca is not None:
            try:
                context.load_verify_locations(self.ca)
            except OSError as error:
                raise ValueError(f"--metrics-ca {self.ca}: {error}") from error
            context.verify_mode = ssl.CERT_REQUIRED
        return context


NOWHERE = Options()
"""No metrics are shown."""


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
