"""Ready-made comparisons: valid, alike except for their subject, and true to what they promise."""

import math
import statistics

import pytest
from engine_runs import go_together

from trainer.config import ConfigError, RunConfig, diff
from trainer.presets import PRESETS, find_preset

# What each arm says it changes: flat keys that may differ from the preset's first arm.
DIFFERS = {
    "optimizers": {"optimizer", "learning_rate"},
    "batch_norm": {"normalization"},
    "dropout": {"dropout.rate"},
    "schedules": {"schedule"},
    "full_recipe": {"normalization", "dropout.rate", "optimizer", "schedule", "early_stopping"},
    "ladder": {"normalization", "dropout.rate", "optimizer", "schedule", "early_stopping", "clipping"},
}
SEEDS = range(6)
CLEAR = 1.5  # standard errors of the mean difference


def flat(name):
    return {run: config.flat() for run, config in find_preset(name).configs().items()}


@pytest.mark.parametrize("name", PRESETS)
def test_every_arm_is_valid_and_changes_what_it_says(name):
    preset = find_preset(name)
    found = preset.configs(seed=7)
    assert {config.seed for config in found.values()} == {7}
    assert len(set(map(RunConfig.to_json, found.values()))) == len(found), "no two alike"
    first, *others = found.values()
    for config in others:
        changed = {change.key for change in diff(first, config)}
        own = {key for key in changed if key.partition(".")[0] in DIFFERS[name]}
        assert changed - own <= DIFFERS[name]
    assert preset.question.endswith("?")
    assert set(preset.claims) <= set(list(found)[1:])
    assert all(RunConfig.from_json(config.to_json()) == config for config in found.values())


def trained(name, arm, seeds=SEEDS):
    """The results of an arm's runs with these seeds."""
    config = PRESETS[name].configs()[arm].changed({"health": False, "device": "cpu"})
    return go_together(config.changed({"seed": seed}) for seed in seeds)


def values(name, results):
    """What the preset measures of each."""
    if PRESETS[name].measure == "val_loss":
        return [one.validation["loss"] for one in results]
    return [one.best["val_loss"] for one in results]


NOT_LESSONS = ["ladder"]
"""Presets without a lesson, whose test (test_lessons.py) holds the promise of the others."""


@pytest.mark.parametrize("name", NOT_LESSONS)
def test_every_promise_holds_over_six_seeds(name):
    baseline = values(name, trained(name, next(iter(PRESETS[name].runs))))
    for arm in PRESETS[name].claims:
        found = values(name, trained(name, arm))
        differences = [mine - its for mine, its in zip(found, baseline, strict=True)]
        error = statistics.stdev(differences) / math.sqrt(len(differences))
        assert statistics.fmean(differences) < -CLEAR * error, f"{arm}: {differences}"


def test_with_too_much_dropout_the_accuracy_falls():
    few, many = (trained("dropout", arm, range(3)) for arm in ("dropout 0.2", "dropout 0.8"))
    accuracy = [statistics.fmean(one.validation["metric"] for one in results) for results in (few, many)]
    assert accuracy[1] < accuracy[0]


def test_the_ladder_is_baseline_each_alone_and_all():
    found = find_preset("ladder").configs()
    names = list(found)
    assert (names[0], names[-1]) == ("baseline", "all together")
    together = {change.key: change.after for change in diff(found["baseline"], found["all together"])}
    alone = {}
    for name in names[1:-1]:
        changes = {change.key: change.after for change in diff(found["baseline"], found[name])}
        assert changes
        assert not changes.keys() & alone.keys(), "each technique alone"
        alone |= changes
    assert together == alone


def test_an_unknown_preset_is_refused_with_a_hint():
    with pytest.raises(ConfigError, match="did you mean optimizers"):
        find_preset("optimizer")
