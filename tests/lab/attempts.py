"""New connections, one after the other, until so many in a row are answered: traffic goes around what is cut."""

from __future__ import annotations

from tests.lab.long_connections import ENDPOINTS
from topo.lab import Lab

PATIENCE = 1.0
"""Seconds that a client waits for an answer."""
ENOUGH = 40
"""Connections in a row, all answered, that show that no lb switch is used in vain: three share them."""
FAILURES = 8
"""Attempts that may fail meanwhile: each takes as long as noticing does on a machine that has nothing else to do."""


def answered(lab: Lab) -> bool:
    """Whether a new connection gets an answer."""
    with lab.socket("c1") as client:
        client.settimeout(PATIENCE)
        try:
            client.connect(ENDPOINTS["dr"])
            client.sendall(b"hello\n")
            return client.recv(100).endswith(b"hello\n")
        except OSError:
            return False


def failures(lab: Lab) -> int:
    """Attempts that fail before so many in a row do not; too many of them fail the test."""
    failed = good = 0
    while good < ENOUGH:
        if answered(lab):
            good += 1
        else:
            failed, good = failed + 1, 0
            assert failed <= FAILURES, "traffic does not go around the cut cable"
    return failed
