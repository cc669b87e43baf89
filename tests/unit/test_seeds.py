"""Seeds by purpose: each draws its own share of a run, and a run that sets none of them is what it was before."""

import ast
import json
import sys
from pathlib import Path

import pytest
import torch
from engine_runs import go, same_weights, small, trainer_of, weights_of

import trainer
from pages.widgets.link import read_link, share_link
from trainer import streams
from trainer.config import MAX_SEED, PURPOSES, ConfigError, RunConfig, diff
from trainer.describe.labels import differences
from trainer.export.script import exact_script, short_script

FOLLOWS = {
    "split": "split",
    "weights": "weights",
    "order": "order",
    "augmentation": "order",
    "dropout": "dropout",
}
"""The stream of each purpose, and the seed that it follows."""
NOISY = {
    "data": "digits",
    "model": "cnn",
    "model__channels": 2,
    "model__head": 8,
    "batch_size": 512,
    "rotation": "rotate",
    "mixing": "mixup",
    "dropout__rate": 0.4,
    "epochs": 2,
}
"""Draws from every stream."""


def noisy(**values):
    return small(**NOISY | values)


def streams_in_the_source():
    """First words of the purposes that the package names where it asks for a stream."""
    for path in Path(trainer.__file__).parent.rglob("*.py"):
        if "examples" in path.parts or path.name == "streams.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("stream_seed", "generator"):
                assert isinstance(node.args[1], ast.Constant), f"{path}:{node.lineno}"
                yield node.args[1].value


def test_every_stream_follows_exactly_one_seed(monkeypatch):
    """A new stream has to say here which seed it follows; a run in which all are at work tells whether it does."""
    assert set(streams_in_the_source()) == FOLLOWS.keys()
    used, plain = {}, streams.stream_seed

    def noted(seed, *purpose, **options):
        used.setdefault(purpose[0], set()).add(seed)
        return plain(seed, *purpose, **options)

    for module in list(sys.modules.values()):
        if getattr(module, "stream_seed", None) is plain:
            monkeypatch.setattr(module, "stream_seed", noted)
    own = {purpose: 11 + number for number, purpose in enumerate(PURPOSES)}
    go(noisy(epochs=1, seed=5).changed({f"seed.{purpose}": seed for purpose, seed in own.items()}))
    assert used == {stream: {own[seed]} for stream, seed in FOLLOWS.items()}


def drawn(config):
    """What a run draws, by purpose."""
    run_trainer, _ = trainer_of(config)
    run, batches, masks = run_trainer.run, [], []
    found = {"weights": torch.cat([one.flatten() for one in weights_of(run).values()])}
    found["split"] = torch.cat(
        [part.targets.float() for part in (run.data.train, run.data.validation, run.data.test)]
    )
    plain = run_trainer.batches

    def noted():
        for index in plain():
            batches.append(index)
            yield index

    run_trainer.batches = noted
    dropouts = [one for one in run.model.modules() if isinstance(one, torch.nn.Dropout)]
    assert len(dropouts) == 1
    dropouts[0].register_forward_hook(
        lambda module, inputs, output: masks.append(output == 0) if module.training else None
    )
    run_trainer.run_epochs()
    return found | {"order": torch.cat(batches), "dropout": torch.cat(masks)}


@pytest.mark.parametrize("purpose", PURPOSES)
def test_twins_that_differ_in_one_seed_differ_in_what_it_draws_alone(purpose):
    # A sigmoid is never 0: what is 0 behind dropout was silenced.
    config = small(dropout__rate=0.4, activation="sigmoid", model__layers="8", seed=3)
    one, other = drawn(config), drawn(config.changed({f"seed.{purpose}": 4}))
    assert {name for name in PURPOSES if not torch.equal(one[name], other[name])} == {purpose}


def test_augmentation_follows_the_order():
    def batch(config):
        run = trainer_of(config)[0].run
        return run.augment(run.data.train.inputs[:8], run.data.train.targets[:8], 0)[0]

    plain = batch(noisy())
    for purpose in ("weights", "dropout"):
        assert torch.equal(plain, batch(noisy().changed({f"seed.{purpose}": 4})))
    assert not torch.equal(plain, batch(noisy().changed({"seed.order": 4})))


def test_seeds_that_equal_the_seed_change_no_number():
    plain, named = noisy(seed=7), noisy(seed=7).changed({f"seed.{purpose}": 7 for purpose in PURPOSES})
    (results, log), (other_results, other_log) = go(plain), go(named)
    assert log.steps == other_log.steps
    assert log.epochs == other_log.epochs
    assert results.test == other_results.test
    assert same_weights(weights_of(trainer_of(plain)[0].run), weights_of(trainer_of(named)[0].run))


def test_a_configuration_that_sets_none_is_written_as_before():
    config = RunConfig.from_flat({"data": "two_moons", "seed": 3})
    assert [key for key in config.to_dict() if key.startswith("seed")] == ["seed"]
    assert '"seed": 3,' in config.to_json()
    assert "seed." not in config.to_json() + share_link(config, "http://lab/", {})
    assert str(differences(config)) == "Two moons, Seed 3"
    assert "_SEED" not in exact_script(config)
    assert config.changed({f"seed.{purpose}": "" for purpose in PURPOSES}) == config


def test_the_short_script_splits_by_the_split_seed():
    text = short_script(RunConfig.from_flat({"seed": 3, "seed.split": 5, "seed.weights": 6}))
    for part in ("test", "validation"):
        assert f"random_state={streams.stream_seed(5, 'split', part, bits=31)}" in text
    assert "torch.manual_seed(SEED)" in text
    assert "SEED = 3\n" in text


def test_seeds_survive_json_flat_keys_and_links():
    config = RunConfig.from_flat({"seed": "3", "seed.split": "5", "seed.dropout": MAX_SEED})
    assert json.loads(config.to_json())["seed.split"] == 5
    assert RunConfig.from_json(config.to_json()) == config == RunConfig.from_flat(config.flat())
    assert RunConfig.from_stored(config.to_dict()) == config
    link = share_link(config, "http://lab/", {})
    assert "seed=3&seed.split=5" in link
    read = read_link(dict(pair.split("=") for pair in link.partition("?")[2].split("&")))
    assert RunConfig.from_flat(read.values) == config
    assert read.notices == []
    changes = diff(RunConfig.from_flat({"seed": 3}), config)
    assert str(changes[0]) == "Split seed as the seed → 5"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("seed.split", -1, "must be ≥ 0"),
        ("seed.weights", MAX_SEED + 1, "must be ≥ 0"),
        ("seed.order", "many", "no plain number"),
        ("seed.dropout", True, "must be a number"),
        ("seed.spilt", 1, "did you mean seed.split"),
        ("split_seed", 1, "no knob called 'split_seed'"),
    ],
)
def test_a_seed_that_is_none_is_refused(key, value, said):
    for read in (RunConfig.from_flat, RunConfig.parse):
        with pytest.raises(ConfigError, match=said):
            read({key: value})
