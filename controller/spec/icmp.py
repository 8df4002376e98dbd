"""Numbers of ICMP that every data plane and the controller go by."""

from __future__ import annotations

ERRORS = {4: (3, 11, 12), 6: (1, 2, 3, 4)}
"""By IP version: types that are errors about a packet, which they quote."""
