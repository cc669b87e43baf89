"""Exact resume: interrupted anywhere, by a request or as by kill -9, a run ends bit for bit like one that never was."""

from functools import cache
from tempfile import TemporaryDirectory

import pytest
import torch
from engine_runs import Killed, Log, asks, exact, go, same_weights, saved_weights, small
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.engine import checkpoint, loop
from trainer.registry import families

BASE = {
    "normalization": "batch",
    "dropout.rate": 0.3,
    "dropout.input_rate": 0.1,
    "epochs": 4,
    "early_stopping": "patience",
    "early_stopping.patience": 2,
    "learning_rate": 0.02,
    "clipping": "by_norm",
    "data.samples": 80,
}
OPTIMIZERS, SCHEDULES = list(families()["optimizer"].techniques), list(families()["schedule"].techniques)
PRECISIONS = list(families()["precision"].techniques)
CUTS = st.lists(st.integers(0, 25), min_size=1, max_size=3)


@cache
def uninterrupted(config_json):
    config = small().from_json(config_json)
    with TemporaryDirectory() as name:
        folder = loop.Path(name)
        results, log = go(config, folder)
        return results, log, saved_weights(folder)


def comparable(results):
    return exact(
        {
            key: value
            for key, value in results.to_dict().items()
            if not key.startswith(("seconds", "steps_per"))
        }
    )


def assert_ends_alike(config, request, cuts, folder, spoil=lambda folder: None):
    """Trains with interruptions and compares records, results and weights with the run that had none."""
    expected, straight, weights = uninterrupted(config.to_json())
    control, steps, epochs, notices = asks(request, cuts), {}, {}, []
    for _ in range(len(cuts) + 1):
        log = Log()
        try:
            results, _ = go(config, folder, control, log=log)
        except Killed:
            results = None
        for row in log.steps:  # a step computed twice must come out the same
            assert exact(steps.setdefault(row["step"], row)) == exact(row)
        for row in log.epochs:
            assert exact(epochs.setdefault(row["epoch"], row)) == exact(row)
        notices += log.notices
        if results is not None and results.stopped_by in ("epochs", "early_stopping"):
            break
        spoil(folder)
    assert exact(list(steps.values())) == exact(straight.steps)
    assert exact(list(epochs.values())) == exact(straight.epochs)
    assert comparable(results) == comparable(expected)
    assert same_weights(saved_weights(folder), weights)
    return notices


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
@given(cuts=CUTS, precision=st.sampled_from(PRECISIONS))
@settings(max_examples=1)
def test_every_optimizer_and_schedule(tmp_path_factory, optimizer, schedule, precision, cuts):
    config = small().changed({**BASE, "optimizer": optimizer, "schedule": schedule, "precision": precision})
    assert_ends_alike(config, "interrupt", cuts, tmp_path_factory.mktemp("run"))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("request_", ["stop", "pause", "interrupt"])
@given(cuts=CUTS)
@settings(max_examples=6)
def test_every_precision_and_request(tmp_path_factory, precision, request_, cuts):
    assert_ends_alike(
        small().changed({**BASE, "precision": precision}), request_, cuts, tmp_path_factory.mktemp("run")
    )


@pytest.mark.parametrize("save_every", [0.0, 1e9], ids=["saving each epoch", "never saving"])
@given(cuts=CUTS, precision=st.sampled_from(PRECISIONS))
@settings(max_examples=10)
def test_killed_without_a_chance_to_save(tmp_path_factory, save_every, precision, cuts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "CHECKPOINT_EVERY", save_every)
        config = small().changed({**BASE, "precision": precision, "schedule": "plateau"})
        assert_ends_alike(config, "kill", cuts, tmp_path_factory.mktemp("run"))


@given(cuts=st.lists(st.integers(0, 4), min_size=1, max_size=2))
@settings(max_examples=4)
def test_a_cnn(tmp_path_factory, cuts):
    config = small(data="digits", model="cnn", model__channels=2, model__head=8, batch_size=512, epochs=2)
    assert_ends_alike(
        config.changed({"normalization": "batch", "dropout.rate": 0.5}),
        "pause",
        cuts,
        tmp_path_factory.mktemp("run"),
    )


@pytest.mark.parametrize("model", ["rnn", "lstm", "gru", "transformer", "resnet"])
def test_every_model(tmp_path, model):
    config = small(data="digits", model=model, batch_size=512, epochs=2)
    rates = {f"dropout.{name}": 0.2 for name in families()["dropout"]["dropout"].knobs}
    assert_ends_alike(config.changed(rates), "interrupt", [0, 1, 2], tmp_path)


@pytest.mark.parametrize("request_", ["interrupt", "kill"])
@pytest.mark.parametrize("mixing", ["none", "mixup", "cutmix"])
def test_augmentation_and_mixing(tmp_path, monkeypatch, mixing, request_):
    """Cut within an epoch too: the mixed labels of its finished batches belong to the epoch's accuracy."""
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 0.0)
    config = small(data="digits", model="cnn", model__channels=2, model__head=8, batch_size=256, epochs=3)
    augmenting = {
        name: next(kind for kind in family.techniques if kind != "none")
        for name, family in families().items()
        if family.group == "augmentation" and name != "mixing"
    }
    assert len(augmenting) == 6
    values = {**augmenting, "mixing": mixing, "dropout.rate": 0.3, "label_smoothing.amount": 0.1}
    assert_ends_alike(config.changed(values), request_, [2, 5], tmp_path)


def test_regression(tmp_path):
    config = small().changed({**BASE, "data": "delivery_time", "data.samples": 90})
    assert_ends_alike(config, "interrupt", [3, 5, 7], tmp_path)


def test_a_finished_run_taken_up_again_ends_the_same(tmp_path):
    config = small().changed(BASE)
    first, _ = go(config, tmp_path)
    weights = saved_weights(tmp_path)
    again, log = go(config, tmp_path)
    assert log.steps == []
    assert comparable(again) == comparable(first)
    assert same_weights(saved_weights(tmp_path), weights)


@given(data=st.data())
@settings(max_examples=25)
def test_a_damaged_checkpoint_falls_back_and_still_ends_alike(tmp_path_factory, data):
    """Bytes flipped, cut off or replaced: the run is exact or says that the file is skipped, never silently wrong."""
    folder, config = tmp_path_factory.mktemp("run"), small().changed(BASE)
    kind = data.draw(st.sampled_from(["flip", "cut", "junk", "empty"]))

    def spoil(folder):
        path = folder / checkpoint.CURRENT
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        if kind == "flip":
            content[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(
            {"cut": content[:place], "junk": b"junk" * 50, "empty": b""}.get(kind, bytes(content))
        )

    notices = assert_ends_alike(config, "interrupt", [9, 8], folder, spoil)
    if kind != "flip":  # a flipped byte may lie in padding
        assert any(f"{checkpoint.CURRENT} is damaged" in notice for notice in notices)


def test_both_checkpoints_damaged_starts_over_and_says_so(tmp_path):
    def spoil(folder):
        for name in (checkpoint.CURRENT, checkpoint.PREVIOUS):
            (folder / name).write_bytes(b"not a checkpoint")

    notices = assert_ends_alike(small().changed(BASE), "interrupt", [9], tmp_path, spoil)
    assert any("starts over" in notice for notice in notices)
    assert sum("damaged" in notice for notice in notices) == 2


def test_one_lost_between_the_two_renames(tmp_path):
    def spoil(folder):
        (folder / checkpoint.CURRENT).replace(folder / checkpoint.PREVIOUS)

    notices = assert_ends_alike(small().changed(BASE), "interrupt", [9], tmp_path, spoil)
    assert not any("damaged" in notice for notice in notices)


def test_a_checkpoint_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("owned").touch, ())

    torch.save({"format": 1, "state": Evil()}, tmp_path / checkpoint.CURRENT)
    state, problems = checkpoint.load(tmp_path)
    assert state is None
    assert problems
    assert not (tmp_path / "owned").exists()


def test_another_format_is_passed_over(tmp_path):
    torch.save({"format": 999}, tmp_path / checkpoint.CURRENT)
    assert checkpoint.load(tmp_path)[0] is None
    assert checkpoint.load(tmp_path / "nothing") == (None, [])


def test_a_failed_save_keeps_the_checkpoint_before(tmp_path):
    checkpoint.save(tmp_path, {"value": 1})

    def broken():
        raise OSError("the curve is not safe")

    with pytest.raises(checkpoint.CheckpointError, match="the curve is not safe"):
        checkpoint.save(tmp_path, {"value": 2}, broken)
    assert checkpoint.load(tmp_path)[0]["value"] == 1
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.CURRENT]
