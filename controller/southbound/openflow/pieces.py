"""What is written to a switch, in pieces that hold one message or rows of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from controller.spec.slots import Bytes


def shares(pieces: Iterable[bytes | Bytes], most: int) -> Iterator[list[bytes | Bytes]]:
    """The pieces in shares of some ``most`` bytes; no message is divided, since others may go out in between."""
    share: list[bytes | Bytes] = []
    size = 0
    for piece in pieces:
        step = max(len(piece) if isinstance(piece, bytes) else -(-most // piece.shape[1]), 1)
        for at in range(0, len(piece), step):
            part = piece[at : at + step]
            share.append(part)
            size += len(part) if isinstance(part, bytes) else part.size
            if size >= most:
                yield share
                share, size = [], 0
    if share:
        yield share


def message_at(sent: list[bytes | Bytes], index: int) -> bytes | None:
    """The message of this number among what was sent, if there is one."""
    for item in sent:
        if isinstance(item, bytes):
            if index == 0:
                return item
            index -= 1
        elif index < len(item):
            return bytes(item[index])
        else:
            index -= len(item)
    return None
