"""Numeric precision: float32 throughout, or autocast to a 16-bit format (AMP)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.lazy import lazy
from trainer.registry import declare_family, technique

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

declare_family(
    "precision",
    label="Precision (AMP)",
    help="16-bit arithmetic where it is safe; faster on a GPU. On a CPU it shows the mechanics and is usually slower.",
    group="techniques",
    default="fp32",
)


@dataclass(frozen=True)
class Precision:
    """The dtype of autocast, None for float32, and the loss scaler, which is disabled unless the dtype needs it."""

    dtype: torch.dtype | None
    scaler: torch.amp.GradScaler


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """Returns the context of a forward pass: autocast to the precision's dtype, or nothing for float32."""
    return nullcontext() if precision.dtype is None else torch.autocast(device.type, dtype=precision.dtype)


@technique(
    "precision",
    label="float32",
    bytes_weights=4,
    bytes_gradients=4,
    formula=r"x \in \{\pm m \cdot 2^{e}\}, \quad 24 \text{ bits for } m,\ 8 \text{ for } e",
    when="The baseline, and the right choice on a CPU.",
)
def fp32(device: str) -> Precision:
    """float32 everywhere."""
    return Precision(None, torch.amp.GradScaler(device, enabled=False))


@technique(
    "precision",
    label="bfloat16 autocast",
    bytes_weights=2,
    bytes_gradients=2,
    source="Kalamkar et al. 2019, arXiv:1905.12322",
    formula=r"8 \text{ bits for } m,\ 8 \text{ for } e: \quad \text{float32's range, two to three digits}",
    when="GPUs that support it: no loss scaling, no skipped steps.",
    scales_loss=False,
    short=lambda: torch.bfloat16,
)
def bf16(device: str) -> Precision:
    """Matrix products in bfloat16, which has float32's range, so that no loss scaling is needed."""
    return Precision(torch.bfloat16, torch.amp.GradScaler(device, enabled=False))


@technique(
    "precision",
    label="float16 autocast + loss scaling",
    bytes_weights=2,
    bytes_gradients=4,
    source="Micikevicius et al. 2017, arXiv:1710.03740",
    formula=(
        r"L_s = s \cdot L, \quad g = \tfrac{1}{s} \nabla L_s; \qquad g \notin \mathbb{R}:\ \text{skip the "
        r"step},\ s \leftarrow s / 2"
    ),
    when="GPUs without bfloat16. On a CPU it shows the mechanics and is usually slower.",
    scales_loss=True,
    short=lambda: torch.float16,
    misconception=(
        "“Gradients can be clipped at once.” Before unscaling, that limits the scaled gradient. The order is: scale, backward, "
        "unscale, clip, step, update."
    ),
)
def fp16(device: str) -> Precision:
    """Matrix products in float16; the loss is scaled up to keep small gradients, and steps that overflow are skipped."""
    return Precision(torch.float16, torch.amp.GradScaler(device))
