"""Training on a table of one's own: nothing is learned from held-out parts, what is done is said, it can be repeated."""

import numpy as np
import own_files
import pytest
import torch
from engine_runs import asks, exact, go, same_weights, saved_weights, small

from trainer.config import ConfigError, RunConfig
from trainer.data.columns import read_column
from trainer.data.encoding import Encoding, describe_encoding
from trainer.data.own import data_problem
from trainer.data.samples import DataError, Samples
from trainer.data.uploads import find_manifest, remove_upload, upload_folder
from trainer.engine.build import build
from trainer.engine.datasplit import split, training_samples
from trainer.techniques.input_scaling import standardize

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path))
    return tmp_path


def own(data=None, **changes):
    """A small configuration on a table."""
    epochs = changes.pop("epochs", 2)
    return small(epochs=epochs, **own_files.added_values(data or own_files.csv_bytes(), **changes))


def raw(columns, targets):
    """Samples whose raw columns are given as text, with the encoding as their `prepare`."""
    read = tuple(read_column(f"c{number}", column) for number, column in enumerate(columns))
    values = np.column_stack([column.values for column in read])
    samples = Samples(values, targets, "regression")
    return Samples(**{**samples.__dict__, "prepare": Encoding(samples, read)})


def test_medians_and_categories_come_from_the_training_part_alone():
    rows = 200
    targets = np.arange(rows, dtype=np.float32)[:, None]
    numbers = [str(n) if n % 7 else "" for n in range(rows)]
    cities = ["Rome" if n % 2 else "Oslo" for n in range(rows)]
    seen = []

    def parts(samples):
        def spy(train, prepare=samples.prepare):
            seen.append(set(train.tolist()))
            return prepare(train)

        samples = Samples(**{**samples.__dict__, "prepare": spy})
        return split(samples, seed=3, validation_share=0.2, test_share=0.2, device=CPU, scaling=standardize)

    plain = parts(raw([numbers, cities], targets))
    assert len(seen[0]) == 120
    changed = [text if n in seen[0] or not text else "1000000" for n, text in enumerate(numbers)]
    moved = [city if n in seen[0] else "Paris" for n, city in enumerate(cities)]
    again = parts(raw([changed, moved], targets))
    assert seen[1] == seen[0]
    assert torch.equal(again.train.inputs, plain.train.inputs), (
        "what held-out parts hold changes nothing in training"
    )
    assert torch.equal(again.mean, plain.mean)
    assert not torch.equal(again.test.inputs, plain.test.inputs)
    (told,) = [sentence for sentence in again.samples.notices if "'c1'" in sentence]
    assert "80 outside the training part" in told
    known = [float(n) for n in seen[0] if n % 7]
    assert f"training median {np.median(known):.6g}" in " ".join(plain.samples.notices)


def test_gaps_are_filled_with_the_training_median_and_that_is_said():
    config = own()
    run = build(config, None)
    said = " ".join(run.notices)
    age = np.array(
        [float(line.split(",")[1] or "nan") for line in own_files.csv_bytes().decode().splitlines()[1:]]
    )
    assert "6 of 60 values of 'age' were missing" in said
    median = float(said.split("training median ")[1].split(".")[0].rstrip("."))
    assert np.nanmin(age) <= median <= np.nanmax(age)
    assert "Left out: 'id'" in said
    assert "'city': of 4 categories" in said  # the three, and missing
    assert run.data.train.inputs.isfinite().all()


def test_the_classes_and_the_unit_are_the_targets_own():
    config = own()
    assert (config.data.knobs["target"], config.data.knobs["task"]) == ("member", "classification")
    assert build(config, None).data.samples.classes == ("no", "yes")
    regression = config.changed({"data.target": "income", "data.task": "regression"})
    run = build(regression, None)
    assert run.data.samples.unit == "income"
    assert run.metric == "mae"
    results, log = go(regression)
    assert results.unit == "income"
    assert results.stopped_by == "epochs"
    assert log.notices


def test_facts_of_the_file_reach_validation_and_planning():
    config = own()
    assert config.data_facts()["task"] == "classification"
    assert config.data_facts()["samples"] == 60
    assert training_samples(config) == len(build(config, None).data.train)
    with pytest.raises(ConfigError, match="CNN needs images"):
        config.changed({"model": "cnn"})
    with pytest.raises(ConfigError, match="Label smoothing needs classes"):
        config.changed({"data.task": "regression", "label_smoothing.amount": 0.1})


def test_rows_without_a_target_are_left_out_and_counted():
    lines = own_files.csv_bytes().decode().splitlines()
    lines[5] = lines[5].rsplit(",", 1)[0] + ","
    config = own("\n".join(lines).encode())
    run = build(config, None)
    parts = run.data
    assert len(parts.train) + len(parts.validation) + len(parts.test) == 59
    assert "1 of 60 rows have no value in 'member'" in " ".join(run.notices)
    assert training_samples(config) == len(parts.train)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": ""}, "No target is chosen"),
        ({"target": "age<"}, "no column “age<”"),
        ({"target": "city", "task": "regression"}, "holds categories"),
        ({"target": "income", "task": "classification"}, None),
        ({"file": ""}, "No file is chosen"),
        ({"file": "ab" * 32}, "not on this machine"),
    ],
)
def test_what_cannot_be_trained_on_is_said_before_and_in_the_run(changes, words):
    config = own(**changes)
    problem = data_problem("csv", config.data.knobs)
    if (
        words is None
    ):  # 60 different incomes are classes enough to be allowed, and few rows each: that is said
        assert problem == ""
        return
    assert words in problem
    with pytest.raises(DataError) as caught:
        go(config)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("column", "task", "words"),
    [
        (["7"] * 60, "classification", "same value in every row"),
        ([""] * 60, "regression", "no values to predict"),
        ([f"name {n}" for n in range(60)], "classification", "free text"),
        (["1", "2"] + [""] * 58, "classification", "Only 2 rows"),
    ],
)
def test_targets_that_cannot_be_predicted(column, task, words):
    data = "\n".join(["x,y", *(f"{n},{value}" for n, value in enumerate(column))]).encode()
    config = own(data, target="y", task=task, leave_out="")
    assert words in data_problem("csv", config.data.knobs)


def test_more_than_a_hundred_classes_are_refused():
    data = "\n".join(["x,y", *(f"{n},{n % 101}" for n in range(505))]).encode()
    config = own(data, target="y", task="classification")
    assert "at most 100 classes" in data_problem("csv", config.data.knobs)


def test_nothing_left_to_learn_from():
    config = own(leave_out="1-5")
    with pytest.raises(DataError, match="No column is left"):
        go(config)


def test_a_run_is_resumed_exactly(home):
    config = own(epochs=3)
    whole, log = go(config, home / "whole")
    first, start = go(config, home / "parts", asks("stop", [7]))
    second, end = go(config, home / "parts")
    assert first.stopped_by == "stop"
    assert exact(start.steps + end.steps) == exact(log.steps)
    assert exact(second.test) == exact(whole.test)
    assert same_weights(saved_weights(home / "whole"), saved_weights(home / "parts"))


def test_the_same_bytes_are_the_same_file_and_a_deleted_one_is_said():
    one, two = own_files.added(own_files.csv_bytes()), own_files.added(own_files.csv_bytes())
    assert one == two
    config = own()
    remove_upload(one)
    assert find_manifest(one) is None
    assert config.data_facts()["task"] == "classification"
    assert training_samples(config) >= 1
    with pytest.raises(DataError, match="Upload the same file"):
        go(config)
    assert own_files.added(own_files.csv_bytes()) == one
    assert go(config)[0].stopped_by == "epochs"


def test_a_damaged_copy_is_said():
    config = own()
    folder = upload_folder(config.data.knobs["file"])
    (folder / "values.npy").write_bytes(b"\x93NUMPY nonsense")
    with pytest.raises(DataError, match="damaged"):
        go(config)


def test_plans_say_what_becomes_of_a_column():
    assert "0/1 column for each of its 2 categories" in describe_encoding(read_column("x", ["a", "b"] * 20))
    assert "category of their own" in describe_encoding(read_column("x", ["a", "", "b"] * 20))
    assert "training median" in describe_encoding(read_column("x", ["1", "", "2"] * 20))
    assert "Days since" in describe_encoding(read_column("x", ["2024-01-01", "2024-01-02"] * 20))
    assert "same value" in describe_encoding(read_column("x", ["3"] * 20))
    assert "free text" in describe_encoding(read_column("x", [f"word {n}" for n in range(60)]))
    assert "no value" in describe_encoding(read_column("x", [""] * 20))


def test_numbers_far_from_zero_keep_their_digits():
    stamps = [str(1_700_000_000_000 + n) for n in range(100)]
    samples = raw([stamps], np.arange(100, dtype=np.float32)[:, None])
    data = split(samples, seed=0, validation_share=0.2, test_share=0.2, device=CPU, scaling=standardize)
    assert len(data.train.inputs.unique()) == 60
    assert any("far from zero" in sentence for sentence in data.samples.notices)


def test_links_and_imported_runs_with_an_unknown_file_are_valid_but_not_ready():
    config = RunConfig.from_flat({"data": "csv", "data.file": "cd" * 32, "data.target": "y"})
    assert RunConfig.from_json(config.to_json()) == config
    assert "python -m trainer add-data FILE" in data_problem("csv", config.data.knobs)
