"""Coroutines in tests: where a browser was driven before, this thread has a loop that never ends."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def in_own_loop(coroutine: Coroutine[Any, Any, Any], seconds: float = 120) -> Any:
    """Run it in a thread of its own; what it returns."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, asyncio.wait_for(coroutine, seconds)).result()
