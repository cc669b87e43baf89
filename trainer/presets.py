"""Ready-made comparisons: each is a handful of arms that differ only in what the comparison is about.

One click starts them on the page, `python -m trainer compare --preset NAME` on the command line. What each promises was
measured, and a test over six seeds holds it (tests/unit/test_presets.py, and for those that are lessons test_lessons.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainer.choice import unknown
from trainer.comparison.design import Design, make_design
from trainer.config import ConfigError, RunConfig


@dataclass(frozen=True)
class Preset:
    """A comparison: its question, the knobs that all arms share, and the knobs that each arm changes, by its name.

    `expects` says in a sentence what it shows; `claims` are the arms that it promises to be better than the first one, over
    six seeds. `seconds` is how long it takes with its usual number of seeds, as measured on two cores.
    """

    label: str
    question: str
    expects: str
    claims: tuple[str, ...]
    seconds: int
    shared: Mapping[str, Any]
    runs: Mapping[str, Mapping[str, Any]]
    measure: str = "best_val_loss"

    def configs(self, seed: int = 0) -> dict[str, RunConfig]:
        """Returns the configuration of each arm by its name."""
        return {
            name: RunConfig.from_flat({**self.shared, **changes, "seed": seed})
            for name, changes in self.runs.items()
        }

    def design(self, seed: int = 0, seeds: int | None = None) -> Design:
        """Returns the comparison with so many seeds counted on from `seed`; by default as many as can show a large effect."""
        return make_design(self.configs(seed), seeds, measure=self.measure)


DELIVERY: dict[str, Any] = {"data": "delivery_time", "batch_size": 64, "learning_rate": 0.001}
RECIPE: dict[str, dict[str, Any]] = {
    "normalization": {"normalization": "batch"},
    "dropout": {"dropout.rate": 0.1},
    "weight decay": {"optimizer": "adamw"},
    "plateau": {"schedule": "plateau", "schedule.patience": 5},
    "early stopping": {"early_stopping": "patience", "early_stopping.patience": 10},
    "clipping": {"clipping": "by_norm"},
}

PRESETS = {
    "optimizers": Preset(
        "Optimizer comparison",
        "How much difference does the optimizer alone make?",
        "Within 15 epochs, momentum, Adam and AdamW reach a lower loss than plain SGD.",
        ("SGD + momentum", "Adam", "AdamW"),
        20,
        {**DELIVERY, "model.layers": "64-32", "epochs": 15},
        {
            "SGD": {"optimizer": "sgd", "learning_rate": 0.01},
            "SGD + momentum": {"optimizer": "momentum", "learning_rate": 0.01},
            "Adam": {"optimizer": "adam", "learning_rate": 0.003},
            "AdamW": {"optimizer": "adamw", "learning_rate": 0.003},
        },
    ),
    "batch_norm": Preset(
        "Batch norm on and off",
        "Does batch norm make a network easier to train whose activations saturate?",
        "Three layers of sigmoids hardly learn in 15 epochs; with batch norm they reach less than a third of the loss. "
        "(Ioffe and Szegedy first showed it on such a network.) On delivery times it is another matter: see “One at a time”.",
        ("with batch norm",),
        15,
        {
            "data": "digits",
            "model.layers": "100-100-100",
            "activation": "sigmoid",
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "epochs": 15,
        },
        {"without": {}, "with batch norm": {"normalization": "batch"}},
    ),
    "dropout": Preset(
        "Dropout sweep",
        "How much dropout does a network need when it is too large for its data?",
        "Without dropout, the network memorizes 160 noisy points. With a rate of 0.2 or 0.5 its validation loss ends lower. With "
        "0.8 too little of the network is left: its accuracy falls.",
        ("dropout 0.2", "dropout 0.5"),
        35,
        {
            "data": "two_moons",
            "data.samples": 400,
            "data.noise": 0.3,
            "validation_share": 0.3,
            "test_share": 0.3,
            "model.layers": "128-128-128",
            "learning_rate": 0.003,
            "epochs": 120,
        },
        {f"dropout {rate:g}": {"dropout.rate": rate} for rate in (0, 0.2, 0.5, 0.8)},
        "val_loss",
    ),
    "schedules": Preset(
        "Schedule comparison",
        "Same network, same initial rate: which schedule is best?",
        "A constant rate of 0.05 keeps jumping around the minimum. Every schedule that lowers it reaches a lower loss.",
        ("step", "cosine", "plateau", "one cycle"),
        25,
        {
            **DELIVERY,
            "model.layers": "64-32",
            "optimizer": "momentum",
            "learning_rate": 0.05,
            "batch_size": 32,
            "epochs": 15,
        },
        {
            "constant": {},
            "step": {"schedule": "step", "schedule.size": 5, "schedule.gamma": 0.1},
            "cosine": {"schedule": "cosine", "schedule.final_lr": 1e-6},
            "plateau": {"schedule": "plateau", "schedule.patience": 3, "schedule.factor": 0.5},
            "one cycle": {"schedule": "one_cycle"},
        },
    ),
    "full_recipe": Preset(
        "Full recipe",
        "How much better is a run that uses all techniques together than a plain one?",
        "It ends with a lower loss: the rate falls, and the weights of the best epoch are kept.",
        ("full recipe",),
        35,
        {**DELIVERY, "model.layers": "128-64-32", "epochs": 60},
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
        "val_loss",
    ),
    "ladder": Preset(
        "One at a time",
        "What does each technique contribute alone, and what do all contribute together?",
        "Early stopping and a falling rate lower the final loss, and so do all together. Whether the others help on this small "
        "regression is for the verdicts to say: not every technique helps everywhere.",
        ("plateau", "early stopping", "all together"),
        100,
        {**DELIVERY, "model.layers": "128-64-32", "epochs": 40},
        {
            "baseline": {},
            **RECIPE,
            "all together": {key: value for changes in RECIPE.values() for key, value in changes.items()},
        },
        "val_loss",
    ),
}


def find_preset(name: str) -> Preset:
    """Returns the preset called `name`. Raises ConfigError when there is none."""
    if name not in PRESETS:
        raise ConfigError(unknown("preset", name, PRESETS))
    return PRESETS[name]
