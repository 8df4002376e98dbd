"""``evenkeel failback``: hand a pool over to another writer."""

from __future__ import annotations

from controller.cli.asking import carry_out
from controller.cli.place import Place


def failback(place: Place, pool: str, backend: str | None) -> int:
    """Make ``backend`` the one writer of a pool, or the most preferred one that is up. Returns an exit code."""
    request = {"command": "failback", "pool": pool} | ({} if backend is None else {"backend": backend})
    return carry_out(
        place,
        request,
        lambda answer: f"pool {pool}: {answer['writer']} is the writer, change {answer['revision']}",
    )
