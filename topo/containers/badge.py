"""How a container tells the wiring service who it is: its node's name and its network namespace, by a Unix socket.

The namespace goes along as an open file, so that the service needs to know neither the engine nor process numbers.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

SOCKET = Path("/run/evenkeel-wiring/socket")
"""In a folder that all containers of the fabric share."""
WIRED = b"wired\n"
"""The answer when every cable of the node is in its namespace; anything else is an error, as one line of text."""
_LONGEST = 64


def show(connection: socket.socket, node: str) -> None:
    """Send who we are. Raises OSError."""
    space = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        socket.send_fds(connection, [node.encode()], [space])
    finally:
        os.close(space)


def see(connection: socket.socket) -> tuple[str, int]:
    """The node and a file descriptor of its namespace, which becomes the caller's. Raises OSError, ValueError."""
    text, files, _, _ = socket.recv_fds(connection, _LONGEST, 1)
    if len(files) != 1:
        raise ValueError(f"a node should send its name with its network namespace, not {text!r} alone")
    return text.decode(errors="replace"), files[0]
