"""What the version stored whose switches remembered every connection."""

from __future__ import annotations

import io
import json

import numpy as np

from controller.plan.history import dump
from controller.plan.pool import PoolState


def former(state: PoolState) -> bytes:
    """A pool's state as that version stored it."""
    with np.load(io.BytesIO(dump(state)), allow_pickle=False) as kept:
        arrays = dict(kept)
    head = json.loads(arrays["head"].tobytes())
    del head["tracks"], head["spread"]
    arrays["head"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()
