"""Where a program waits for switches: the option ``--listen``."""

from __future__ import annotations


def listen_at(text: str, usual: int) -> tuple[str, int]:
    """Address and port. Raises ValueError saying what would be right; ``usual``: the port of its example."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"--listen {text}: write ADDRESS:PORT, such as 127.0.0.1:{usual}")
    return host.strip("[]"), int(port)
