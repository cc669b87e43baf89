"""`from trainer import run, compare`, as scripts use it: in a folder of their own, with Ctrl-C and kill -9."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import FAST, ROOT, cli, wait_for_steps
from comparison_runs import ARMS, BASE, begin, end_all
from waiting import PATIENCE
from warm_process import WarmProcess, warm_supervisor

from trainer import compare, open_comparison, open_run, run
from trainer.comparison.analysis import start
from trainer.comparison.factors import combined_design
from trainer.config import ConfigError, RunConfig
from trainer.data import DataError
from trainer.store import Store, StoreError

KNOBS = dict(item.split("=") for item in FAST)
SLOW = {**KNOBS, "epochs": 40, "pace": 20}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path))
    return tmp_path


def script(folder, text):
    """A process in a folder that is not Trainscope's, without settings."""
    unset = dict.fromkeys((name for name in os.environ if name.startswith("TRAINSCOPE_")), None)
    files = Path(tempfile.mkdtemp(dir=folder.parent))
    (files / "script.py").write_text(text)
    return WarmProcess(files / "script.py", [], unset, files / "out.txt", files / "err.txt", folder)


def of_folder(folder, monkeypatch):
    """Looks at what such a process has trained."""
    monkeypatch.setenv("TRAINSCOPE_HOME", str(folder / ".trainscope"))


def measured(run):
    return {key: run.results[key] for key in ("train", "validation", "test", "best", "steps")}


def test_the_examples_in_the_docs_run(tmp_path, monkeypatch):
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)
    assert len(examples) == 4
    process = script(tmp_path, "\n".join(examples))
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, ""), err
    assert "Cannot tell yet whether “batch norm” is better" in out
    assert "Comparison 1: 9 of 9 runs over." in out
    assert (tmp_path / "figure.html").stat().st_size > 1000
    of_folder(tmp_path, monkeypatch)
    assert set(open_comparison(1).frame["arm"].value_counts().items()) == {
        ("baseline", 3),
        ("batch norm", 3),
        ("dropout", 3),
    }


def test_a_run_has_the_numbers_of_the_command_line_and_leaves_torch_as_it_was(home, tmp_path):
    torch.manual_seed(7)
    expected, threads = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(7)
    trained = run(KNOBS, seed=5, name="mine")
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    printed = json.loads(cli(tmp_path / "cli", "run", "--set", *FAST, "--seed", 5, "--json")[1])
    assert measured(trained) == {key: printed[key] for key in measured(trained)}
    assert trained.config == RunConfig.from_flat({**KNOBS, "seed": 5})
    assert trained.steps["step"].tolist() == list(range(1, trained.results["steps"] + 1))
    assert trained.epochs["val_loss"].iloc[-1] == trained.results["validation"]["loss"]
    assert repr(open_run(trained.id)) == f"Run {trained.id}: finished."
    nested = run(trained.config.to_dict())
    assert measured(nested) == measured(trained)
    with pytest.raises(StoreError, match="finished"):
        trained.resume()


def test_a_run_that_diverges_is_returned_and_says_why(home):
    failed = run(data="delivery_time", optimizer="sgd", learning_rate=10, epochs=30, **{"data.samples": 100})
    assert failed.status == "failed"
    assert "learning rate 10 is too high" in failed.error
    assert failed.results["stopped_by"] == "non_finite_loss"


def test_a_comparison_as_tables_verdict_and_figure(home, supervised):
    found = compare(
        KNOBS, [{"optimizer": "adamw"}], seeds=np.array([3, 9]), margin=0.5, measure="val_loss", title="Why?"
    )
    table = found.frame
    assert list(zip(table["arm"], table["seed"], strict=True)) == [
        ("baseline", 3),
        ("baseline", 9),
        ("AdamW", 3),
        ("AdamW", 9),
    ]
    assert table["value"].equals(table["val_loss"])
    assert set(table["status"]) == {"finished"}
    assert table["optimizer"].tolist() == ["adam", "adam", "adamw", "adamw"]
    differences = table["value"].diff(2).dropna()
    assert found.verdict.effect == pytest.approx(differences.mean())
    assert str(found.verdict) == found.verdicts["AdamW"].sentence
    curves = found.curves
    assert len(curves) == 4 * 3
    assert curves.groupby("run")["val_loss"].last().loc[table["run"]].tolist() == table["val_loss"].tolist()
    assert [trace.name for trace in found.figure().data if trace.showlegend] == ["baseline", "AdamW"]
    assert Store(f"sqlite:///{home / 'trainscope.db'}").comparison(found.id).title == "Why?"
    assert found.add_seeds(1).frame["seed"].unique().tolist() == [3, 9, 10]


def test_ctrl_c_pauses_a_run_and_resume_ends_with_the_same_numbers(tmp_path, monkeypatch):
    process = script(tmp_path, f"from trainer import run\nrun({SLOW})")
    wait_for_steps(tmp_path / ".trainscope", 5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert err.splitlines()[-1] == (
        "KeyboardInterrupt: Run 1 is paused; trainer.open_run(1).resume() continues it."
    )
    of_folder(tmp_path, monkeypatch)
    assert open_run(1).status == "paused"
    resumed = open_run(1).resume()
    assert measured(resumed) == measured(run(SLOW, pace=0))


def test_ctrl_c_pauses_a_comparison_and_kill_9_loses_nothing(tmp_path, monkeypatch):
    begin = f"from trainer import compare\ncompare({SLOW}, [{{'dropout': 0.5}}], seeds=1)"
    process = script(tmp_path, begin)
    wait_for_steps(tmp_path / ".trainscope", 5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert err.splitlines()[-1] == (
        "KeyboardInterrupt: Comparison 1 is paused; trainer.open_comparison(1).resume() continues it."
    )
    of_folder(tmp_path, monkeypatch)
    assert "finished" not in set(open_comparison(1).frame["status"])
    steps = Store(f"sqlite:///{tmp_path / '.trainscope' / 'trainscope.db'}").last_step(1, "step")

    process = script(tmp_path, "from trainer import open_comparison\nopen_comparison(1).resume()")
    wait_for_steps(tmp_path / ".trainscope", steps + 5)
    process.kill()
    process.communicate(timeout=PATIENCE)
    with warm_supervisor(tmp_path / ".trainscope"):
        resumed = open_comparison(1).resume()
        assert set(resumed.frame["status"]) == {"finished"}
        whole = compare({**SLOW, "pace": 0}, [{"dropout": 0.5}], seeds=1)
    assert resumed.frame["value"].tolist() == whole.frame["value"].tolist()
    assert resumed.curves["val_loss"].tolist() == whole.curves["val_loss"].tolist()


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: run({"dropuot": 1}), ConfigError, "did you mean dropout"),
        (lambda: run("digits"), ConfigError, "Knobs are a mapping"),
        (lambda: run({1: 2}), ConfigError, "A knob's name is text"),
        (lambda: run(data="mnist"), DataError, "download mnist"),
        (lambda: run({"data.file": "nowhere.csv"}), DataError, "nowhere.csv"),
        (lambda: compare({}, {"normalization": "batch"}), ConfigError, "Give arms as a list"),
        (lambda: compare({}, {"baseline": {}}), ConfigError, "another name"),
        (lambda: compare({}, [{"dropout": 0}]), ConfigError, "Two arms are alike"),
        (lambda: compare({}, []), ConfigError, "at least two arms"),
        (lambda: compare({}, [{"data": "two_moons"}]), ConfigError, "differ in Data set"),
        (lambda: compare({}, [{"dropout": 0.1}], measure="loss"), ConfigError, "measure"),
        (lambda: open_run(7), StoreError, "There is no run 7"),
        (lambda: open_comparison(7), StoreError, "There is no comparison 7"),
    ],
)
def test_bad_input_is_a_sentence_and_nothing_starts(home, call, error, said):
    with pytest.raises(error, match=re.escape(said)):
        call()
    assert not (home / "trainscope.db").exists() or not Store(f"sqlite:///{home / 'trainscope.db'}").runs()


def test_one_verdict_needs_one_arm(home):
    store = Store(f"sqlite:///{home / 'trainscope.db'}")
    found = open_comparison(begin(store, {**ARMS, "wide": BASE.changed({"model.layers": "99"})}, seeds=1))
    with pytest.raises(ValueError, match="has 2 arms"):
        _ = found.verdict
    assert list(found.verdicts) == ["batch norm", "wide"]
    assert found.frame["value"].isna().all()
    assert len(found.curves) == 0
    with pytest.raises(StoreError, match="has no results: it is queued"):
        _ = open_run(1).results


def test_the_effects_of_a_factorial_layout_are_a_table(home):
    store = Store(f"sqlite:///{home / 'trainscope.db'}")
    changed = [BASE.changed({"normalization": "batch"}), BASE.changed({"dropout.rate": 0.2})]
    number = start(store, combined_design(BASE, changed, "factorial", 6), "ada")
    end_all(store, number, lambda arm, seed: 1 + seed / 10 - 0.5 * (arm in (1, 3)))
    found = open_comparison(number)
    assert found.effects["techniques"].tolist() == [
        "Batch norm",
        "Dropout rate 0.2",
        "Batch norm × Dropout rate 0.2",
    ]
    assert found.effects["effect"].tolist() == pytest.approx([-0.5, 0, 0])
    assert list(found.verdicts) == ["Batch norm", "Dropout rate 0.2"]
    assert "Cannot tell yet whether “Dropout rate 0.2”" in str(found.verdicts["Dropout rate 0.2"])


def test_the_package_alone_imports_nothing():
    look = (
        "import sys; before = set(sys.modules); import trainer\n"
        "found = {one.split('.')[0] for one in sys.modules.keys() - before}\n"
        "print(sorted(found - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert done.stdout.strip() == "['trainer']"


def test_a_comparison_goes_on_when_the_supervisor_that_it_found_ends(tmp_path, monkeypatch):
    """As when the server that trains is stopped meanwhile."""
    with warm_supervisor(tmp_path / ".trainscope"):
        process = script(
            tmp_path, f"from trainer import compare\ncompare({SLOW}, [{{'dropout': 0.5}}], seeds=1)"
        )
        wait_for_steps(tmp_path / ".trainscope", 5)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    of_folder(tmp_path, monkeypatch)
    assert set(open_comparison(1).frame["status"]) == {"finished"}
