"""Give a backend a growing share of a pool's new connections as long as a check holds; take it all back if not.

    python canary.py --at unix:/var/lib/evenkeel/state.db.api.sock --pool web --canary s4 \\
      --check 'test "$(curl -s http://prometheus/errors)" -lt 10'
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from controller.client import Client

STEPS = (0.01, 0.05, 0.25, 0.5, 1.0)
"""Shares of new connections."""
FINE = 10_000
"""Sum of the other backends' weights, about, so that small shares are whole numbers."""


def canary(
    client: Client,
    pool: str,
    name: str,
    holds: Callable[[], bool],
    steps: Sequence[float] = STEPS,
    hold: float = 60.0,
) -> Iterator[str]:
    """Promote a backend step by step, each for ``hold`` seconds; what was done. Raises ApiError.

    When ``holds`` is false all weights are put back in one call, and it ends. It also ends so when it is broken off.
    """
    before = {real.name: real.weight for real in client.get(f"pools/{pool}").pool.backends}
    promoted = False
    try:
        for share in steps:
            _set(client, pool, weights(before, name, share), f"canary {name}: {share:.0%}")
            yield f"{name}: {share:.0%}"
            time.sleep(hold)
            if not holds():
                return
        promoted = True
        yield f"{name}: promoted"
    finally:
        if not promoted:
            _set(client, pool, before, f"canary {name}: taken back")


def weights(before: Mapping[str, int], name: str, share: float) -> dict[str, int]:
    """Weights that give ``name`` a share of 0 to 1, the others the rest in their former proportions."""
    others = {each: weight for each, weight in before.items() if each != name}
    if share >= 1:
        return dict.fromkeys(others, 0) | {name: max(before[name], 1)}
    scale = max(1, FINE // max(1, sum(others.values())))
    scaled = {each: weight * scale for each, weight in others.items()}
    return scaled | {name: max(1, round(sum(scaled.values()) * share / (1 - share)))}


def _set(client: Client, pool: str, wanted: Mapping[str, int], why: str) -> None:
    names = {f"pools/{pool}/backends/{name}": weight for name, weight in wanted.items()}
    client.because(why).set_weights(names)


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--at", required=True, help="address of the controller")
    parser.add_argument("--pool", required=True)
    parser.add_argument("--canary", required=True, metavar="NAME")
    parser.add_argument(
        "--check", required=True, help="fails (exit code) when the canary is to be taken back"
    )
    parser.add_argument("--hold", type=float, default=60.0, help="seconds for each step")
    given = parser.parse_args()
    with Client(given.at) as client:
        for line in canary(
            client,
            given.pool,
            given.canary,
            lambda: subprocess.run(given.check, shell=True, check=False).returncode == 0,
            hold=given.hold,
        ):
            print(line, flush=True)


if __name__ == "__main__":
    main()
