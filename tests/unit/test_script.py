"""An exported script prints what the run recorded, bit for bit, with nothing of the project around it."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from engine_runs import Log, go, small
from test_contract import ALL, using

from trainer.config import RunConfig
from trainer.data.uploads import upload_folder
from trainer.engine.lr_finder import train_range_test
from trainer.export.script import exact_script as script
from trainer.export.script.closure import Closure
from trainer.export.script.exact import specializer

CASES = [pair for pair in ALL if pair[1] != "range_test"]  # which ends by itself; see below
ids = ["-".join(pair) for pair in CASES]


def lines(results, log) -> list[str]:
    """What a script of this run must print."""
    name = results.metric
    found = [
        f"epoch {row['epoch']}: train loss {row['train_loss']!r}, {name} {row['train_metric']!r}; "
        f"validation loss {row['val_loss']!r}, {name} {row['val_metric']!r}"
        for row in log.epochs
    ]
    if results.restored_best:
        found.append(f"The weights of epoch {results.best['epoch']}, the best on validation, are restored.")
    for part in ("validation", "test"):
        values = getattr(results, part)
        found.append(f"{part}: loss {values['loss']!r}, {name} {values['metric']!r}")
    return found


def range_test(config, folder):
    """A range test as the worker runs one, which ends when the loss has exploded."""
    log = Log()
    results = train_range_test(
        config, recorder=log, control=lambda: None, data_folder=folder, run_folder=None
    )
    assert results.stopped_by == "range_test"
    return results, log


def check(config, runner, tmp_path):
    """Trains here and there, and compares."""
    results, log = go(config, data_folder=tmp_path / "data")
    assert results.stopped_by in ("epochs", "early_stopping"), results.error
    code, printed = runner(script(config, "Run 1", results.to_dict()), tmp_path)
    assert printed == lines(results, log)
    assert code == 0
    return printed


@pytest.mark.parametrize(("family", "name"), CASES, ids=ids)
def test_each_technique_leaves_as_a_script_with_the_same_numbers(family, name, runner, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path / "home"))
    config = using(family, name, tmp_path / "data")
    if "own" in config.technique("data").facts:
        shutil.copytree(upload_folder(config.data.knobs["file"]), tmp_path / "data")
    check(config, runner, tmp_path)


@pytest.mark.parametrize("end", [0.001, 100.0], ids=["to its last step", "until the loss explodes"])
def test_a_range_test_leaves_as_a_script_with_the_same_curve(end, runner, tmp_path):
    config = small(schedule="range_test", schedule__steps=20, schedule__end=end, epochs=4, optimizer="sgd")
    _, log = range_test(config, tmp_path)
    code, printed = runner(script(config), tmp_path)
    assert [line for line in printed if line.startswith("step")] == [
        f"step {row['step']}: learning rate {row['lr']!r}, loss {row['loss']!r}" for row in log.steps
    ]
    assert (len(log.steps) == 20) == (end < 1)
    assert code == 0


TOGETHER = {
    "everything for images": {
        "data": "digits", "model": "resnet", "normalization": "batch", "activation": "gelu", "batch_size": 500,
        "dropout.conv_rate": 0.2, "dropout.rate": 0.3, "dropout.input_rate": 0.1, "initialization": "orthogonal",
        "optimizer": "momentum", "schedule": "one_cycle", "clipping": "by_norm", "clipping.max_norm": 0.1, "precision": "bf16",
        "early_stopping": "patience", "label_smoothing": 0.1, "random_crop": "resized", "horizontal_flip": "flip",
        "rotation": "rotate", "affine": "shift_scale_shear", "random_erasing": "erase", "mixing": "cutmix",
    },
    "float16 that overflows and skips steps": {"precision": "fp16", "learning_rate": 5, "optimizer": "nesterov", "epochs": 3},
    "early stopping that goes back": {
        "early_stopping": "patience", "early_stopping.patience": 2, "learning_rate": 0.5, "optimizer": "adamw", "epochs": 40,
    },
    "a plateau that drops": {"schedule": "plateau", "schedule.patience": 0, "learning_rate": 0.3, "epochs": 10},
    "a cosine that moves with each step": {"schedule": "cosine", "schedule.moves": "step", "optimizer": "rmsprop"},
    "large and small layers": {"model.layers": "300-300-8", "optimizer": "sgd", "clipping": "by_value"},
    "regression": {"data": "delivery_time", "data.samples": 77, "batch_size": 11, "input_scaling": "none"},
    "a long memory": {"data": "adding", "data.samples": 60, "data.length": 9, "model": "lstm", "model.depth": 2,
                      "dropout.recurrent_rate": 0.3, "normalization": "layer", "precision": "fp16"},
    "texts": {"data": "reviews", "data.samples": 60, "model": "transformer", "model.norm": "post", "dropout.rate": 0.2,
              "dropout.attention_rate": 0.1, "dropout.feedforward_rate": 0.1, "schedule": "warmup_cosine"},
    "a bag of words": {"data": "reviews", "data.samples": 60, "dropout.input_rate": 0.2},
    "rows of an image": {"data": "digits", "model": "gru", "batch_size": 512, "mixing": "mixup"},
    "a seed for each purpose": {"data": "digits", "model": "cnn", "batch_size": 512, "mixing": "mixup", "dropout.conv_rate": 0.3,
                                "seed.split": 1, "seed.weights": 2, "seed.order": 3, "seed.dropout": 4},
    "a split of its own": {"seed": 3, "seed.split": 2**31 - 1},
    "control weights": {"data": "reviews", "data.samples": 60, "model": "rnn", "initialization": "pytorch_default"},
}  # fmt: skip


@pytest.mark.parametrize("values", TOGETHER.values(), ids=TOGETHER)
def test_techniques_together_leave_with_the_same_numbers(values, runner, tmp_path):
    printed = check(small(**values), runner, tmp_path)
    if "early_stopping.patience" in values:
        assert any("restored" in line for line in printed)
        assert len(printed) < 43


def test_a_run_that_explodes_ends_at_the_same_step(runner, tmp_path):
    config = small(
        initialization="too_large", optimizer="sgd", learning_rate=10, epochs=50, data="delivery_time"
    )
    results, log = go(config)
    assert results.stopped_by == "non_finite_loss"
    code, printed = runner(script(config, "", results.to_dict()), tmp_path)
    assert code == 1
    assert printed[:-1] == lines(results, log)[: len(log.epochs)]
    assert printed[-1].startswith(f"step {log.steps[-1]['step']}: loss")


@pytest.mark.parametrize(
    "title",
    ['"""\nraise SystemExit(9)\n"""', "\\", '"', "# \u202e\x00\r\n\x85 x = 1", "{1/0} %s é", "a" * 500],
)
def test_a_name_is_never_code(title, runner, tmp_path):
    text = script(small(epochs=1), title)
    assert len(ast.parse(text).body) == len(ast.parse(script(small(epochs=1))).body)
    code, _ = runner(text, tmp_path)
    assert code == 0


def test_results_taken_in_from_elsewhere_are_never_code():
    evil = {"validation": {"loss": 1.0, "metric": 0.5}, "metric": '"""; raise SystemExit(9); """'}
    config = RunConfig()
    assert len(ast.parse(script(config, "", evil)).body) == len(ast.parse(script(config)).body)


def test_only_what_the_run_needs_is_in_it():
    text = script(RunConfig())
    for absent in ("Annotated", "knob(", "technique", "trainer", "config", "Rates", "nn.Dropout", "Embedding(", "lazy",
                   "pydantic", "Conv2d", "torchvision", "noqa", "Augmenter", "mse_loss", "_item_"):  # fmt: skip
        assert absent not in text, absent
    assert "torchvision" in script(RunConfig.from_flat({"data": "mnist"}))
    assert "sklearn" not in script(RunConfig.from_flat({"data": "xor", "input_scaling": "none"})).replace(
        "from sklearn import model_selection", ""
    )
    names = [
        node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    assert len(names) == len(set(names))


ASKING = [  # configurations that together make the engine ask every question
    {}, {"data": "delivery_time"}, {"data": "reviews"}, {"data": "mnist", "model": "cnn"}, {"data": "csv"},
    {"data": "image_folder"}, {"mixing": "mixup"}, {"rotation": "rotate"}, {"model": "lstm"},
]  # fmt: skip


def test_every_predicate_is_asked_by_the_engine_and_decides_a_branch():
    asked, known = {}, set()
    for values in ASKING:
        specialize = specializer(RunConfig.from_flat(values))
        text = "".join(Closure(specialize).texts.values())
        for predicate, modules in specialize.answered.items():
            assert specialize.references.place(predicate) not in text, "decided, and yet still asked"
            asked.setdefault(predicate, set()).update(modules)
        known |= set(specialize.answers)
    assert set(asked) == known
    for predicate, modules in asked.items():
        assert all(
            module.startswith(("trainer.engine.", "trainer.techniques.", "trainer.data."))
            for module in modules
        ), predicate


def test_the_main_function_comes_first_and_nothing_is_there_in_vain():
    tree = ast.parse(script(RunConfig()))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert functions[0] == "main"
    assert len(script(RunConfig()).splitlines()) < 340
    for config in (
        RunConfig(),
        RunConfig.from_flat({"data": "reviews", "model": "lstm", "clipping": "by_norm"}),
    ):
        tree = ast.parse(script(config))
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.FunctionDef)
                and not node.name.startswith("__")
                and node.name != "forward"
            ):
                names = {one.id for part in node.body for one in ast.walk(part) if isinstance(one, ast.Name)}
                idle = {one.arg for one in (*node.args.args, *node.args.kwonlyargs)} - names - {"self"}
                assert not idle, f"{node.name} does not read {idle}"


def test_a_process_of_its_own_in_an_empty_folder(tmp_path):
    config = small(model__layers="16", epochs=2, dropout=0.2)
    results, log = go(config)
    path = tmp_path / "run.py"
    path.write_text(script(config, "A run", results.to_dict()), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.splitlines() == lines(results, log)
    assert [file.name for file in tmp_path.iterdir()] == ["run.py"]
    assert repr(results.test["loss"]) in path.read_text(encoding="utf-8")


def test_writing_a_script_imports_no_torch():
    code = (
        "import sys\nfrom trainer.config import RunConfig\nfrom trainer.export.script import exact_script as script\n"
        "for model, data in (('cnn', 'cifar10'), ('transformer', 'reviews')):\n"
        "    script(RunConfig.from_flat({'model': model, 'data': data, 'precision': 'fp16'}))\n"
        "print([name for name in ('torch', 'torchvision', 'sklearn', 'trainer.layers') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
