"""Ready-made comparisons: each is a handful of runs that differ only in what the comparison is about.

One click starts them on the page, `python -m trainer run --preset NAME` on the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainer.choice import unknown
from trainer.config import ConfigError, RunConfig


@dataclass(frozen=True)
class Preset:
    """A comparison: its question, the knobs that all runs share, and the knobs that each run changes, by run name."""

    label: str
    question: str
    shared: Mapping[str, Any]
    runs: Mapping[str, Mapping[str, Any]]

    def configs(self, seed: int = 0) -> dict[str, RunConfig]:
        """Returns the configuration of each run by its name."""
        return {
            name: RunConfig.from_flat({**self.shared, **changes, "seed": seed})
            for name, changes in self.runs.items()
        }


DELIVERY: dict[str, Any] = {"data": "delivery_time", "epochs": 100, "batch_size": 64, "learning_rate": 0.001}
RECIPE: dict[str, dict[str, Any]] = {
    "normalization": {"normalization": "batch"},
    "dropout": {"dropout.rate": 0.2},
    "weight decay": {"optimizer": "adamw"},
    "plateau": {"schedule": "plateau"},
    "early stopping": {"early_stopping": "patience", "early_stopping.patience": 20},
    "clipping": {"clipping": "by_norm"},
}

PRESETS = {
    "optimizers": Preset(
        "Optimizer comparison",
        "How much difference does the optimizer alone make?",
        {**DELIVERY, "model.layers": "64-32"},
        {
            "SGD": {"optimizer": "sgd", "learning_rate": 0.01},
            "SGD + momentum": {"optimizer": "momentum", "learning_rate": 0.01},
            "Adam": {"optimizer": "adam"},
            "AdamW": {"optimizer": "adamw"},
        },
    ),
    "batch_norm": Preset(
        "Batch norm on and off",
        "Does batch norm make a deeper network easier to train?",
        {**DELIVERY, "model.layers": "128-64-32"},
        {"without": {}, "with batch norm": {"normalization": "batch"}},
    ),
    "dropout": Preset(
        "Dropout sweep",
        "How much dropout does a network need when it is too large for its data?",
        {**DELIVERY, "data.samples": 1000, "model.layers": "256-256-128-64", "batch_size": 32, "epochs": 150},
        {f"dropout {rate:g}": {"dropout.rate": rate} for rate in (0, 0.1, 0.3, 0.5, 0.7)},
    ),
    "schedules": Preset(
        "Schedule comparison",
        "Same network, same initial rate: which schedule is best?",
        {
            **DELIVERY,
            "model.layers": "64-32",
            "normalization": "batch",
            "dropout.rate": 0.2,
            "learning_rate": 0.01,
        },
        {
            "constant": {},
            "step": {"schedule": "step", "schedule.size": 30, "schedule.gamma": 0.1},
            "cosine": {"schedule": "cosine", "schedule.final_lr": 1e-6},
            "plateau": {"schedule": "plateau", "schedule.patience": 8, "schedule.factor": 0.5},
            "one cycle": {"schedule": "one_cycle"},
        },
    ),
    "full_recipe": Preset(
        "Full recipe",
        "How much better is a run that uses all techniques together than a plain one?",
        {**DELIVERY, "model.layers": "128-64-32", "epochs": 200},
        {
            "plain": {},
            "full recipe": {
                "normalization": "batch",
                "dropout.rate": 0.2,
                "optimizer": "adamw",
                "optimizer.weight_decay": 0.01,
                "schedule": "plateau",
                "schedule.patience": 10,
                "schedule.factor": 0.5,
                "early_stopping": "patience",
                "early_stopping.patience": 20,
            },
        },
    ),
    "ladder": Preset(
        "One at a time",
        "What does each technique contribute alone, and what do all contribute together?",
        {**DELIVERY, "model.layers": "128-64-32"},
        {
            "baseline": {},
            **RECIPE,
            "all together": {key: value for changes in RECIPE.values() for key, value in changes.items()},
        },
    ),
}


def find_preset(name: str) -> Preset:
    """Returns the preset called `name`. Raises ConfigError when there is none."""
    if name not in PRESETS:
        raise ConfigError(unknown("preset", name, PRESETS))
    return PRESETS[name]
