"""Compile the P4 programs into ``build``, and tell whether what lies there is fresh.

``python -m p4src.compile`` needs p4c-bm2-ss on PATH. Positions in the source are taken out of the JSON: they would make
every added comment a change of the output. ``build/digests.json`` records what was made from what, so that a stale or
edited output is noticed where there is no p4c.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BUILD = HERE / "build"
COMPILER = "p4c-bm2-ss"
PROGRAMS = {name: HERE / "v1model" / f"{name}.p4" for name in ("balancer", "l2")}
DEADLINE = 120.0
"""Seconds that the compiler may take for one program."""


class CompileError(RuntimeError):
    """The compiler is not there, or refuses a program."""


def outputs(name: str, folder: Path = BUILD) -> tuple[Path, Path]:
    """JSON and P4Info of a program."""
    return folder / f"{name}.json", folder / f"{name}.p4info.txtpb"


def sources() -> list[Path]:
    """All P4 sources, in a fixed order."""
    return sorted(p for folder in ("shared", "v1model") for p in (HERE / folder).glob("*.p4"))


def compile_into(folder: Path) -> None:
    """Compile every program into ``folder``. Raises CompileError."""
    if shutil.which(COMPILER) is None:
        raise CompileError(f"{COMPILER} is not on PATH: install p4c (package or built from source)")
    for name, source in PROGRAMS.items():
        made, info = outputs(name, folder)
        command = [COMPILER, "--std", "p4-16", "--arch", "v1model", "--Werror"]
        command += ["--p4runtime-files", str(info), "-o", str(made), str(source.relative_to(HERE))]
        result = subprocess.run(
            command, cwd=HERE, capture_output=True, text=True, timeout=DEADLINE, check=False
        )
        if result.returncode != 0:
            raise CompileError(f"{COMPILER} refuses {source.name}:\n{result.stderr}")
        program = _without_positions(json.loads(made.read_text()))
        made.write_text(json.dumps(program, separators=(",", ":"), sort_keys=True) + "\n")
        # p4c lists options on the first lines, paths among them.
        lines = info.read_text().splitlines()
        info.write_text("\n".join(line for line in lines if not line.startswith("#")) + "\n")


def digests(folder: Path = BUILD) -> dict[str, str]:
    """SHA-256 of all sources together, and of every output."""
    together = hashlib.sha256()
    for path in sources():
        together.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    found = {"sources": together.hexdigest()}
    for name in PROGRAMS:
        for path in outputs(name, folder):
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def recorded() -> dict[str, str]:
    """What ``digests`` said when ``build`` was made."""
    text = (BUILD / "digests.json").read_text()
    return {str(key): str(value) for key, value in json.loads(text).items()}


def main() -> int:
    """Compile all programs into ``build``; the exit code."""
    try:
        with tempfile.TemporaryDirectory() as scratch:
            compile_into(Path(scratch))
            BUILD.mkdir(exist_ok=True)
            for name in PROGRAMS:
                for path in outputs(name, Path(scratch)):
                    (BUILD / path.name).write_bytes(path.read_bytes())
    except CompileError as error:
        print(error, file=sys.stderr)
        return 1
    (BUILD / "digests.json").write_text(json.dumps(digests(), indent=2, sort_keys=True) + "\n")
    return 0


def _without_positions(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_positions(item) for key, item in value.items() if key != "source_info"}
    if isinstance(value, list):
        return [_without_positions(item) for item in value]
    return value


if __name__ == "__main__":
    sys.exit(main())
