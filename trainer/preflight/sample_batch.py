"""The first samples of a batch, as they lie in memory and as the network gets them, in plain values that a page can draw."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from trainer.engine.build import Experiment
from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

MOST = 8  # samples
COLUMNS = 6  # of a row that is shown
LARGEST_SIDE = 96  # pixels of an image that is shown
LABELS = 3  # classes that are named of a soft label


def gallery(
    run: Experiment,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    batch: torch.Tensor,
    wanted: torch.Tensor,
) -> dict[str, Any]:
    """Up to eight samples: {"kind", "items": [{"before", "after", "label", "asked"}, …]}.

    `label` is the sample's own; `asked` what the loss compares with, after mixing and label smoothing. Kinds: "images"
    (8-bit pixels as base64, [height, width, channels] in `shape`), "texts", "rows" (the first columns), or "none".
    """
    kind, show = _kind_of(run, inputs)
    items = [
        {
            "before": show(inputs[place], _is_scaled(run)),
            "after": show(batch[place], True),
            "label": _label(run, targets[place]),
            "asked": _asked(run, wanted[place]),
        }
        for place in range(min(MOST, len(batch)) if show else 0)
    ]
    facts = {"kind": kind, "items": items, "changed": run.augment is not None, "unit": run.data.samples.unit}
    return facts | _extent(kind, inputs)


def _kind_of(run: Experiment, inputs: torch.Tensor) -> tuple[str, Any]:
    samples = run.data.samples
    if samples.vocabulary:
        return "texts", lambda text, _: _words(samples.vocabulary, text)
    if inputs.ndim == 4:
        return "images", lambda image, scaled: _pixels(_plain(run, image, scaled))
    if inputs.ndim == 2:
        return "rows", lambda row, scaled: _plain(run, row, scaled)[:COLUMNS].tolist()
    return "none", None


def _extent(kind: str, inputs: torch.Tensor) -> dict[str, Any]:
    if kind == "images":
        channels, height, width = inputs.shape[1:]
        step = _stride(height, width)
        return {"shape": [-(-height // step), -(-width // step), channels]}
    return {"columns": int(inputs.shape[1])} if kind == "rows" else {}


def _is_scaled(run: Experiment) -> bool:
    """Whether training samples lie scaled in memory: not where augmentation works on plain pixels and scales after."""
    return run.augment is None or not run.augment.changes


def _plain(run: Experiment, sample: torch.Tensor, scaled: bool) -> torch.Tensor:
    """A sample [*shape] in the units that it came in."""
    if not scaled:
        return sample
    plain: torch.Tensor = sample[None] * run.data.deviation + run.data.mean
    return plain[0]


def _pixels(image: torch.Tensor) -> str:
    """An image [channels, height, width] in [0, 1] as base64 of bytes [height, width, channels]; large ones are thinned."""
    step = _stride(*image.shape[1:])
    small = image[:, ::step, ::step].nan_to_num().clamp(0, 1)
    return b64encode((small.permute(1, 2, 0) * 255).round().byte().contiguous().numpy().tobytes()).decode()


def _stride(height: int, width: int) -> int:
    return -(-max(height, width) // LARGEST_SIDE)


def _words(vocabulary: tuple[str, ...], text: torch.Tensor) -> str:
    return " ".join(vocabulary[word] for word in text.tolist() if word)


def _label(run: Experiment, target: torch.Tensor) -> Any:
    """The class by name, or the numbers to predict in their unit."""
    if run.data.task == "classification":
        return run.data.samples.classes[int(target)]
    return [value * run.data.target_scale + run.data.target_mean for value in target.tolist()]


def _asked(run: Experiment, target: torch.Tensor) -> list[list[Any]]:
    """[[class, share], …] of what the loss compares with, largest first; empty for regression."""
    if run.data.task != "classification":
        return []
    classes = run.data.samples.classes
    amount = float(run.config.label_smoothing.knobs["amount"])
    hard = torch.nn.functional.one_hot(target, len(classes)) if not target.is_floating_point() else target
    shares = hard.double() * (1 - amount) + amount / len(classes)
    largest = shares.sort(descending=True, stable=True)
    return [
        [classes[place], share]
        for share, place in zip(largest.values.tolist()[:LABELS], largest.indices.tolist(), strict=False)
        if share >= 0.005
    ]
