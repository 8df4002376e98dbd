"""``python -m tests.storewalk [SEEDS]``: walks of 60 steps on an etcd of its own; a seed that fails is named."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from controller.sites.etcd import layout
from tests.fakes.etcd import Cluster
from tests.storewalk import walk


def main() -> None:
    """Walk by every seed."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    layout.PART, layout.OCTETS, layout.OPERATIONS = walk.PART, walk.OCTETS, walk.OPERATIONS
    batches = 0
    with tempfile.TemporaryDirectory(prefix="evenkeel-walk-") as folder, Cluster(Path(folder), 1) as cluster:
        for seed in range(seeds):
            batches += asyncio.run(walk.walk(cluster.address(f"/w{seed}"), seed, 60))
    print(f"{seeds} walks, {batches} batches: none lost, halved or seen twice")


main()
