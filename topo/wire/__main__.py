"""Record a lab's wires for a while and judge them.

    python -m topo.wire LAB [--seconds 60] [--period 0.1] [--record FILE]

Prints the findings as JSON; exit code 1 if two sites claimed a VIP at one moment, 2 if there is no such lab.
``--record``: every claim, one JSON object a line. SIGINT and SIGTERM end the time early.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from topo.errors import LabError
from topo.lab import Lab
from topo.wire.record import PERIOD, Recorder


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m topo.wire", description="Who claims VIPs in a lab.")
    parser.add_argument("lab", help="name of a lab that is up")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long; default: 60")
    parser.add_argument(
        "--period", type=float, default=PERIOD, help="seconds between questions; default: 0.1"
    )
    parser.add_argument("--record", type=Path, help="file for every claim")
    chosen = parser.parse_args()
    enough = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: enough.set())
    try:
        lab = Lab.load(chosen.lab)
    except LabError as error:
        print(error, file=sys.stderr)
        return 2
    with Recorder(lab, chosen.period) as recorder:
        enough.wait(chosen.seconds)
    if chosen.record is not None:
        lines = (json.dumps(asdict(each)) + "\n" for each in recorder.heard)
        chosen.record.write_text("".join(lines))
    findings = recorder.findings()
    print(json.dumps(findings.as_json(), indent=1))
    return 1 if findings.duplicates else 0


if __name__ == "__main__":
    sys.exit(main())
