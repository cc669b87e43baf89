"""Waiting for a condition instead of for a time. No test sleeps by itself."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 150  # seconds; far more than anything takes on a busy machine, so that only a hang fails

Value = TypeVar("Value")


def until(
    condition: Callable[[], Value],
    sentence: str | Callable[[], str] = "Waited in vain for what had to come true.",
    seconds: float = PATIENCE,
) -> Value:
    """Waits until the condition holds and returns its value; fails with the sentence when it does not."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(sentence if isinstance(sentence, str) else sentence())
        time.sleep(0.025)
    return value


def answers(url: str) -> bool:
    """Whether a server answers at this address."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


async def until_true(condition: Callable[[], Value], *arguments: str | float) -> Value:
    """The same without holding up the event loop."""
    return await asyncio.to_thread(until, condition, *arguments)
