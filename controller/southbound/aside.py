"""Long computations beside the event loop, one at a time: the loop waits its turn behind every thread that computes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

_Args = TypeVarTuple("_Args")
_Result = TypeVar("_Result")
_THREAD = ThreadPoolExecutor(1, thread_name_prefix="aside")


async def aside(work: Callable[[*_Args], _Result], *args: *_Args) -> _Result:
    """Do pure work in the one thread for it."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work, *args)
