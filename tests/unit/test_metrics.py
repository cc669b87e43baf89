"""A metric is declared once: columns, progress, live curves, charts and exports follow from its one function."""

from __future__ import annotations

import io
import math
import re
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from engine_runs import go, same_weights, saved_weights, small, summed, trainer_of
from test_transfer import events_in

from trainer.curves import deltas as live
from trainer.curves.charts import chart_specs
from trainer.engine.loop import train
from trainer.engine.meter import Meter
from trainer.export.formats import FORMATS
from trainer.export.unbundle import import_bundle
from trainer.foreground.progress import measured
from trainer.metrics import registry
from trainer.metrics.charts import Chart
from trainer.metrics.registry import columns, metric, metrics, point_type
from trainer.processes.recorder import Control, Recorder
from trainer.settings import get_settings
from trainer.store import Batch, Store

OLD_STEP = ("step", "seconds", "loss", "lr", "grad_norm", "clipped", "loss_scale")


@pytest.fixture
def declared(monkeypatch):
    """What is declared, to be changed for one test."""
    metrics("step")
    monkeypatch.setattr(registry, "_metrics", dict(registry._metrics))
    return registry._metrics


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path))
    found = Store(get_settings().url)
    yield found
    found.close()


def trained(store, **values):
    """The id of a run that was trained into the store."""
    config = small(**values)
    run = store.create_run(config.to_dict(), "me")
    attempt = store.claim(run)
    with Recorder(store, run, attempt, Control()) as recorder:
        results = train(config, data_folder=None, run_folder=None, recorder=recorder)
    store.finish(run, attempt, "finished", results.to_dict())
    return run


# -- one place -----------------------------------------------------------------------------------------------------


def test_a_metric_of_one_function_appears_everywhere(declared, store):
    @metric("step", label="Toy", unit="toys", chart=Chart(log=True), smoothed=True, aggregation="max")
    def toy(step):
        """Half the number of the step."""
        return step.number / 2

    @metric("epoch", label="Toys an epoch", chart=Chart("toys"), part="validation")
    def toys(epoch):
        """Twice the number of the epoch."""
        return 2 * epoch.number

    run = trained(store, epochs=2)
    steps, epochs = store.read_points(run, "step"), store.read_points(run, "epoch")
    half = (steps.column("step") / 2).tolist()
    assert (
        (columns("step")[-1], columns("epoch")[-1])
        == (steps.columns[-1], epochs.columns[-1])
        == ("toy", "toys")
    )
    assert (steps.column("toy").tolist(), epochs.column("toys").tolist()) == (half, [2, 4])
    assert store.run(run).progress["toy"] == half[-1]

    opened = {one.name: one for one in live.snapshot(store, run, "step", live.budget(1)["step"]).series}
    followed = {
        one.name: one for frame in live.delta(store, run, {"step": 2, "epoch": -1}) for one in frame.series
    }
    assert opened["toy"].values.tolist() == half
    assert (followed["toy"].values.tolist(), followed["toys"].values.tolist()) == (half[2:], [2, 4])

    drawn = {spec["name"]: spec for spec in chart_specs()}
    part = {"kind": "step", "name": "toy", "label": "", "dashed": False, "smoothed": True, "every": 1}
    assert (drawn["toy"]["title"], drawn["toy"]["log"], drawn["toy"]["parts"]) == ("Toy", True, [part])
    assert drawn["toys"]["parts"][0]["dashed"]

    written = {
        name: FORMATS[name].write(store, get_settings(), store.run(run))
        for name in FORMATS
        if name != "safetensors"
    }
    for table in (pd.read_csv(io.BytesIO(written["csv"])), pd.read_parquet(io.BytesIO(written["parquet"]))):
        assert (table["toy"].tolist(), table["toys"].dropna().tolist()) == (half, [2, 4])
    found = [value for event in events_in(written["tensorboard"]) for value in event.summary.value]
    assert [value.simple_value for value in found if value.tag == "step/toy"] == half
    copy = import_bundle(store, get_settings(), io.BytesIO(written["zip"]), "you")
    assert store.read_points(copy, "step").array.tobytes() == steps.array.tobytes()


def test_a_metric_that_people_cannot_understand_or_tell_apart_is_refused(declared):
    def silent(step): ...

    def loss(step):
        """Another loss."""

    with pytest.raises(ValueError, match="'silent' needs a docstring"):
        metric("step", label="Silent")(silent)
    with pytest.raises(ValueError, match="'loss' is declared twice"):
        metric("step", label="Loss")(loss)


def test_the_charts_are_those_that_the_metrics_name():
    specs = chart_specs(metric={"title": "Mean absolute error", "percent": False})
    assert [spec["title"] for spec in specs] == [
        "Loss",
        "Learning rate",
        "Gradient norm",
        "Mean absolute error",
        "Update-to-weight ratio",
        "Samples per second",
    ]
    parts = {
        spec["name"]: [(part["kind"], part["name"], part["label"]) for part in spec["parts"]]
        for spec in specs
    }
    assert parts == {
        "loss": [("step", "loss", "train"), ("epoch", "val_loss", "validation")],
        "lr": [("step", "lr", "")],
        "grad_norm": [("step", "grad_norm", "")],
        "metric": [("epoch", "train_metric", "train"), ("epoch", "val_metric", "validation")],
        "update_ratio": [("step", "update_ratio", "")],
        "samples_per_second": [("step", "samples_per_second", "")],
    }
    chosen = {
        flag: [spec["name"] for spec in specs if spec[flag]] for flag in ("log", "percent", "planned", "clip")
    }
    assert chosen == {
        "log": ["loss", "lr", "grad_norm", "update_ratio"],
        "percent": [],
        "planned": ["lr"],
        "clip": ["grad_norm"],
    }
    assert all(spec["hint"] and spec["title"] for spec in specs if spec["name"] != "loss")
    assert chart_specs()[3]["percent"]


def test_the_progress_bar_shows_the_newest_values():
    progress = {"step": 3, "seconds": 1.5, "device": "cpu", "loss": 0.25, "samples_per_second": 12345.6}
    assert measured(progress) == "batch loss 0.25, samples per second 12,346"
    assert measured({"step": 3}) == ""


def test_the_metric_in_the_readme_is_the_real_one():
    root = Path(__file__).parents[2]
    (shown,) = re.findall(r"```python\n(@metric.*?)```", (root / "README.md").read_text(), re.DOTALL)
    assert shown in (root / "trainer/metrics/steps.py").read_text()


# -- update-to-weight ratio ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", ["8-8", "8-300-300"], ids=["one vector", "a large parameter beside it"])
def test_the_update_ratio_is_what_each_tenth_step_changed(layers, monkeypatch):
    trainer, log = trainer_of(small(model__layers=layers))
    weights, step = trainer.run.weights, trainer.run.optimizer.step
    assert len(weights.parameters) == (1 if layers == "8-8" else 2)
    expected = []

    def watched():
        before = torch.cat([part.reshape(-1) for part in weights.copies()]).double()
        step()
        after = torch.cat([part.reshape(-1) for part in weights.copies()]).double()
        expected.append(float((after - before).norm() / before.norm()))

    monkeypatch.setattr(trainer.run.optimizer, "step", watched)
    trainer.run_epochs()
    ratios = log.column("update_ratio")
    assert len(ratios) > 11
    assert ratios[::10] == pytest.approx(expected[::10], rel=summed(trainer.run.parameters))
    assert all(math.isnan(ratio) for place, ratio in enumerate(ratios) if place % 10)


def test_a_step_that_is_not_taken_changes_nothing(monkeypatch):
    trainer, log = trainer_of(small(precision="fp16", epochs=1))
    plain = trainer.run.loss
    monkeypatch.setattr(
        trainer.run, "loss", lambda *pair: plain(*pair) * 1e4 if not log.steps else plain(*pair)
    )
    trainer.run_epochs()
    assert not math.isfinite(log.column("grad_norm")[0])
    assert log.column("update_ratio")[0] == 0


def test_measuring_changes_no_bit(declared, tmp_path):
    _, log = go(small(model__layers="8-300-300", dropout__rate=0.3), tmp_path / "with")
    assert "update_ratio" in log.steps[0]
    for name in ("update_ratio", "samples_per_second"):
        del declared["step", name]
    _, plain = go(small(model__layers="8-300-300", dropout__rate=0.3), tmp_path / "without")
    assert plain.losses == log.losses
    assert same_weights(saved_weights(tmp_path / "with"), saved_weights(tmp_path / "without"))


# -- when and how fast ---------------------------------------------------------------------------------------------


def test_the_speed_counts_all_the_time_since_the_step_before():
    meter = Meter(trainer_of(small())[0].run.weights, seconds=2.0)
    speeds = []
    for number, (samples, seconds) in enumerate([(8, 2.5), (8, 2.75), (4, 12.75)], start=1):
        meter.step.number, meter.step.samples = number, samples
        speeds.append(meter.point(seconds).samples_per_second)
    assert speeds == [16, 32, 0.4]


def test_each_metric_is_measured_as_often_as_it_says(declared):
    for every in (2, 3):
        measure = partial(lambda step: float(step.number))
        measure.__name__, measure.__module__ = f"each{every}", __name__
        measure.__doc__ = "The step's number."
        metric("step", label="Toy", every=every)(measure)
    meter, found = Meter(trainer_of(small())[0].run.weights, seconds=0.0), []
    for number in range(1, 8):
        meter.step.number, meter.step.samples = number, 1
        point = meter.point(float(number))
        found.append([number for number in (point.each2, point.each3) if not math.isnan(number)])
    assert found == [[1, 1], [], [3], [4], [5], [], [7, 7]]


def test_what_was_not_measured_is_no_mark_but_infinity_is(store):
    run = store.create_run({}, "me")
    attempt = store.claim(run)
    point = point_type("step")
    rows = [
        point(1, loss=1.0),
        point(2, loss=math.nan, update_ratio=0.5),
        point(3, loss=1.0, update_ratio=math.inf),
    ]
    store.record(run, attempt, [Batch("step", columns("step"), np.array(rows))])
    found = {one.name: one for one in live.snapshot(store, run, "step", live.budget(1)["step"]).series}
    assert (found["update_ratio"].steps.tolist(), found["update_ratio"].values.tolist()) == ([2], [0.5])
    assert found["update_ratio"].marks == (live.Mark(3, 3, 1, "inf"),)
    assert found["loss"].marks == (live.Mark(2, 2, 1, "nan"),)
    assert "samples_per_second" not in found


def test_a_run_that_went_on_in_a_newer_version_is_read_as_one(store):
    run = store.create_run({}, "me")
    attempt = store.claim(run)
    old = np.ones((3, len(OLD_STEP)))
    old[:, 0] = [1, 2, 3]
    new = [
        point_type("step")(step, seconds=step, loss=1.0, lr=1.0, grad_norm=1.0, samples_per_second=9)
        for step in (4, 5)
    ]
    store.record(run, attempt, [Batch("step", OLD_STEP, old), Batch("step", columns("step"), np.array(new))])
    points = store.read_points(run, "step")
    assert points.columns == columns("step")
    (frame,) = live.delta(store, run, {"step": -1, "epoch": -1})
    found = {one.name: one for one in frame.series}
    assert found["loss"].steps.tolist() == [1, 2, 3, 4, 5]
    assert found["samples_per_second"].steps.tolist() == [4, 5]
    assert not any(one.marks for one in frame.series)
    table = pd.read_csv(io.BytesIO(FORMATS["csv"].write(store, get_settings(), store.run(run))))
    assert table["samples_per_second"].isna().tolist() == [True, True, True, False, False]
