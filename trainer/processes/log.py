"""What the processes of a run leave for people: lines in its log, and a sentence for an error."""

from __future__ import annotations

import contextlib
import sys
import time

_OUT_OF_MEMORY = ("out of memory", "not enough memory", "allocate memory", "bad_alloc")


def log_line(text: str) -> None:
    """Writes a line to this process's log. The log may lie on the very disk that is full: then the line is lost."""
    with contextlib.suppress(OSError):
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", file=sys.stderr, flush=True)


def is_sentence(error: Exception) -> bool:
    """Whether the error is one of the engine's own, whose text is a sentence for a person."""
    return type(error).__module__.startswith("trainer.")


def ran_out_of_memory(error: Exception) -> bool:
    """Whether the error means that there is no more memory: Python's, or an allocator's of torch."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _OUT_OF_MEMORY)


def error_sentence(error: Exception, task: str) -> str:
    """Returns what went wrong with a task ("Training"), for a person."""
    if is_sentence(error):
        return str(error)
    if ran_out_of_memory(error):
        return f"{task} ran out of memory. Try a smaller model or a smaller batch size."
    first = next(iter(str(error).strip().splitlines()), "no details")
    return f"{task} failed with {type(error).__name__}: {first}"
