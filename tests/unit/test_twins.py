"""Twins differ by their knob alone: same split, same first weights, same batches in the same order."""

import pytest
import text_files
import torch
from engine_runs import same_weights, small, trainer_of, weights_of

from trainer.registry import families

KEEPS = (
    "normalization",
    "dropout",
    "schedule",
    "optimizer",
    "clipping",
    "precision",
    "early_stopping",
    "activation",
    "label_smoothing",
)
AUGMENTING = [name for name, family in families().items() if family.group in ("augmentation", "text")]
OTHERS = [
    {family: name}
    for family in KEEPS
    for name in families()[family].techniques
    if name != families()[family].default
]
PLAIN = [{"learning_rate": 0.05}, {"dropout.rate": 0.5}, {"dropout.input_rate": 0.2}, {"epochs": 2}]


def watched(config):
    """First weights, split, and the inputs of every training batch of a run."""
    trainer, _ = trainer_of(config)
    weights, batches = weights_of(trainer.run), []
    trainer.run.model.register_forward_pre_hook(
        lambda model, inputs: batches.append(inputs[0].clone()) if model.training else None
    )
    trainer.run_epochs()
    data = trainer.run.data
    return weights, batches, [data.train, data.validation, data.test]


def base(model):
    if model == "mlp":
        return small(epochs=3)
    if model == "gru":
        return small(data="reviews", data__samples=60, model="gru", model__hidden=8, epochs=3)
    return small(data="digits", model="cnn", model__channels=2, model__head=8, batch_size=512, epochs=3)


@pytest.fixture(scope="module", params=["mlp", "cnn"])
def model_and_base(request):
    return request.param, watched(base(request.param))


@pytest.mark.parametrize("knob", OTHERS + PLAIN, ids=str)
def test_a_knob_leaves_split_weights_and_order_alone(model_and_base, knob):
    model, (weights, batches, parts) = model_and_base
    other_weights, other_batches, other_parts = watched(base(model).changed(knob))
    shared = weights.keys() & other_weights.keys()
    assert {name for name in weights if name.endswith("weight")} <= shared, "each layer keeps its name"
    assert all(torch.equal(weights[name], other_weights[name]) for name in shared)
    for one, other in zip(parts, other_parts, strict=True):
        assert torch.equal(one.inputs, other.inputs)
        assert torch.equal(one.targets, other.targets)
    assert len(other_batches) > 0
    assert all(torch.equal(one, other) for one, other in zip(batches, other_batches, strict=False))


@pytest.mark.parametrize("family", AUGMENTING)
def test_augmentation_leaves_split_weights_and_order_alone(family, tmp_path):
    """The batches look different; their samples, by their targets in memory, come in the same order."""

    def watched_order(config):
        trainer, _ = trainer_of(config, data_folder=tmp_path)
        weights, orders, plain = weights_of(trainer.run), [], trainer.batches

        def batches():
            found = list(plain())
            orders.extend(found)
            return iter(found)

        trainer.batches = batches
        trainer.run_epochs()
        data = trainer.run.data
        held_out = [data.validation.inputs, data.validation.targets, data.test.inputs, data.test.targets]
        return weights, [*orders, data.train.targets, *held_out]

    plain = base("gru" if families()[family].group == "text" else "cnn")
    weights, kept = watched_order(plain)
    for name, technique in families()[family].techniques.items():
        if "needs" in technique.facts:
            text_files.write(family, tmp_path)
        other_weights, other_kept = watched_order(plain.changed({family: name}))
        assert same_weights(weights, other_weights)
        assert len(kept) == len(other_kept)
        assert all(torch.equal(one, other) for one, other in zip(kept, other_kept, strict=True))


def test_initialization_changes_weights_but_neither_split_nor_order(model_and_base):
    model, (weights, batches, _) = model_and_base
    other_weights, other_batches, _ = watched(base(model).changed({"initialization": "xavier_normal"}))
    assert not same_weights(weights, other_weights)
    assert all(torch.equal(one, other) for one, other in zip(batches, other_batches, strict=True))


def test_another_seed_changes_all_three(model_and_base):
    model, (weights, batches, parts) = model_and_base
    other_weights, other_batches, other_parts = watched(base(model).changed({"seed": 1}))
    assert not same_weights(weights, other_weights)
    assert not torch.equal(batches[0], other_batches[0])
    assert not torch.equal(parts[2].inputs, other_parts[2].inputs)


def test_dropout_draws_the_same_masks_under_another_optimizer():
    def masks(**values):
        trainer, _ = trainer_of(small(dropout__rate=0.5, activation="sigmoid", **values))
        found = []
        trainer.run.model.hidden1.dropout.register_forward_hook(
            lambda module, inputs, output: found.append(output == 0) if module.training else None
        )
        trainer.run_epochs()
        return torch.cat(found)

    assert torch.equal(masks(), masks(optimizer="sgd", learning_rate=0.5, schedule="one_cycle"))


def test_splitting_off_more_validation_keeps_the_test_part():
    one, other = (trainer_of(small(validation_share=share))[0].run.data.test for share in (0.15, 0.3))
    assert len(one) == len(other)
    assert torch.equal(one.targets, other.targets)
