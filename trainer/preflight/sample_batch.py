"""The first samples of a batch, as stored and as the network gets them, in plain values that a page can draw."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from trainer.engine.build import BuiltRun
from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

MAX_SAMPLES = 8
MAX_COLUMNS = 6  # of a row
MAX_SIDE = 96  # pixels of an image
MAX_LABELS = 3  # classes of a soft label


def sample_batch(
    run: BuiltRun,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    batch: torch.Tensor,
    batch_targets: torch.Tensor,
) -> dict[str, Any]:
    """Returns the first samples: {"kind", "items": [{"before", "after", "label", "asked"}, …]}.

    `inputs` and `targets` are the stored batch, `batch` and `batch_targets` what augmentation makes of it. `label` is the
    sample's own; `asked` is the label that the loss compares with, after mixing and label smoothing. Kinds are "images" (8-bit
    pixels as base64, [height, width, channels] in `shape`), "texts", "rows" (the first columns), and "none".
    """
    kind, show = _kind_of(run, inputs)
    items = [
        {
            "before": show(inputs[index], _is_scaled(run)),
            "after": show(batch[index], True),
            "label": _label(run, targets[index]),
            "asked": _loss_label(run, batch_targets[index]),
        }
        for index in range(min(MAX_SAMPLES, len(batch)) if show else 0)
    ]
    facts = {"kind": kind, "items": items, "changed": run.augment is not None, "unit": run.data.samples.unit}
    return facts | _extent(kind, inputs)


def _kind_of(run: BuiltRun, inputs: torch.Tensor) -> tuple[str, Any]:
    samples = run.data.samples
    if samples.vocabulary:
        return "texts", lambda text, _: _words(samples.vocabulary, text)
    if inputs.ndim == 4:
        return "images", lambda image, scaled: _pixels(_plain(run, image, scaled))
    if inputs.ndim == 2:
        return "rows", lambda row, scaled: _plain(run, row, scaled)[:MAX_COLUMNS].tolist()
    return "none", None


def _extent(kind: str, inputs: torch.Tensor) -> dict[str, Any]:
    if kind == "images":
        channels, height, width = inputs.shape[1:]
        step = _stride(height, width)
        return {"shape": [-(-height // step), -(-width // step), channels]}
    return {"columns": int(inputs.shape[1])} if kind == "rows" else {}


def _is_scaled(run: BuiltRun) -> bool:
    """Returns whether stored training samples are scaled: not when augmentation works on plain inputs and scales them later."""
    return run.augment is None or not run.augment.changes


def _plain(run: BuiltRun, sample: torch.Tensor, scaled: bool) -> torch.Tensor:
    """Returns a sample [*shape] in its original units."""
    if not scaled:
        return sample
    plain: torch.Tensor = sample[None] * run.data.deviation + run.data.mean
    return plain[0]


def _pixels(image: torch.Tensor) -> str:
    """Returns an image [channels, height, width] in [0, 1] as base64 of bytes [height, width, channels], thinned if large."""
    step = _stride(*image.shape[1:])
    small = image[:, ::step, ::step].nan_to_num().clamp(0, 1)
    return b64encode((small.permute(1, 2, 0) * 255).round().byte().contiguous().numpy().tobytes()).decode()


def _stride(height: int, width: int) -> int:
    return -(-max(height, width) // MAX_SIDE)


def _words(vocabulary: tuple[str, ...], text: torch.Tensor) -> str:
    return " ".join(vocabulary[word] for word in text.tolist() if word)


def _label(run: BuiltRun, target: torch.Tensor) -> Any:
    """Returns the class by name, or the numbers to predict in their unit."""
    if run.data.task == "classification":
        return run.data.samples.classes[int(target)]
    return [value * run.data.target_scale + run.data.target_mean for value in target.tolist()]


def _loss_label(run: BuiltRun, target: torch.Tensor) -> list[list[Any]]:
    """Returns [[class, share], …] of the label that the loss compares with, largest first; empty for regression."""
    if run.data.task != "classification":
        return []
    classes = run.data.samples.classes
    amount = float(run.config.label_smoothing.knobs["amount"])
    hard = torch.nn.functional.one_hot(target, len(classes)) if not target.is_floating_point() else target
    shares = hard.double() * (1 - amount) + amount / len(classes)
    largest = shares.sort(descending=True, stable=True)
    return [
        [classes[index], share]
        for share, index in zip(largest.values.tolist()[:MAX_LABELS], largest.indices.tolist(), strict=False)
        if share >= 0.005
    ]
