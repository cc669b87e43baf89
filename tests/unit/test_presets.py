"""Ready-made comparisons: valid, alike except for their subject, and as written down here."""

import pytest
from engine_runs import CPU

from trainer.config import ConfigError, RunConfig, diff
from trainer.engine.network import build_model
from trainer.presets import PRESETS, find_preset

# What each run says it changes: flat keys that may differ from the preset's first run.
DIFFERS = {
    "optimizers": {"optimizer", "learning_rate"},
    "batch_norm": {"normalization"},
    "dropout": {"dropout.rate"},
    "schedules": {"schedule"},
    "full_recipe": {"normalization", "dropout.rate", "optimizer", "schedule", "early_stopping"},
    "ladder": {"normalization", "dropout.rate", "optimizer", "schedule", "early_stopping", "clipping"},
}
LAYERS = {
    "optimizers": [4, 64, 32, 1],
    "batch_norm": [4, 128, 64, 32, 1],
    "dropout": [4, 256, 256, 128, 64, 1],
    "schedules": [4, 64, 32, 1],
    "full_recipe": [4, 128, 64, 32, 1],
    "ladder": [4, 128, 64, 32, 1],
}


def flat(name):
    return {run: config.flat() for run, config in find_preset(name).configs().items()}


def values(name, key):
    return {run: config.get(key) for run, config in flat(name).items()}


@pytest.mark.parametrize("name", PRESETS)
def test_every_run_is_valid_and_says_what_it_changes(name):
    found = find_preset(name).configs(seed=7)
    assert {config.seed for config in found.values()} == {7}
    assert len(set(map(RunConfig.to_json, found.values()))) == len(found), "no two alike"
    first, *others = found.values()
    for config in others:
        changed = {change.key for change in diff(first, config)}
        own = {key for key in changed if key.partition(".")[0] in DIFFERS[name]}
        assert changed - own <= DIFFERS[name]
    assert find_preset(name).question.endswith("?")
    assert all(RunConfig.from_json(config.to_json()) == config for config in found.values())


@pytest.mark.parametrize("name", PRESETS)
def test_layers_are_those_written_down(name):
    for config in find_preset(name).configs().values():
        net = build_model(config, (4,), 1, CPU)
        weights = [value for key, value in net.state_dict().items() if value.ndim == 2]
        assert [weights[0].shape[1], *(weight.shape[0] for weight in weights)] == LAYERS[name]
        assert config.data.name == "delivery_time"


def test_optimizer_comparison():
    assert [(c["optimizer"], c["learning_rate"]) for c in flat("optimizers").values()] == [
        ("sgd", 0.01), ("momentum", 0.01), ("adam", 0.001), ("adamw", 0.001),
    ]  # fmt: skip
    assert {(c["epochs"], c["batch_size"]) for c in flat("optimizers").values()} == {(100, 64)}


def test_batch_norm_on_and_off():
    assert list(values("batch_norm", "normalization").values()) == ["none", "batch"]
    runs = flat("batch_norm").values()
    assert {(c["optimizer"], c["learning_rate"], c["epochs"]) for c in runs} == {("adam", 0.001, 100)}


def test_dropout_sweep():
    assert list(values("dropout", "dropout.rate").values()) == [0, 0.1, 0.3, 0.5, 0.7]
    runs = flat("dropout").values()
    assert {(c["data.samples"], c["batch_size"], c["epochs"]) for c in runs} == {(1000, 32, 150)}


def test_schedule_comparison():
    runs = flat("schedules")
    shared = {
        (c["normalization"], c["dropout.rate"], c["optimizer"], c["learning_rate"], c["epochs"])
        for c in runs.values()
    }
    assert shared == {("batch", 0.2, "adam", 0.01, 100)}
    assert [c["schedule"] for c in runs.values()] == ["constant", "step", "cosine", "plateau", "one_cycle"]
    assert (runs["step"]["schedule.size"], runs["step"]["schedule.gamma"]) == (30, 0.1)
    assert runs["cosine"]["schedule.final_lr"] == 1e-6
    assert (runs["plateau"]["schedule.patience"], runs["plateau"]["schedule.factor"]) == (8, 0.5)


def test_full_recipe():
    plain, found = flat("full_recipe").values()
    assert (plain["normalization"], plain["dropout.rate"], plain["optimizer"]) == ("none", 0, "adam")
    expected = {
        "normalization": "batch",
        "normalization.placement": "before",
        "activation": "relu",
        "dropout.rate": 0.2,
        "optimizer": "adamw",
        "learning_rate": 0.001,
        "optimizer.weight_decay": 0.01,
        "schedule": "plateau",
        "schedule.patience": 10,
        "schedule.factor": 0.5,
        "early_stopping": "patience",
        "early_stopping.patience": 20,
        "epochs": 200,
    }
    assert {key: found[key] for key in expected} == expected


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
