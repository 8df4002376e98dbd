"""A client's request: ``python -m topo.containers.get ADDRESS [PORT]`` prints the name of the server that answers."""

from __future__ import annotations

import sys

from topo.demo.load import Target
from topo.demo.ready import ask


def main(arguments: list[str]) -> int:
    """Entry point; 1 if there is no answer within a second."""
    if len(arguments) not in (1, 2) or not all(port.isdigit() for port in arguments[1:]):
        print("usage: python -m topo.containers.get ADDRESS [PORT]", file=sys.stderr)
        return 2
    port = int(arguments[1]) if arguments[1:] else 80
    try:
        print(ask(Target("", arguments[0], port)))
    except OSError as error:
        print(f"{arguments[0]}, port {port}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
