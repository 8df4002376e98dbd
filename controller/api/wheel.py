"""Build the client as a wheel of its own, ``evenkeel-client``: ``python -m controller.api.wheel [FOLDER]``.

Its package ``evenkeel_client`` is ``controller.client`` with the messages in it; nothing else of the controller is
needed. The build backend is that of the project; nothing is fetched.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "evenkeel_client"
NEEDS = ("grpcio", "protobuf")
"""Of the project's dependencies."""
_NAMES = (
    (re.compile(r"\bcontroller\.api\.v1\b"), f"{PACKAGE}.v1"),
    (re.compile(r"\bcontroller\.client\b"), PACKAGE),
)
_PROJECT = """\
[build-system]
requires = {requires}
build-backend = "{backend}"

[project]
name = "evenkeel-client"
version = "{version}"
description = "Client of the API of Evenkeel: layer-4 load balancing in switches"
requires-python = "{python}"
license = "{license}"
license-files = ["LICENSE"]
dependencies = {dependencies}

[tool.setuptools]
packages = ["{package}", "{package}.v1"]

[tool.setuptools.package-data]
{package} = ["py.typed", "v1/*.pyi"]
"""


class WheelError(RuntimeError):
    """The wheel cannot be built."""


def sources() -> dict[str, str]:
    """The files of the package: path below it -> text."""
    found = {"py.typed": ""}
    for folder, below in ((ROOT / "controller" / "client", ""), (ROOT / "controller" / "api" / "v1", "v1/")):
        for path in sorted((*folder.glob("*.py"), *folder.glob("*.pyi"))):
            text = path.read_text(encoding="utf-8")
            for name, other in _NAMES:
                text = name.sub(other, text)
            if "controller" in re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE):
                raise WheelError(f"{path} imports another part of the controller")
            found[below + path.name] = text
    return found


def build(folder: Path) -> Path:
    """The wheel, in a folder that is made if it is not there. Raises WheelError."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="evenkeel-client-") as name:
        tree = Path(name)
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        (tree / "pyproject.toml").write_text(_project(project), encoding="utf-8")
        (tree / "LICENSE").write_bytes((ROOT / "LICENSE").read_bytes())
        for path, text in sources().items():
            file = tree / PACKAGE / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        backend = project["build-system"]["build-backend"]
        code = f"import sys, {backend} as backend; print(backend.build_wheel(sys.argv[1]))"
        command = [sys.executable, "-c", code, str(folder.resolve())]
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise WheelError(f"{backend} fails: {done.stderr.strip()[-2000:]}")
    return folder / done.stdout.splitlines()[-1]


def _project(whole: dict[str, Any]) -> str:
    project = whole["project"]
    needs = [each for each in project["dependencies"] if re.split(r"[^\w-]", each)[0] in NEEDS]
    return _PROJECT.format(
        requires=whole["build-system"]["requires"],
        backend=whole["build-system"]["build-backend"],
        version=project["version"],
        python=project["requires-python"],
        license=project["license"],
        dependencies=needs,
        package=PACKAGE,
    )


def main() -> int:
    """Build it into a folder (``out`` unless one is named), and say where it is."""
    try:
        print(build(Path(sys.argv[1] if len(sys.argv) > 1 else "out")))
    except WheelError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
