"""The short script trains what the lab trains: same data, split, network and rates, and results within the noise of seeds."""

import ast
import json
import shutil
import statistics

import pytest
import vision_files
from engine_runs import go
from test_contract import ALL, using

from trainer.data.uploads import upload_folder
from trainer.engine.build import build
from trainer.export.script import short_script
from trainer.presets import PRESETS
from trainer.registry import families

SEEDS = (0, 1, 2, 3)
TOO_LONG = {
    "synonym_replacement",
    "random_insertion",
    "back_translation",
}  # with the reviews, the only texts there are
CASES = [
    pair
    for pair in ALL
    if pair[0] not in TOO_LONG
    and pair[1] != "range_test"
    and (pair[1] != families()[pair[0]].default or pair[0] == "data")
]
ids = ["-".join(pair) for pair in CASES]
WATCH = """
from torch.optim.optimizer import register_optimizer_step_pre_hook
watched, first = [], []


def watch(optimizer, *_):
    watched.append(optimizer.param_groups[0]["lr"])
    first.append(sum(float(p.square().sum()) for p in model.parameters()) if not first else 0)


register_optimizer_step_pre_hook(watch)
"""
TELL = """
import json
count = sum(parameter.numel() for parameter in model.parameters())
sums = [float(part.double().sum()) for part in (x_val, y_val, x_test, y_test)]
print(json.dumps({"rates": watched, "squares": first[0], "parameters": count, "sums": sums}))
"""


def execute(script, runner, folder):
    """What a short script measures at its end, and what it trained on the way."""
    first, lines = ast.parse(script).body[0].end_lineno, script.splitlines()
    code, printed = runner("\n".join([*lines[:first], WATCH, *lines[first:], TELL]), folder)
    assert code == 0, printed[-8:]
    *_, validation, test, told = printed
    values = [float(word.split()[-1]) for line in (validation, test) for word in line.split(", ")]
    return values, json.loads(told)


def in_the_lab(config, folder):
    """For each seed the same four values of a run in the lab; and the learning rates of the first seed's steps."""
    runs = [go(config.changed({"seed": seed, "health": False}), data_folder=folder) for seed in SEEDS]
    assert not any(results.error for results, _ in runs)
    values = [
        [getattr(results, part)[kind] for part in ("validation", "test") for kind in ("loss", "metric")]
        for results, _ in runs
    ]
    return values, runs[0][1].column("lr")


def is_noise(values, runs):
    """Whether values lie where those of other seeds do. Of four seeds the deviation is uncertain: what is usual gives a floor."""
    for value, others, floor in zip(values, zip(*runs, strict=True), (0.5, 0.25) * 2, strict=True):
        mean, deviation = statistics.fmean(others), statistics.stdev(others)
        if abs(value - mean) > max(4 * deviation, floor * mean, 0.05):
            return False
    return True


def published(name, folder):
    """Image files in which every class is large enough to be in each part, as in the published ones."""
    vision_files.cifar(folder, 40) if name == "cifar10" else vision_files.mnist(folder, name, train=200)


def larger(config):
    """A run with enough samples, weights and steps that seeds do not decide everything."""
    small_data = "samples" in config.data.knobs
    changes = {"epochs": 8, "data.samples": 200} if small_data else {"epochs": 3}
    changes |= {"model.layers": "64-64"} if config.model.name == "mlp" else {}
    return config.changed({**changes, "learning_rate": 0.003})


def put_beside(config, folder):
    """A person's own file, where the script looks for it."""
    if own := config.technique("data").facts.get("own"):
        original = upload_folder(config.data.knobs["file"]) / "original"
        shutil.copy(original, folder / {"table": "table.csv", "images": "images.zip"}[own])


@pytest.mark.parametrize(("family", "name"), CASES, ids=ids)
def test_each_technique_does_the_same_in_a_short_script(family, name, runner, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(vision_files, "write", published)
    data = tmp_path / "data"
    config = larger(using(family, name, data))
    put_beside(config, tmp_path)
    script = short_script(config)
    assert script.count("\n") <= 120
    values, told = execute(script, runner, tmp_path)
    run = build(config, data)
    held_out = run.data.validation, run.data.test
    sums = [float(part.double().sum()) for one in held_out for part in (one.inputs, one.targets)]
    assert told["sums"] == pytest.approx(sums, rel=1e-3, abs=0.05), "another split, or another scaling"
    assert told["parameters"] == run.parameters
    squares = sum(float(weight.square().sum()) for weight in run.model.parameters())
    assert told["squares"] == pytest.approx(squares, rel=0.25, abs=1e-6), "another initialization"
    runs, rates = in_the_lab(config, data)
    if name not in ("fp16", "plateau"):  # which skips steps, and goes by the losses
        assert told["rates"] == pytest.approx(rates, rel=1e-6, abs=1e-12)
    assert is_noise(values, runs)


RUNS = {
    config.to_json(): config.changed(
        {"data.samples": 400, "epochs": 12, "learning_rate": 3 * config.learning_rate}
    )
    for preset in PRESETS.values()
    for config in preset.configs().values()
}


@pytest.mark.parametrize("config", RUNS.values(), ids=range(len(RUNS)))
def test_each_run_of_the_presets_does_the_same_in_a_short_script(config, runner, tmp_path):
    values, told = execute(short_script(config), runner, tmp_path)
    runs, rates = in_the_lab(config, tmp_path)
    if config.schedule.name != "plateau":
        assert told["rates"] == pytest.approx(rates, rel=1e-6, abs=1e-12)
    assert is_noise(values, runs)


def test_a_schedule_in_the_wrong_place_is_no_noise(runner, tmp_path):
    config = PRESETS["schedules"].configs()["one cycle"]
    config = config.changed(
        {"data.samples": 400, "epochs": 12, "optimizer": "momentum", "learning_rate": 0.05}
    )
    script, (runs, rates) = short_script(config), in_the_lab(config, tmp_path)
    values, told = execute(script, runner, tmp_path)
    assert is_noise(values, runs)
    assert told["rates"] == pytest.approx(rates, rel=1e-6, abs=1e-12)
    step = "        scheduler.step()\n"  # after each batch
    assert script.count(step) == 1
    broken = script.replace(step, "").replace(
        "    val_loss, metric", "    scheduler.step()\n    val_loss, metric"
    )
    values, told = execute(broken, runner, tmp_path)
    assert not is_noise(values, runs)
    assert told["rates"] != pytest.approx(rates, rel=1e-6, abs=1e-12)
