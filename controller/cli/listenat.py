"""Where a program waits for switches: the option ``--listen``."""

from __future__ import annotations

from ipaddress import ip_address

from controller.cli.switchtls import SwitchTls


def listen_at(text: str, usual: int, tls: SwitchTls) -> tuple[str, int]:
    """Address and port. Raises ValueError saying what would be right; ``usual``: the port of its example.

    Where others than this machine reach it, switches need certificates, or an operator has allowed to go without.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"--listen {text}: write ADDRESS:PORT, such as 127.0.0.1:{usual}")
    host = host.strip("[]")
    if unprotected(host, tls) and not tls.insecure:
        raise ValueError(
            f"--listen {text}: whatever reaches this address could pose as a switch without TLS: give --switch-cert, "
            "--switch-key and --switch-ca, or allow that with --listen-insecure"
        )
    return host, int(port)


def unprotected(host: str, tls: SwitchTls) -> bool:
    """Whether others than this machine reach an address, and need no certificate there."""
    return tls.cert is None and not _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
