"""Separate random streams, one a purpose, so that twins differ by their knob alone.

Split, first weights, batch order and generated noise each draw from a generator of their own, derived from the run's seed
and the purpose. Initial weights are keyed by parameter name: an added batch norm shifts nobody else's draw. Only dropout
uses torch's global generator, because torch.nn.Dropout takes no other; nothing else may draw from it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")


def stream_seed(seed: int, *purpose: object, bits: int = 63) -> int:
    """A seed for one purpose, such as ("order", epoch); streams of different purposes are unrelated."""
    digest = hashlib.blake2b(repr((seed, *purpose)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - bits)


def generator(seed: int, *purpose: object) -> torch.Generator:
    """A CPU generator for one purpose; drawing on the CPU gives a GPU run the same numbers."""
    return torch.Generator().manual_seed(stream_seed(seed, *purpose))
