"""``evenkeel failback``: hand a pool over to another writer."""

from __future__ import annotations

from pathlib import Path

from controller.cli.asking import carry_out


def failback(state: Path, pool: str, backend: str | None) -> int:
    """Make ``backend`` the one writer of a pool, or the most preferred one that is up. Returns an exit code."""
    request = {"command": "failback", "pool": pool} | ({} if backend is None else {"backend": backend})
    return carry_out(
        state,
        request,
        lambda answer: f"pool {pool}: {answer['writer']} is the writer, change {answer['revision']}",
    )
