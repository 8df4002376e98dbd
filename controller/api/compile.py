"""Make the messages in ``v1`` from the descriptions in ``proto``: ``python -m controller.api.compile``.

Needs grpcio-tools, which the development environment has. Modules import each other by the place where they lie, not by
the path of their descriptions.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PROTO = HERE / "proto"
PACKAGE = "evenkeel/v1"
OUT = HERE / "v1"
_IMPORT = re.compile(r"from evenkeel\.v1 import")


class CompileError(RuntimeError):
    """The compiler is not there, or refuses a description."""


def descriptions() -> list[Path]:
    """All descriptions, in a fixed order."""
    return sorted((PROTO / PACKAGE).glob("*.proto"))


def generated() -> dict[str, str]:
    """What ``v1`` should hold: name of a file -> its text. Raises CompileError."""
    try:
        import grpc_tools
        from grpc_tools import protoc
    except ImportError as error:
        raise CompileError(f"{error}; grpcio-tools makes the messages: make venv installs it") from error
    known = Path(grpc_tools.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(each.relative_to(PROTO)) for each in descriptions()]
        options = [f"-I{PROTO}", f"-I{known}", f"--python_out={folder}", f"--pyi_out={folder}"]
        if protoc.main(["protoc", *options, *paths]) != 0:
            raise CompileError("protoc refuses the descriptions")
        files = sorted((Path(folder) / PACKAGE).iterdir())
        return {each.name: _IMPORT.sub("from controller.api.v1 import", each.read_text()) for each in files}


def main() -> int:
    """Write them."""
    for name, text in generated().items():
        (OUT / name).write_text(text)
        print(OUT / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
