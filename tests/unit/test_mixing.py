"""Mixup, CutMix and label smoothing: areas, label sums, and how accuracy is counted under soft labels."""

import math

import pytest
import torch
from engine_runs import go, small, summed, trainer_of
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.registry import find
from trainer.techniques import mixing

IMAGES = {
    "data": "digits",
    "model": "cnn",
    "model__channels": 2,
    "model__head": 8,
    "batch_size": 512,
    "epochs": 2,
}


def batch(count, shape, classes=5, seed=0):
    stream = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (count,), generator=stream)
    return torch.rand(count, *shape, generator=stream), torch.nn.functional.one_hot(labels, classes).float()


def stream(seed):
    return torch.Generator().manual_seed(seed)


def near(one, other):
    """Shares and pixels between 0 and 1, after at most eight roundings to 6e-8."""
    torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


@given(
    seed=st.integers(0, 10_000), alpha=st.floats(0.05, 5), height=st.integers(1, 20), width=st.integers(1, 20)
)
@settings(max_examples=150, deadline=None)
def test_cutmix_weighs_labels_by_what_is_visible(seed, alpha, height, width):
    """Every pixel says whose it is: images are filled with their own number."""
    count = 6
    inputs = torch.arange(float(count))[:, None, None, None].expand(count, 2, height, width)
    mixed, labels = find("mixing", "cutmix").function(inputs, torch.eye(count), stream(seed), alpha=alpha)
    owners = mixed[:, 0].long()
    assert torch.equal(mixed[:, 0], mixed[:, 1])
    shares = torch.stack([(owners == number).double().mean((1, 2)) for number in range(count)], dim=1)
    near(labels.double(), shares)
    near(labels.sum(1), torch.ones(count))
    boxes = [set(map(tuple, (owner != row).nonzero().tolist())) for row, owner in enumerate(owners)]
    for box in boxes:  # one rectangle
        if box:
            rows, columns = ({place[axis] for place in box} for axis in (0, 1))
            assert len(box) == len(rows) * len(columns)
            assert max(rows) - min(rows) + 1 == len(rows)
            assert max(columns) - min(columns) + 1 == len(columns)


def test_cutmix_at_the_border_by_hand(monkeypatch):
    """λ = 0.75 asks for half the side, 4 of 8; centred on the corner only 2 × 2 is left: λ becomes 1 − 4/64."""
    monkeypatch.setattr(mixing, "beta", lambda alpha, stream: 0.75)
    monkeypatch.setattr(mixing, "partners", lambda targets, stream: torch.tensor([1, 0]))
    monkeypatch.setattr(mixing.torch, "randint", lambda *args, **kwargs: torch.tensor(0))
    inputs, labels = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)]), torch.eye(2)
    mixed, targets = mixing.cutmix(inputs, labels, stream(0))
    expected = torch.zeros(8, 8)
    expected[:2, :2] = 1
    assert torch.equal(mixed[0, 0], expected)
    near(targets, torch.tensor([[60 / 64, 4 / 64], [4 / 64, 60 / 64]]))
    assert not inputs[0].any(), "the input is left as it was"


@given(
    seed=st.integers(0, 10_000), alpha=st.floats(0.05, 5), shape=st.sampled_from([(4,), (3, 6, 7), (9, 2)])
)
@settings(max_examples=60, deadline=None)
def test_mixup_blends_inputs_and_labels_alike(seed, alpha, shape):
    inputs, labels = batch(7, shape)
    mixed, targets = find("mixing", "mixup").function(inputs, labels, stream(seed), alpha=alpha)
    again = stream(seed)
    share, other = mixing.beta(alpha, again), torch.randperm(7, generator=again)
    near(mixed, share * inputs + (1 - share) * inputs[other])
    near(targets, share * labels + (1 - share) * labels[other])
    near(targets.sum(1), torch.ones(7))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_lambda_has_the_moments_of_beta(alpha):
    draws = torch.tensor([mixing.beta(alpha, generator) for generator in [stream(3)] for _ in range(4000)])
    assert float(draws.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(draws.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_accuracy_under_soft_labels_is_the_share_that_the_predicted_class_holds():
    run = trainer_of(small(mixing="mixup"))[0].run
    logits = torch.tensor([[3.0, 1.0], [0.0, 2.0], [5.0, 4.0]])
    targets = torch.tensor([[0.8, 0.2], [0.7, 0.3], [0.0, 1.0]])
    assert run.score(logits, targets) == pytest.approx((0.8 + 0.3 + 0.0) / 3)
    hard = torch.tensor([0, 0, 1])
    assert run.score(logits, torch.eye(2)[hard]) == run.score(logits, hard)


@pytest.mark.parametrize(("mix", "data"), [("mixup", IMAGES), ("cutmix", IMAGES), ("mixup", {})])
def test_a_mixed_epoch_reports_mixed_loss_and_share_and_pure_validation(mix, data):
    trainer, log = trainer_of(small(**{**data, "epochs": 1}, mixing=mix, mixing__alpha=1.0))
    seen, run = [], trainer.run
    run.model.register_forward_hook(
        lambda model, args, output: (
            seen.append((args[0].clone(), output.detach())) if model.training else None
        )
    )
    wanted, plain = [], run.loss
    run.loss = lambda outputs, targets: wanted.append(targets) or plain(outputs, targets)
    trainer.run_epochs()
    outputs, targets = torch.cat([output for _, output in seen]), torch.cat(wanted)
    near(targets.sum(1), torch.ones(len(targets)))
    assert float(targets.max(1).values.min()) < 0.999
    held = targets.gather(1, outputs.argmax(1, keepdim=True))
    assert log.epochs[0]["train_metric"] == pytest.approx(float(held.double().mean()))
    losses = -(targets * outputs.double().log_softmax(1)).sum(1)
    assert log.epochs[0]["train_loss"] == pytest.approx(float(losses.mean()), rel=summed(len(losses)))
    run.model.eval()
    pure = torch.nn.functional.cross_entropy(
        run.model(run.data.validation.inputs), run.data.validation.targets
    )
    assert log.epochs[0]["val_loss"] == pytest.approx(
        float(pure.detach()), rel=summed(len(run.data.validation))
    )


def test_mixing_leaves_the_training_part_in_memory_alone():
    trainer, _ = trainer_of(small(**IMAGES, mixing="cutmix"))
    before = trainer.run.data.train.inputs.clone(), trainer.run.data.train.targets.clone()
    trainer.run_epochs()
    assert torch.equal(trainer.run.data.train.inputs, before[0])
    assert torch.equal(trainer.run.data.train.targets, before[1])


@pytest.mark.parametrize("amount", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("soft", [False, True])
def test_label_smoothing_as_in_torch_and_by_hand(amount, soft):
    logits = torch.randn(9, 4, generator=stream(0)) * 3
    hard = torch.randint(4, (9,), generator=stream(1))
    targets = torch.softmax(torch.randn(9, 4, generator=stream(2)), 1) if soft else hard
    found = find("label_smoothing", "smoothing").function(logits, targets, amount=amount)
    torch.testing.assert_close(found, torch.nn.CrossEntropyLoss(label_smoothing=amount)(logits, targets))
    labels = targets if soft else torch.nn.functional.one_hot(hard, 4).float()
    wanted = (1 - amount) * labels + amount / 4
    torch.testing.assert_close(found, -(wanted * logits.log_softmax(1)).sum(1).mean())


def test_only_training_is_smoothed():
    trainer, log = trainer_of(small(label_smoothing__amount=0.3, epochs=1))
    trainer.run_epochs()
    run, data = trainer.run, trainer.run.data.validation
    run.model.eval()
    plain = torch.nn.functional.cross_entropy(run.model(data.inputs), data.targets)
    assert log.epochs[0]["val_loss"] == pytest.approx(float(plain.detach()), rel=summed(len(data)))
    floor = -(
        0.85 * math.log(0.85) + 0.15 * math.log(0.15)
    )  # the smoothed loss cannot go below the label's entropy
    assert min(log.losses) > floor


def test_all_at_once():
    values = {
        "label_smoothing__amount": 0.1,
        "rotation": "rotate",
        "precision": "bf16",
        "normalization": "group",
    }
    results, log = go(small(**IMAGES, mixing="cutmix", **values))
    assert results.stopped_by == "epochs"
    assert all(math.isfinite(loss) for loss in log.losses)
