"""Arguments that need not be written, because they are what torch or scikit-learn would take anyway."""

from __future__ import annotations

import ast

from trainer.export.script.folding.whole import Whole
from trainer.export.script.source.edits import Edit, Text

INIT = {"mode": "fan_in", "gain": 1.0, "generator": None}
USUAL: dict[str, dict[str, object]] = {
    "Adam": {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0},
    "AdamW": {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01},
    "RMSprop": {"alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.0},
    "SGD": {"momentum": 0.0, "weight_decay": 0.0},
    "BatchNorm1d": {"eps": 1e-5, "momentum": 0.1},
    "BatchNorm2d": {"eps": 1e-5, "momentum": 0.1},
    "GroupNorm": {"eps": 1e-5},
    "LayerNorm": {"eps": 1e-5},
    "Conv2d": {"stride": 1},
    "TransformerEncoderLayer": {"norm_first": False},
    "StepLR": {"gamma": 0.1},
    "MultiStepLR": {"gamma": 0.1},
    "PolynomialLR": {"power": 1.0},
    "CosineAnnealingLR": {"eta_min": 0.0},
    "CosineAnnealingWarmRestarts": {"T_mult": 1, "eta_min": 0.0},
    "ReduceLROnPlateau": {"factor": 0.1, "patience": 10, "min_lr": 0.0},
    "OneCycleLR": {
        "pct_start": 0.3, "div_factor": 25.0, "final_div_factor": 1e4, "base_momentum": 0.85, "max_momentum": 0.95,
        "cycle_momentum": True,
    },
    "RandomHorizontalFlip": {"p": 0.5},
    "RandomErasing": {"p": 0.5, "scale": (0.02, 0.33)},
    "train_test_split": {"stratify": None},
    "kaiming_normal_": INIT,
    "kaiming_uniform_": INIT,
    "xavier_normal_": INIT,
    "xavier_uniform_": INIT,
    "orthogonal_": INIT,
    "normal_": INIT,
    "uniform_": INIT,
}  # fmt: skip
HINTS = ("fused", "foreach")  # how torch computes something, not what


def without_usual_arguments(whole: Whole) -> None:
    """Notes the edits that leave out arguments with the value that they would have anyway."""
    for item in whole.texts:
        text = whole.text(item)
        for node in text.nodes:
            if isinstance(node, ast.Call) and node.keywords:
                name = called(whole, node)
                idle = [
                    one
                    for one in node.keywords
                    if is_usual(name, one) or (whole.by_hand and one.arg in HINTS)
                ]
                if idle:
                    whole.edit({item: [_without(text, node, idle)]})


def called(whole: Whole, call: ast.Call) -> str:
    """The last part of the name that is called."""
    if isinstance(call.func, ast.Name):
        return getattr(whole.references.meaning(call.func.id), "name", "")
    return getattr(call.func, "attr", "")


def is_usual(name: str, keyword: ast.keyword) -> bool:
    """Whether an argument of a call by this name has the value that it would have without being written."""
    usual = USUAL.get(name, {})
    if keyword.arg not in usual:
        return False
    try:
        return bool(ast.literal_eval(keyword.value) == usual[keyword.arg])
    except ValueError:
        return False


def _without(text: Text, call: ast.Call, idle: list[ast.keyword]) -> Edit:
    parts = [text.of(one) for one in call.args]
    parts += [
        f"{one.arg}={text.of(one.value)}" if one.arg else f"**{text.of(one.value)}"
        for one in call.keywords
        if one not in idle
    ]
    return Edit(*text.span(call), f"{text.of(call.func)}({', '.join(parts)})")
