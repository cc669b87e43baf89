"""The short script trains what the lab trains: same data, split, network and rates, and results within the noise of seeds."""

import ast
import dataclasses
import inspect
import json
import math
import shutil
import statistics

import own_files
import pytest
import sklearn.model_selection
import torch
import torchvision.transforms.v2
import vision_files
from engine_runs import go, small
from test_contract import ALL, using

from trainer.config import RunConfig
from trainer.data.uploads import upload_folder
from trainer.engine import build as engine
from trainer.engine.build import build
from trainer.export.script import ShortScriptError, short_script
from trainer.export.script.folding.usual import USUAL
from trainer.presets import PRESETS
from trainer.registry import families

pytest_plugins = ("script_process",)
# What trains differs from seed to seed; which samples are trained on does not, or the split would decide more than the rest.
LAB_SEEDS = range(2)
SPLIT = 0
# How far results of seeds are usually apart, as measured over all cases: a share of a loss or an error, an accuracy itself.
USUAL_SHARE, USUAL_ACCURACY = 0.1, 0.03
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
    load = engine.load_data
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "load_data", lambda config, *rest: load(config.changed({"seed": SPLIT}), *rest))
        runs = [go(config.changed({"seed": seed, "health": False}), data_folder=folder) for seed in LAB_SEEDS]
    assert not any(results.error for results, _ in runs)
    values = [
        [getattr(results, part)[kind] for part in ("validation", "test") for kind in ("loss", "metric")]
        for results, _ in runs
    ]
    return values, runs[0][1].column("lr")


def differs_most(script, runs, metric):
    """The largest difference between a script and the mean of runs in the lab, in standard errors.

    A few seeds say little of how far apart seeds are; what is usual gives a floor. Five is far beyond chance.
    """
    found = []
    for place, (mine, theirs) in enumerate(zip(script, zip(*runs, strict=True), strict=True)):
        mean = statistics.fmean(theirs)
        usual = USUAL_ACCURACY if place % 2 and metric == "accuracy" else USUAL_SHARE * max(mean, 0.1)
        error = max(usual, statistics.stdev(theirs)) * math.sqrt(1 + 1 / len(theirs))
        found.append(abs(mine - mean) / error)
    return max(found)


def published(name, folder):
    """Image files in which every class is large enough to be in each part, as in the published ones."""
    vision_files.cifar(folder, 24) if name == "cifar10" else vision_files.mnist(folder, name, train=120)


def larger(config):
    """A run with enough samples, weights and steps that seeds do not decide everything."""
    few = {"epochs": 6, "data.samples": 240, "batch_size": 16}
    changes = few if "samples" in config.data.knobs else {"epochs": 2, "batch_size": 64}
    changes |= {"model.layers": "32-32"} if config.model.name == "mlp" else {}
    return config.changed({**changes, "learning_rate": 0.003, "seed": SPLIT})


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
    squares = sum(float(weight.detach().square().sum()) for weight in run.model.parameters())
    assert told["squares"] == pytest.approx(squares, rel=0.25, abs=1e-6), "another initialization"
    runs, rates = in_the_lab(config, data)
    if name not in ("fp16", "plateau"):  # which skips steps, and goes by the losses
        assert told["rates"] == pytest.approx(rates, rel=1e-6, abs=1e-12)
    assert differs_most(values, runs, run.metric) < 5


RUNS = {
    config.to_json(): config.changed(
        {"epochs": 12, "seed": SPLIT} | ({"data.samples": 400} if "samples" in config.data.knobs else {})
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
    assert differs_most(values, runs, build(config, tmp_path).metric) < 5


def test_a_schedule_in_the_wrong_place_is_no_noise(runner, tmp_path):
    config = PRESETS["schedules"].configs()["one cycle"]
    config = config.changed(
        {"data.samples": 400, "epochs": 12, "batch_size": 16, "optimizer": "sgd", "learning_rate": 0.01}
    ).changed({"normalization": "batch", "dropout.rate": 0.2})
    script, (runs, rates) = short_script(config), in_the_lab(config, tmp_path)
    values, told = execute(script, runner, tmp_path)
    assert differs_most(values, runs, build(config, tmp_path).metric) < 5
    assert told["rates"] == pytest.approx(rates, rel=1e-6, abs=1e-12)
    step = "        scheduler.step()\n"  # after each batch
    assert script.count(step) == 1
    broken = script.replace(step, "").replace(
        "    val_loss, metric", "    scheduler.step()\n    val_loss, metric"
    )
    values, told = execute(broken, runner, tmp_path)
    assert differs_most(values, runs, build(config, tmp_path).metric) > 5
    assert told["rates"] != pytest.approx(rates, rel=1e-6, abs=1e-12)


FORMLESS = [  # techniques with a short form, without which their own source stands in the script: one of each kind
    ("schedule", "one_cycle"), ("schedule", "plateau"), ("clipping", "by_norm"), ("rotation", "rotate"), ("mixing", "mixup"),
    ("precision", "fp16"), ("optimizer", "momentum"), ("input_scaling", "standardize"), ("label_smoothing", "smoothing"),
    ("model", "transformer"),
]  # fmt: skip


@pytest.mark.parametrize(("family", "name"), FORMLESS, ids=["-".join(pair) for pair in FORMLESS])
def test_a_technique_without_a_short_form_brings_its_own_source(family, name, runner, tmp_path, monkeypatch):
    technique = families()[family][name]
    facts = {key: value for key, value in technique.facts.items() if key != "short"}
    monkeypatch.setitem(families()[family].techniques, name, dataclasses.replace(technique, facts=facts))
    monkeypatch.setattr("trainer.export.script.short.MOST_LINES", 1000)
    config = using(family, name, tmp_path / "data")
    config = config.changed({"label_smoothing.amount": 0.1} if family == "label_smoothing" else {})
    values, told = execute(short_script(config), runner, tmp_path)
    results, log = go(config)
    assert told["parameters"] == results.parameters
    if name not in ("fp16", "plateau"):
        assert told["rates"] == pytest.approx(log.column("lr"), rel=1e-6, abs=1e-12)
    assert all(math.isfinite(value) for value in values)


@pytest.mark.parametrize("family", sorted(TOO_LONG))
def test_what_a_short_script_cannot_say_is_refused_by_name(family):
    name = next(name for name in families()[family].techniques if name != "none")
    with pytest.raises(ShortScriptError, match=f"{families()[family].label} cannot be said.*--exact"):
        short_script(RunConfig.from_flat({"data": "reviews", family: name}))


def test_a_range_test_prints_its_curve(runner, tmp_path):
    config = small(schedule="range_test", schedule__steps=20, schedule__end=0.001, epochs=4, optimizer="sgd")
    _, printed = runner(short_script(config), tmp_path)
    found = [float(line.split()[2].rstrip(",")) for line in printed if line.startswith("learning rate")]
    _, log = go(config)
    assert found == pytest.approx(log.column("lr")[:20], rel=0.01)


def test_arguments_that_are_left_out_are_what_torch_takes_anyway():
    places = [
        torch.nn,
        torch.optim,
        torch.optim.lr_scheduler,
        torch.nn.init,
        torchvision.transforms.v2,
        sklearn.model_selection,
    ]
    for name, usual in USUAL.items():
        for place in places:
            if function := getattr(place, name, None):
                parameters = inspect.signature(function).parameters
                known = {key: value for key, value in usual.items() if key in parameters}
                defaults = {key: parameters[key].default for key in known}
                assert defaults == known, name
                assert known
                break
        else:
            pytest.fail(f"{name} is not known")


@pytest.mark.parametrize(
    "title", ['"""\nraise SystemExit(9)\n"""', "\\", '"', "# \u202e\x00\r\n\x85 x = 1", "a" * 500]
)
def test_a_name_is_never_code(title):
    config = small(epochs=1)
    assert len(ast.parse(short_script(config, title)).body) == len(ast.parse(short_script(config)).body)
    evil = {"validation": {"loss": 1.0, "metric": 0.5}, "metric": title}
    assert len(ast.parse(short_script(config, "", evil)).body) == len(ast.parse(short_script(config)).body)


def test_column_names_are_never_code(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path))
    rows = "".join(f"{number % 7},{number % 3}\n" for number in range(60))
    name = '\\"); raise SystemExit(9)  #'
    values = own_files.added_values(f'"{name.replace(chr(34), chr(34) * 2)}",y\n{rows}'.encode())
    tree = ast.parse(short_script(RunConfig.from_flat(values)))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Raise)]


def test_it_reads_as_if_written_by_hand():
    text = short_script(RunConfig())
    for absent in (
        "trainer",
        "config",
        "->",
        "Annotated",
        "def main",
        "lambda",
        "_item_",
        "=None",
        "functional.relu",
    ):
        assert absent not in text, absent
    assert text.count("\n") < 90
    for line in (
        "optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)",
        "loader = DataLoader(",
    ):
        assert line in text
    assert "clip_grad_norm_(model.parameters(), 1.0)" in short_script(
        RunConfig.from_flat({"clipping": "by_norm"})
    )
    text = short_script(
        RunConfig.from_flat({"schedule": "cosine", "schedule.moves": "step", "precision": "fp16"})
    )
    assert "        scheduler.step()\n" in text
    assert (
        text.index("scaler.step(optimizer)") < text.index("scaler.update()") < text.index("scheduler.step()")
    )
