"""Pictures of what was learned: right to the last count, on validation alone, and the newest in the store."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from engine_runs import asks, go, small, trainer_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from trainer.curves.packing import pack, unpack
from trainer.engine.loop import predict
from trainer.health import pictures
from trainer.processes.control import Control
from trainer.processes.recorder import Recorder
from trainer.store import COMMAND_LINE, Store, Superseded

DIGITS = {"data": "digits", "batch_size": 256}


def pictures_of(config, outputs=None):
    """What the pictures of a network before its first step show; with `outputs`, as if it had said those."""
    trainer, log = trainer_of(config)
    run = trainer.run
    said = predict(run, run.data.validation.inputs) if outputs is None else outputs(run)
    trainer.observer.pictures.take(7, 2, said)
    return run, {name: unpack(data) for name, (_, data) in log.views.items()}


def saying(run, classes: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(classes, run.data.outputs).float() * 5


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({}, {"decision", "confusion"}),
        (DIGITS, {"confusion", "mistakes"}),
        ({"data": "delivery_time"}, {"regression"}),
        ({"data": "adding", "model": "rnn"}, {"regression"}),
        ({"data": "reviews"}, {"confusion"}),
    ],
)
def test_each_kind_of_data_has_its_pictures(values, names):
    _, log = go(small(**values, epochs=1))
    assert set(log.views) == names
    headers = [unpack(data)[0] for _, data in log.views.values()]
    assert all(header["final"] and header["step"] == log.steps[-1]["step"] for header in headers)
    assert all(len(data) < 150_000 for _, data in log.views.values())
    assert go(small(**values, epochs=1, health=False))[1].views == {}


def test_the_matrix_counts_every_validation_sample_where_it_belongs():
    run, views = pictures_of(small(**DIGITS), lambda run: saying(run, (run.data.validation.targets + 1) % 10))
    header, found = views["confusion"]
    truth = run.data.validation.targets
    assert header["classes"] == list("0123456789")
    assert found["counts"].sum() == len(truth)
    assert [found["counts"][k, (k + 1) % 10] for k in range(10)] == torch.bincount(truth).tolist()


def test_the_worst_mistakes_come_first_with_their_pixels():
    def outputs(run):
        right = run.data.validation.targets
        said = saying(run, right)
        said[3] = saying(run, (right[3:4] + 1) % 10)[0] * 3
        said[8] = saying(run, (right[8:9] + 2) % 10)[0]
        return said

    run, views = pictures_of(small(**DIGITS), outputs)
    header, found = views["mistakes"]
    truth = run.data.validation.targets
    assert (header["wrong"], header["of"]) == (2, len(truth))
    assert found["true"].tolist() == [truth[3], truth[8]]
    assert found["predicted"].tolist() == [(truth[3] + 1) % 10, (truth[8] + 2) % 10]
    assert found["loss"][0] > found["loss"][1]
    originals = (run.data.samples.inputs * 255).round().astype(np.uint8)
    assert (originals == found["pixels"][0]).all(axis=(1, 2, 3)).any(), "an image of the data set, as it was"


def test_a_network_without_mistakes_has_none_to_show():
    _, views = pictures_of(small(**DIGITS), lambda run: saying(run, run.data.validation.targets))
    assert views["mistakes"][0]["wrong"] == 0
    assert views["mistakes"][1]["pixels"].shape == (0, 1, 8, 8)


def test_large_images_are_shrunk():
    run = trainer_of(small(**DIGITS))[0].run
    shrunk = pictures.pixels(run, torch.rand(2, 3, 96, 48))
    assert shrunk.shape == (2, 3, 48, 24)


def test_regression_is_told_in_the_targets_unit():
    config = small(data="delivery_time", data__samples=8000)
    run, views = pictures_of(config)
    header, found = views["regression"]
    assert header["unit"] == "minutes"
    assert len(found["truth"]) <= 1000
    minutes = run.data.samples.targets[:, 0]
    assert np.isin(found["truth"].round(3), minutes.round(3)).mean() > 0.99
    errors = np.abs(found["truth"] - found["predicted"]).mean()
    score = run.score(predict(run, run.data.validation.inputs), run.data.validation.targets)
    assert errors == pytest.approx(score, rel=0.1)


def test_the_plane_is_what_the_network_says_there():
    run, views = pictures_of(small())
    header, found = views["decision"]
    x0, x1, y0, y1 = header["range"]
    rows, columns = np.indices((48, 48))
    spots = np.stack([x0 + (x1 - x0) * columns / 47, y0 + (y1 - y0) * rows / 47], axis=-1)
    scaled = torch.tensor(spots.reshape(-1, 2), dtype=torch.float32)
    scaled = (scaled - run.data.mean) / run.data.deviation
    confidence, classes = predict(run, scaled).softmax(1).max(1)
    sure = confidence.numpy().reshape(48, 48)
    assert np.abs(found["confidence"] / 255 - sure).max() < 0.01
    clear = sure > 0.51
    assert (found["classes"] == classes.numpy().reshape(48, 48))[clear].all()
    inside = run.data.samples.inputs
    assert ((inside >= [x0, y0]) & (inside <= [x1, y1])).all(axis=1).mean() > 0.8


def test_no_sample_of_the_test_part_is_shown():
    run, views = pictures_of(small())
    found = views["decision"][1]
    shown = {(round(float(x), 4), round(float(y), 4)) for x, y in zip(found["x"], found["y"], strict=True)}
    test = (run.data.test.inputs * run.data.deviation + run.data.mean).numpy()
    assert not shown & {(round(float(x), 4), round(float(y), 4)) for x, y in test}
    assert found["held"].sum() == len(run.data.validation)


def test_pictures_rest_between_two():
    trainer, log = trainer_of(small(epochs=30))
    taken = []
    log.view = lambda name, step, data: taken.append((name, step))
    trainer.observer.pictures.due = 1e12
    trainer.run_epochs()
    assert taken == []
    trainer.observer.pictures.due = 0
    trainer.observer.pictures.after_epoch(1, 1, predict(trainer.run, trainer.run.data.validation.inputs))
    trainer.observer.pictures.after_epoch(2, 2, predict(trainer.run, trainer.run.data.validation.inputs))
    assert taken == [("decision", 1), ("confusion", 1)]


def test_a_stopped_run_leaves_pictures_of_its_last_weights():
    results, log = go(small(), control=asks("stop", [8]))
    assert results.stopped_by == "stop"
    header = unpack(log.views["confusion"][1])[0]
    assert (header["step"], header["final"]) == (8, True)


def test_names_that_are_no_text_cannot_break_a_picture():
    assert pictures.plain("a\ud800" + "b" * 100) == "a?" + "b" * 78


# --- packing ---


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=8),
        arrays.arrays(
            st.sampled_from([np.uint8, np.int32, np.float32]),
            arrays.array_shapes(min_dims=0, max_dims=3, min_side=0),
        ),
        max_size=4,
    )
)
def test_what_is_packed_comes_out_again(found):
    header, back = unpack(pack({"name": "x", "odd": float("nan")}, found))
    assert header == {"name": "x", "odd": None}
    assert list(back) == list(found)
    for name, array in found.items():
        assert back[name].dtype == array.dtype
        assert np.array_equal(back[name], array, equal_nan=True)


# --- store ---


@pytest.fixture
def store(tmp_path: Path):
    found = Store(f"sqlite:///{tmp_path / 'store.db'}")
    yield found
    found.close()


def test_the_newest_view_of_a_name_is_kept_and_read_by_version(store):
    run = store.create_run({}, "ada")
    attempt = store.claim(run)
    store.record(run, attempt, views={"confusion": (5, b"one"), "mistakes": (5, b"two")})
    first = store.views(run)
    assert [(view.name, view.step, view.data) for view in first] == [
        ("confusion", 5, b"one"),
        ("mistakes", 5, b"two"),
    ]
    seen = max(view.version for view in first)
    assert store.views(run, seen) == []
    store.record(run, attempt, views={"confusion": (9, b"three")})
    (newer,) = store.views(run, seen)
    assert (newer.name, newer.step, newer.data) == ("confusion", 9, b"three")
    assert newer.version == store.run(run).version
    store.finish(run, attempt, "finished")
    store.delete(run, by=COMMAND_LINE)
    assert store.views(run) == []


def test_a_worker_that_was_superseded_shows_nothing(store):
    run = store.create_run({}, "ada")
    attempt = store.claim(run)
    with pytest.raises(Superseded):
        store.record(run, attempt - 1, views={"confusion": (5, b"old")})
    assert store.views(run) == []


def test_the_recorder_brings_the_newest_view(store):
    run = store.create_run({}, "ada")
    with Recorder(store, run, store.claim(run), Control()) as recorder:
        recorder.view("confusion", 1, b"one")
        recorder.view("confusion", 2, b"two")
    (view,) = store.views(run)
    assert (view.step, view.data) == (2, b"two")


def test_patience_and_the_best_epoch_are_recorded(store):
    _, log = go(small(early_stopping="patience", early_stopping__patience=2, epochs=30, learning_rate=0.5))
    losses, best, waited = [row["val_loss"] for row in log.epochs], np.inf, 0
    for left, loss in zip([row["patience_left"] for row in log.epochs], losses, strict=True):
        best, waited = (loss, 0) if loss < best - 0.001 else (best, waited + 1)
        assert left == 2 - waited
    assert log.facts["best_epoch"] == 1 + int(np.argmin(losses))
    assert all(math.isnan(row["patience_left"]) for row in go(small())[1].epochs)
